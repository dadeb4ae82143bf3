"""What is known of an instance and its study: its DICOM identity, and the facts policies decide on.

Texts are as decoded from the data set, trimmed; None is a missing fact. Dates stay as DICOM wrote them here
(`YYYYMMDD`); whether one is usable as a date is decided where dates are compared (policy.md, Dates 3).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """The three UIDs that name an instance (PS3.3 C.7.2.1, C.7.3.1, C.12.1)."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class PatientFacts:
    patient_id: str | None = None
    issuer: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None


OTHER_PATIENTS = 100
"""At most so many patients are noted beside the first of a study."""


def is_same_patient(patient: PatientFacts, patient_id: str, issuer: str | None) -> bool:
    """Whether an identifier is this patient's; an issuer that is not said contradicts none."""
    is_other_issuer = None not in (issuer, patient.issuer) and issuer != patient.issuer
    return patient.patient_id == patient_id and not is_other_issuer


@dataclass(frozen=True, slots=True)
class StudyFacts:
    study_date: str | None = None
    study_time: str | None = None
    description: str | None = None
    accession_number: str | None = None
    institution_name: str | None = None
    department: str | None = None
    study_id: str | None = None
    referring_physician: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    modality: str | None = None
    body_part: str | None = None
    description: str | None = None
    manufacturer: str | None = None
    number: str | None = None
    performed_date: str | None = None
    performed_time: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    sop_class_uid: str | None = None
    transfer_syntax_uid: str | None = None
    instance_number: str | None = None
