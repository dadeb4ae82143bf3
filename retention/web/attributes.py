"""Which attributes a query may name, and what is answered, as DICOM JSON (PS3.18 §8.3.4, §10.6.1, annex F)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retention.model.errors import InputError
from retention.model.matching import Kind, Match, match_of
from retention.services.finding import FoundInstance, FoundSeries, FoundStudy

Value = str | int | tuple[str, ...] | None
Json = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an answer. `matched` is the name of a study's value (`finding.study_values`), if it has one."""

    tag: str
    keyword: str
    vr: str
    kind: Kind | None = None
    matched: str | None = None


STUDY: Mapping[Attribute, Callable[[FoundStudy], Value]] = {
    Attribute("00080020", "StudyDate", "DA", Kind.DATE, "study_date"): lambda study: study.facts.study_date,
    Attribute("00080030", "StudyTime", "TM", Kind.TIME, "study_time"): lambda study: study.facts.study_time,
    Attribute("00080050", "AccessionNumber", "SH", Kind.TEXT, "accession_number"): (
        lambda study: study.facts.accession_number
    ),
    Attribute("00080056", "InstanceAvailability", "CS"): lambda study: study.availability,
    Attribute("00080061", "ModalitiesInStudy", "CS", Kind.TEXT): lambda study: study.modalities,
    Attribute("00081030", "StudyDescription", "LO", Kind.TEXT, "description"): (
        lambda study: study.facts.description
    ),
    Attribute("00100010", "PatientName", "PN", Kind.NAME, "patient_name"): lambda study: study.patient.name,
    Attribute("00100020", "PatientID", "LO", Kind.TEXT, "patient_id"): lambda study: study.patient.patient_id,
    Attribute("00100021", "IssuerOfPatientID", "LO", Kind.TEXT, "issuer"): lambda study: study.patient.issuer,
    Attribute("00100030", "PatientBirthDate", "DA", Kind.DATE, "birth_date"): (
        lambda study: study.patient.birth_date
    ),
    Attribute("00100040", "PatientSex", "CS", Kind.TEXT, "sex"): lambda study: study.patient.sex,
    Attribute("0020000D", "StudyInstanceUID", "UI", Kind.UID, "study_uid"): lambda study: study.study_uid,
    Attribute("00201206", "NumberOfStudyRelatedSeries", "IS"): lambda study: study.series,
    Attribute("00201208", "NumberOfStudyRelatedInstances", "IS"): lambda study: study.instances,
}
SERIES: Mapping[Attribute, Callable[[FoundSeries], Value]] = {
    Attribute("00080060", "Modality", "CS", Kind.TEXT): lambda series: series.facts.modality,
    Attribute("0008103E", "SeriesDescription", "LO", Kind.TEXT): lambda series: series.facts.description,
    Attribute("0020000E", "SeriesInstanceUID", "UI", Kind.UID): lambda series: series.series_uid,
    Attribute("00201209", "NumberOfSeriesRelatedInstances", "IS"): lambda series: series.instances,
}
INSTANCE: Mapping[Attribute, Callable[[FoundInstance], Value]] = {
    Attribute("00080016", "SOPClassUID", "UI", Kind.UID): lambda instance: instance.sop_class_uid,
    Attribute("00080018", "SOPInstanceUID", "UI", Kind.UID): lambda instance: instance.sop_instance_uid,
    Attribute("00083002", "AvailableTransferSyntaxUID", "UI"): (
        lambda instance: instance.transfer_syntax_uid
    ),
    Attribute("00200013", "InstanceNumber", "IS", Kind.TEXT): lambda instance: instance.number,
}
_OF_INSTANCE: Mapping[Attribute, Callable[[FoundInstance], Value]] = {
    Attribute("00080060", "Modality", "CS", Kind.TEXT): lambda instance: instance.series.modality,
    Attribute("0020000E", "SeriesInstanceUID", "UI", Kind.UID): lambda instance: instance.series_uid,
    **INSTANCE,
}
_BY_NAME = {
    name: attribute
    for table in (STUDY, SERIES, INSTANCE)
    for attribute in table
    for name in (attribute.tag, attribute.keyword)
}
NOT_KEYS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching"})


@dataclass(frozen=True, slots=True)
class Keys:
    """What a query asks: keys of studies by name of value, the others by tag."""

    studies: Mapping[str, Match]
    others: Mapping[str, Match]


def keys_of(parameters: list[tuple[str, str]]) -> Keys:
    """Read a query's keys. Raises InputError for one that is not matched here: it must not match everything."""
    studies: dict[str, Match] = {}
    others: dict[str, Match] = {}
    for name, text in parameters:
        if name in NOT_KEYS:
            continue
        attribute = _BY_NAME.get(name) or _BY_NAME.get(name.upper())
        if attribute is None or attribute.kind is None:
            raise InputError(
                "a key of the query is none that is matched here", hint=f"leave out {name[:64]!r}"
            )
        listed = text.replace(",", "\\") if attribute.kind is Kind.UID else text  # PS3.18 §8.3.4.1
        match = match_of(attribute.kind, listed)
        if match is None:
            continue
        if attribute.matched is not None:
            studies[attribute.matched] = match
        else:
            others[attribute.tag] = match
    return Keys(studies, others)


def study_json(study: FoundStudy) -> Json:
    return {attribute.tag: _written(attribute, value(study)) for attribute, value in STUDY.items()}


def series_json(series: FoundSeries) -> Json:
    return {attribute.tag: _written(attribute, value(series)) for attribute, value in SERIES.items()}


def instance_json(instance: FoundInstance) -> Json:
    return {attribute.tag: _written(attribute, value(instance)) for attribute, value in _OF_INSTANCE.items()}


def accepts(keys: Keys, found: Json) -> bool:
    """Whether every other key that is among the attributes accepts one of its values."""
    return all(_accepts(match, found[tag]) for tag, match in keys.others.items() if tag in found)


def _accepts(match: Match, element: Mapping[str, object]) -> bool:
    values = element.get("Value")
    return isinstance(values, list) and any(match.accepts(str(value)) for value in values)


def _written(attribute: Attribute, value: Value) -> dict[str, object]:
    """Return an element; without `Value` when nothing is known (PS3.18 F.2.5)."""
    if value is None or value in ("", ()):
        return {"vr": attribute.vr}
    if attribute.vr == "PN":
        return {"vr": "PN", "Value": [_name(str(value))]}
    if attribute.vr == "IS" and isinstance(value, str):
        number = value.strip()
        return {"vr": "IS", "Value": [int(number)]} if number.lstrip("+-").isdecimal() else {"vr": "IS"}
    return {"vr": attribute.vr, "Value": list(value) if isinstance(value, tuple) else [value]}


def _name(text: str) -> dict[str, str]:
    """Return a name's component groups (PS3.18 F.2.2)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {group: part for group, part in groups if part}
