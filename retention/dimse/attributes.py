"""Queries and answers as data sets (PS3.4 C.4.1): which keys are asked at which level, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from retention.services import attributes
from retention.services.attributes import INSTANCE, PATIENT, SERIES, STUDY, Value, accepts, values_of
from retention.services.finding import FoundInstance, FoundSeries, FoundStudy


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class Keys(attributes.Keys):
    """What a query asks, at which level."""

    level: Level


def keys_of(identifier: Dataset) -> Keys:
    """Read a query's or retrieval's identifier. Raises ValueError when its level is none."""
    level = Level(str(identifier.get("QueryRetrieveLevel", "")).strip())
    keys = attributes.keys_of((keyword_for_tag(element.tag), _text(element)) for element in identifier)
    return Keys(keys.studies, keys.others, level)


def accepts_study(keys: Keys, study: FoundStudy) -> bool:
    """Whether a study's modalities are among those asked for."""
    return accepts(keys, {"ModalitiesInStudy": study.modalities})


def accepts_series(keys: Keys, series: FoundSeries) -> bool:
    return accepts(keys, values_of(SERIES, series))


def accepts_instance(keys: Keys, instance: FoundInstance) -> bool:
    return accepts(keys, values_of(INSTANCE, instance))


def patient_values(study: FoundStudy, studies: int) -> dict[str, Value]:
    return {**values_of(PATIENT, study), "NumberOfPatientRelatedStudies": studies}


def study_values(study: FoundStudy) -> dict[str, Value]:
    return values_of(STUDY, study)


def series_values(series: FoundSeries) -> dict[str, Value]:
    return {**study_values(series.study), **values_of(SERIES, series)}


def instance_values(instance: FoundInstance) -> dict[str, Value]:
    return {**study_values(instance.study), **values_of(INSTANCE, instance)}


def answer(identifier: Dataset, level: Level, values: Mapping[str, Value]) -> Dataset:
    """Return a response: every attribute that was asked for, empty where nothing is known (PS3.4 C.4.1.1.3.2)."""
    response = Dataset()
    response.SpecificCharacterSet = "ISO_IR 192"
    for element in identifier:
        if element.tag.group == 2 or element.keyword == "SpecificCharacterSet":
            continue
        value = values.get(element.keyword)
        if element.VR == "SQ":
            response.add(DataElement(element.tag, "SQ", []))
        else:
            response.add(DataElement(element.tag, element.VR, _written(element, value)))
    response.QueryRetrieveLevel = level.value
    return response


def _written(element: DataElement, value: Value) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int):
        return str(value) if dictionary_VR(element.tag) == "IS" else value
    return value


def _text(element: DataElement) -> str:
    value = element.value
    if value is None:
        return ""
    if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
        return "\\".join(str(each) for each in value)
    return str(value)
