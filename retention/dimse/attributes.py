"""Which attributes a query may name, at which level, and what the archive answers for each (PS3.4 C.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from retention.model.matching import Kind, Match, match_of
from retention.services.finding import FoundInstance, FoundSeries, FoundStudy


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


Value = str | int | list[str] | None

STUDY_KEYS: Mapping[str, tuple[str, Kind]] = {
    "PatientID": ("patient_id", Kind.TEXT),
    "IssuerOfPatientID": ("issuer", Kind.TEXT),
    "PatientName": ("patient_name", Kind.NAME),
    "PatientBirthDate": ("birth_date", Kind.DATE),
    "PatientSex": ("sex", Kind.TEXT),
    "StudyInstanceUID": ("study_uid", Kind.UID),
    "StudyDate": ("study_date", Kind.DATE),
    "StudyTime": ("study_time", Kind.TIME),
    "StudyDescription": ("description", Kind.TEXT),
    "AccessionNumber": ("accession_number", Kind.TEXT),
}
"""Matched on studies: keyword, name of the value (`finding.study_values`), kind of matching."""

OTHER_KEYS: Mapping[str, Kind] = {
    "ModalitiesInStudy": Kind.TEXT,
    "SeriesInstanceUID": Kind.UID,
    "Modality": Kind.TEXT,
    "SeriesDescription": Kind.TEXT,
    "BodyPartExamined": Kind.TEXT,
    "Manufacturer": Kind.TEXT,
    "SOPInstanceUID": Kind.UID,
    "SOPClassUID": Kind.UID,
    "InstanceNumber": Kind.TEXT,
}

_PATIENT: Mapping[str, Callable[[FoundStudy], Value]] = {
    "PatientID": lambda study: study.patient.patient_id,
    "IssuerOfPatientID": lambda study: study.patient.issuer,
    "PatientName": lambda study: study.patient.name,
    "PatientBirthDate": lambda study: study.patient.birth_date,
    "PatientSex": lambda study: study.patient.sex,
}
_STUDY: Mapping[str, Callable[[FoundStudy], Value]] = {
    **_PATIENT,
    "StudyInstanceUID": lambda study: study.study_uid,
    "StudyDate": lambda study: study.facts.study_date,
    "StudyTime": lambda study: study.facts.study_time,
    "StudyDescription": lambda study: study.facts.description,
    "AccessionNumber": lambda study: study.facts.accession_number,
    "InstitutionName": lambda study: study.facts.institution_name,
    "ModalitiesInStudy": lambda study: list(study.modalities),
    "SOPClassesInStudy": lambda study: list(study.sop_classes),
    "NumberOfStudyRelatedSeries": lambda study: study.series,
    "NumberOfStudyRelatedInstances": lambda study: study.instances,
}
_SERIES: Mapping[str, Callable[[FoundSeries], Value]] = {
    "SeriesInstanceUID": lambda series: series.series_uid,
    "Modality": lambda series: series.facts.modality,
    "SeriesDescription": lambda series: series.facts.description,
    "BodyPartExamined": lambda series: series.facts.body_part,
    "Manufacturer": lambda series: series.facts.manufacturer,
    "NumberOfSeriesRelatedInstances": lambda series: series.instances,
}
_IMAGE: Mapping[str, Callable[[FoundInstance], Value]] = {
    "SeriesInstanceUID": lambda instance: instance.series_uid,
    "Modality": lambda instance: instance.series.modality,
    "SOPInstanceUID": lambda instance: instance.sop_instance_uid,
    "SOPClassUID": lambda instance: instance.sop_class_uid,
    "InstanceNumber": lambda instance: instance.number,
    "AvailableTransferSyntaxUID": lambda instance: instance.transfer_syntax_uid,
}


@dataclass(frozen=True, slots=True)
class Keys:
    """What a query asks: keys of studies by name of value, the others by keyword."""

    level: Level
    studies: Mapping[str, Match]
    others: Mapping[str, Match]


def keys_of(identifier: Dataset) -> Keys:
    """Read a query's or retrieval's identifier. Raises ValueError when its level is none."""
    level = Level(str(identifier.get("QueryRetrieveLevel", "")).strip())
    studies: dict[str, Match] = {}
    others: dict[str, Match] = {}
    for element in identifier:
        keyword = keyword_for_tag(element.tag)
        if keyword in STUDY_KEYS:
            name, kind = STUDY_KEYS[keyword]
            match = match_of(kind, _text(element))
            if match is not None:
                studies[name] = match
        elif keyword in OTHER_KEYS:
            match = match_of(OTHER_KEYS[keyword], _text(element))
            if match is not None:
                others[keyword] = match
    return Keys(level, studies, others)


def accepts_study(keys: Keys, study: FoundStudy) -> bool:
    """Whether a study's modalities are among those asked for."""
    match = keys.others.get("ModalitiesInStudy")
    return match is None or any(match.accepts(modality) for modality in study.modalities)


def accepts_series(keys: Keys, series: FoundSeries) -> bool:
    return _accepts(keys, {name: _SERIES[name](series) for name in _SERIES})


def accepts_instance(keys: Keys, instance: FoundInstance) -> bool:
    return _accepts(keys, {name: _IMAGE[name](instance) for name in _IMAGE})


def patient_values(study: FoundStudy, studies: int) -> dict[str, Value]:
    return {
        **{name: value(study) for name, value in _PATIENT.items()},
        "NumberOfPatientRelatedStudies": studies,
    }


def study_values(study: FoundStudy) -> dict[str, Value]:
    return {name: value(study) for name, value in _STUDY.items()}


def series_values(series: FoundSeries) -> dict[str, Value]:
    return {**study_values(series.study), **{name: value(series) for name, value in _SERIES.items()}}


def instance_values(instance: FoundInstance) -> dict[str, Value]:
    return {**study_values(instance.study), **{name: value(instance) for name, value in _IMAGE.items()}}


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
    if value is None:
        return None
    return str(value) if isinstance(value, int) and dictionary_VR(element.tag) == "IS" else value


def _accepts(keys: Keys, values: Mapping[str, Value]) -> bool:
    for name, match in keys.others.items():
        value = values.get(name)
        if name in values and not match.accepts(None if value is None else str(value)):
            return False
    return True


def _text(element: DataElement) -> str:
    value = element.value
    if value is None:
        return ""
    if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
        return "\\".join(str(each) for each in value)
    return str(value)
