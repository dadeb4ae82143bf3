"""What a staging log says of an instance beside its identity, so that a query need not read its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TypeVar

from retention.dicom.head import Head
from retention.model.canonical import JsonValue
from retention.model.facts import InstanceFacts, PatientFacts, SeriesFacts, StudyFacts

_Facts = TypeVar("_Facts", PatientFacts, StudyFacts, SeriesFacts, InstanceFacts)


@dataclass(frozen=True, slots=True)
class StagedFacts:
    """Facts as they will stand in the package's manifest."""

    patient: PatientFacts
    study: StudyFacts
    series: SeriesFacts
    instance: InstanceFacts

    @classmethod
    def read(cls, value: JsonValue) -> StagedFacts:
        """Return what `facts_of` wrote. Raises TypeError for anything else."""
        parts = value if isinstance(value, Mapping) else {}
        return cls(
            _known(_read(PatientFacts, parts.get("patient"))),
            _known(_read(StudyFacts, parts.get("study"))),
            _known(_read(SeriesFacts, parts.get("series"))),
            _read(InstanceFacts, parts.get("instance")),
        )


def facts_of(head: Head) -> dict[str, JsonValue]:
    """Return an instance's facts as JSON, without those that are missing."""
    return {
        "patient": _written(head.patient),
        "study": _written(head.study),
        "series": _written(head.series),
        "instance": _written(head.instance),
    }


@lru_cache(maxsize=4096)
def _known(facts: _Facts) -> _Facts:
    """Return equal facts that are in memory already: those of a study, for all its instances."""
    return facts


def _written(facts: PatientFacts | StudyFacts | SeriesFacts | InstanceFacts) -> dict[str, JsonValue]:
    values = ((field.name, getattr(facts, field.name)) for field in fields(facts))
    return {name: value for name, value in values if value is not None}


def _read(kind: type[_Facts], value: JsonValue) -> _Facts:
    if not isinstance(value, Mapping):
        raise TypeError("facts are not an object")
    return kind(**{field.name: str(value[field.name]) for field in fields(kind) if field.name in value})
