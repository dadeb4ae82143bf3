"""The attributes that doors answer queries with: their names, how keys are matched, and where each value comes from.

One list for C-FIND and QIDO-RS, so that both know the same of what is held: the keys that PS3.4 C.6 and PS3.18 §10.6.1
require, and what the archive knows besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from retention.model.facts import SeriesFacts
from retention.model.matching import Kind, Match, match_of
from retention.services.finding import FoundInstance, FoundSeries, FoundStudy

Value = str | int | tuple[str, ...] | None
Found = TypeVar("Found", FoundStudy, FoundSeries, FoundInstance)


@dataclass(frozen=True)
class Attribute(Generic[Found]):
    """One attribute. `kind` is how a key is matched, None if it is answered and never matched; `matched` names the
    value of a study that the catalog looks for (`finding.study_values`), None if it is compared with what was found.
    """

    tag: int
    keyword: str
    vr: str
    value: Callable[[Found], Value]
    kind: Kind | None = None
    matched: str | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """What a query asks: keys of studies by name of value, the others by keyword."""

    studies: Mapping[str, Match]
    others: Mapping[str, Match]


Study = Attribute[FoundStudy]

PATIENT: tuple[Study, ...] = (
    Study(0x00100010, "PatientName", "PN", lambda study: study.patient.name, Kind.NAME, "patient_name"),
    Study(0x00100020, "PatientID", "LO", lambda study: study.patient.patient_id, Kind.TEXT, "patient_id"),
    Study(0x00100021, "IssuerOfPatientID", "LO", lambda study: study.patient.issuer, Kind.TEXT, "issuer"),
    Study(0x00100030, "PatientBirthDate", "DA", lambda s: s.patient.birth_date, Kind.DATE, "birth_date"),
    Study(0x00100040, "PatientSex", "CS", lambda study: study.patient.sex, Kind.TEXT, "sex"),
)
STUDY: tuple[Study, ...] = (
    *PATIENT,
    Study(0x00080020, "StudyDate", "DA", lambda study: study.facts.study_date, Kind.DATE, "study_date"),
    Study(0x00080030, "StudyTime", "TM", lambda study: study.facts.study_time, Kind.TIME, "study_time"),
    Study(
        0x00080050, "AccessionNumber", "SH", lambda s: s.facts.accession_number, Kind.TEXT, "accession_number"
    ),
    Study(0x00080056, "InstanceAvailability", "CS", lambda study: study.availability),
    Study(0x00080061, "ModalitiesInStudy", "CS", lambda study: study.modalities, Kind.TEXT),
    Study(0x00080062, "SOPClassesInStudy", "UI", lambda study: study.sop_classes),
    Study(0x00080080, "InstitutionName", "LO", lambda study: study.facts.institution_name),
    Study(
        0x00080090,
        "ReferringPhysicianName",
        "PN",
        lambda study: study.facts.referring_physician,
        Kind.NAME,
        "referring_physician",
    ),
    Study(0x00081030, "StudyDescription", "LO", lambda s: s.facts.description, Kind.TEXT, "description"),
    Study(0x0020000D, "StudyInstanceUID", "UI", lambda study: study.study_uid, Kind.UID, "study_uid"),
    Study(0x00200010, "StudyID", "SH", lambda study: study.facts.study_id, Kind.TEXT, "study_id"),
    Study(0x00201206, "NumberOfStudyRelatedSeries", "IS", lambda study: study.series),
    Study(0x00201208, "NumberOfStudyRelatedInstances", "IS", lambda study: study.instances),
)


def _of_series(
    uid: Callable[[Found], Value], facts: Callable[[Found], SeriesFacts]
) -> tuple[Attribute[Found], ...]:
    """Return what a series and each of its instances are answered with."""
    return (
        Attribute(0x00080060, "Modality", "CS", lambda found: facts(found).modality, Kind.TEXT),
        Attribute(0x00080070, "Manufacturer", "LO", lambda found: facts(found).manufacturer, Kind.TEXT),
        Attribute(0x0008103E, "SeriesDescription", "LO", lambda found: facts(found).description, Kind.TEXT),
        Attribute(0x00180015, "BodyPartExamined", "CS", lambda found: facts(found).body_part, Kind.TEXT),
        Attribute(0x0020000E, "SeriesInstanceUID", "UI", uid, Kind.UID),
        Attribute(0x00200011, "SeriesNumber", "IS", lambda found: facts(found).number, Kind.TEXT),
        Attribute(
            0x00400244,
            "PerformedProcedureStepStartDate",
            "DA",
            lambda found: facts(found).performed_date,
            Kind.DATE,
        ),
        Attribute(
            0x00400245,
            "PerformedProcedureStepStartTime",
            "TM",
            lambda found: facts(found).performed_time,
            Kind.TIME,
        ),
    )


def _uid_of_series(series: FoundSeries) -> str:
    return series.series_uid


def _facts_of_series(series: FoundSeries) -> SeriesFacts:
    return series.facts


def _series_uid_of(instance: FoundInstance) -> str:
    return instance.series_uid


def _series_facts_of(instance: FoundInstance) -> SeriesFacts:
    return instance.series


SERIES: tuple[Attribute[FoundSeries], ...] = (
    *_of_series(_uid_of_series, _facts_of_series),
    Attribute(0x00201209, "NumberOfSeriesRelatedInstances", "IS", lambda series: series.instances),
)
INSTANCE: tuple[Attribute[FoundInstance], ...] = (
    *_of_series(_series_uid_of, _series_facts_of),
    Attribute(0x00080016, "SOPClassUID", "UI", lambda instance: instance.sop_class_uid, Kind.UID),
    Attribute(0x00080018, "SOPInstanceUID", "UI", lambda instance: instance.sop_instance_uid, Kind.UID),
    Attribute(0x00083002, "AvailableTransferSyntaxUID", "UI", lambda each: each.transfer_syntax_uid),
    Attribute(0x00200013, "InstanceNumber", "IS", lambda instance: instance.number, Kind.TEXT),
)
BY_KEYWORD: Mapping[str, Study | Attribute[FoundSeries] | Attribute[FoundInstance]] = {
    attribute.keyword: attribute for table in (STUDY, SERIES, INSTANCE) for attribute in table
}


def keys_of(asked: Iterable[tuple[str, str]], *, is_fuzzy: bool = False) -> Keys:
    """Return what (keyword, text) ask for; one that is not matched here, or has no text, matches everything.

    `is_fuzzy`: names may be spelt otherwise.
    """
    studies: dict[str, Match] = {}
    others: dict[str, Match] = {}
    for keyword, text in asked:
        attribute = BY_KEYWORD.get(keyword)
        if attribute is None or attribute.kind is None:
            continue
        match = match_of(attribute.kind, text, is_fuzzy=is_fuzzy)
        if match is not None and attribute.matched is not None:
            studies[attribute.matched] = match
        elif match is not None:
            others[keyword] = match
    return Keys(studies, others)


def values_of(attributes: Iterable[Attribute[Found]], found: Found) -> dict[str, Value]:
    """Return what was found, by keyword."""
    return {attribute.keyword: attribute.value(found) for attribute in attributes}


def accepts(keys: Keys, values: Mapping[str, Value]) -> bool:
    """Whether every other key that is among the values accepts its value, or one of several."""
    return all(_accepts(match, values[name]) for name, match in keys.others.items() if name in values)


def _accepts(match: Match, value: Value) -> bool:
    if isinstance(value, tuple):
        return any(match.accepts(each) for each in value)
    return match.accepts(None if value is None else str(value))
