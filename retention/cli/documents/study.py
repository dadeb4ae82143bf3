"""The documents of `study list|show|export`: a study as a row, as everything known, as files given back."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import TypedDict

from retention.catalog.records import ShardState
from retention.cli.documents.values import Count, Day, Instant
from retention.model.findings import Health
from retention.model.states import StudyState


class StudyRow(TypedDict):
    """One study as a list shows it."""

    study_uid: str
    institution: str
    tier: str | None
    """The slowest tier it lies on."""
    tiers: list[str]
    instances: Count
    bytes: Count
    """As received."""
    state: StudyState
    keep_until: Day | None
    holds: Count
    health: Health
    last_verified: Instant | None
    """Every package was read back whole then or later."""


class StudyList(TypedDict):
    """The studies that are held, in order of arrival (with `--due-before`: soonest due first)."""

    studies: Iterable[StudyRow]


class Patient(TypedDict):
    """As the first instance received says it."""

    patient_id: str | None
    issuer: str | None
    name: str | None
    birth_date: str | None
    sex: str | None


class OtherPatient(TypedDict):
    patient_id: str
    issuer: str | None


class StudyFacts(TypedDict):
    """As the first instance received says it; dates and times as DICOM writes them."""

    study_date: str | None
    study_time: str | None
    description: str | None
    accession_number: str | None
    institution_name: str | None
    department: str | None
    study_id: str | None
    referring_physician: str | None


class Series(TypedDict):
    series_uid: str
    instances: Count
    modality: str | None
    body_part: str | None
    description: str | None
    manufacturer: str | None
    number: str | None
    performed_date: str | None
    performed_time: str | None


class Shard(TypedDict):
    number: Count
    generation: Count
    """How often it was made again."""
    volume: str | None
    """None: it waits for a volume."""
    state: ShardState
    bytes: Count
    verified: Instant | None


class Package(TypedDict):
    """The stored form of some of the study's instances."""

    package: str
    tier: str
    protection: str
    instances: Count
    bytes_stored: Count
    health: Health
    created: Instant
    copy_of: str | None
    """The package that this one is a recalled copy of."""
    until: Instant | None
    """Until when a recalled copy stays."""
    shards: list[Shard]


class StudyShow(StudyRow):
    """Everything about one study."""

    received: Instant
    patient: Patient
    other_patients: list[OtherPatient]
    """Patients that instances name beside the first: somebody has to decide whose the study is."""
    facts: StudyFacts
    modalities: list[str]
    series: list[Series]
    packages: list[Package]


class NotGivenBack(TypedDict):
    message: str
    hint: str | None
    package: str | None


class StudyExport(TypedDict):
    """Studies' original files, each verified against its digest.

    One study's lie in `directory`, those of several in a folder named by the UID below it; with `--all` there is one
    for each institution between.
    """

    studies: Count
    instances: Count
    bytes: Count
    directory: str
    failed: Count
    """Instances that could not be given back; nothing was written in their place."""
    problems: list[NotGivenBack]
    seconds: float
