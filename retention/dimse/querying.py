"""C-FIND: Patient Root and Study Root, all levels (PS3.4 C.4.1). Answers stream, as they are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from retention.dimse import attributes
from retention.dimse.attributes import Keys, Level
from retention.dimse.callers import Callers
from retention.dimse.statuses import (
    CANCELLED,
    DOES_NOT_MATCH,
    NOT_ADMITTED,
    NOT_AUTHORISED,
    PENDING,
    UNABLE_TO_PROCESS,
    refusal,
)
from retention.model.errors import RetentionError
from retention.model.identifiers import InstitutionId
from retention.services.access import PackageAccess
from retention.services.attributes import Value
from retention.services.authorisation import Need
from retention.services.finding import Finder, FoundInstance, FoundSeries, FoundStudy
from retention.services.stores import Stores

Answer = tuple[int | Dataset, Dataset | None]


@dataclass(frozen=True, slots=True)
class Querying:
    """Answers C-FIND requests."""

    stores: Stores
    callers: Callers
    ae_title: str

    def __call__(self, event: Event) -> Iterator[Answer]:
        institution = self.callers.admitted(event.assoc, Need.FIND)
        if institution is None:
            yield refusal(NOT_AUTHORISED, NOT_ADMITTED), None
            return
        try:
            identifier = event.identifier
            keys = attributes.keys_of(identifier)
        except Exception:  # noqa: BLE001  # whatever a stranger's identifier makes of the parser
            yield refusal(DOES_NOT_MATCH, "the identifier cannot be understood"), None
            return
        try:
            for level_values, availability in self._found(institution, keys):
                if event.is_cancelled:
                    yield CANCELLED, None
                    return
                response = attributes.answer(identifier, keys.level, level_values)
                response.RetrieveAETitle = self.ae_title
                response.InstanceAvailability = availability
                yield PENDING, response
        except RetentionError as error:
            yield refusal(UNABLE_TO_PROCESS, error.message), None

    def _found(self, institution: InstitutionId, keys: Keys) -> Iterator[tuple[dict[str, Value], str]]:
        finder = Finder(self.stores, PackageAccess(self.stores))
        studies = (s for s in finder.studies(institution, keys.studies) if attributes.accepts_study(keys, s))
        if keys.level is Level.PATIENT:
            yield from _patients(studies)
            return
        for study in studies:
            if keys.level is Level.STUDY:
                yield attributes.study_values(study), study.availability
            elif keys.level is Level.SERIES:
                for series in series_of(finder, keys, study):
                    yield attributes.series_values(series), study.availability
            else:
                for instance in instances_of(finder, keys, study):
                    yield attributes.instance_values(instance), study.availability


def series_of(finder: Finder, keys: Keys, study: FoundStudy) -> list[FoundSeries]:
    return [series for series in finder.series(study) if attributes.accepts_series(keys, series)]


def instances_of(finder: Finder, keys: Keys, study: FoundStudy) -> list[FoundInstance]:
    return [each for each in finder.instances(study) if attributes.accepts_instance(keys, each)]


def _patients(studies: Iterator[FoundStudy]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each patient once: the same Patient ID of another issuer is another patient."""
    seen: dict[tuple[str | None, str | None], tuple[FoundStudy, int]] = {}
    for study in studies:
        patient = (study.patient.patient_id, study.patient.issuer)
        first, count = seen.get(patient, (study, 0))
        seen[patient] = (first, count + 1)
    for first, count in seen.values():
        yield attributes.patient_values(first, count), first.availability
