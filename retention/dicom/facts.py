"""From the values found to the words of the archive: identity and facts.

A value that cannot be what it should be is a missing fact, never a guess, and never a reason not to keep the instance.
"""

from __future__ import annotations

from retention.dicom.tags import (
    ACCESSION_NUMBER,
    BIRTH_DATE,
    BODY_PART,
    DEPARTMENT,
    INSTANCE_NUMBER,
    INSTITUTION_NAME,
    ISSUER_OF_PATIENT_ID,
    MANUFACTURER,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    PERFORMED_DATE,
    PERFORMED_TIME,
    REFERRING_PHYSICIAN,
    SERIES_DESCRIPTION,
    SERIES_INSTANCE_UID,
    SERIES_NUMBER,
    SEX,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    SPECIFIC_CHARACTER_SET,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    STUDY_ID,
    STUDY_INSTANCE_UID,
    STUDY_TIME,
)
from retention.dicom.text import CharacterSet
from retention.model.facts import InstanceFacts, InstanceIdentity, PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import is_uid

IDENTITY = {
    STUDY_INSTANCE_UID: "Study Instance UID",
    SERIES_INSTANCE_UID: "Series Instance UID",
    SOP_INSTANCE_UID: "SOP Instance UID",
}
_DEFAULT_REPERTOIRE = CharacterSet()


Values = dict[int, bytes]


def uid_of(values: Values, tag: int) -> str | None:
    """Return the first UID of a value without its padding (PS3.5 §9.1), None if there is none that can be kept."""
    value = values.get(tag)
    if value is None:
        return None
    uid = value.partition(b"\\")[0].strip(b"\0 \t\r\n").decode("latin-1")
    return uid if is_uid(uid) else None


def identity_of(values: Values) -> InstanceIdentity | None:
    """Return the three UIDs, None if one is missing or is no UID."""
    study, series, instance = (uid_of(values, tag) for tag in IDENTITY)
    return InstanceIdentity(study, series, instance) if study and series and instance else None


def number_of(values: Values, tag: int, *, is_big_endian: bool) -> int | None:
    """Return a US value; one that was written as UL or SS is read all the same."""
    value = values.get(tag, b"")
    return int.from_bytes(value, "big" if is_big_endian else "little") if len(value) in (2, 4) else None


def patient_of(values: Values) -> PatientFacts:
    characters, get = CharacterSet(values.get(SPECIFIC_CHARACTER_SET)), values.get
    return PatientFacts(
        patient_id=characters.text(get(PATIENT_ID)),
        issuer=characters.text(get(ISSUER_OF_PATIENT_ID)),
        name=characters.name(get(PATIENT_NAME)),
        birth_date=_DEFAULT_REPERTOIRE.text(get(BIRTH_DATE)),
        sex=_DEFAULT_REPERTOIRE.text(get(SEX)),
    )


def study_of(values: Values) -> StudyFacts:
    characters, get = CharacterSet(values.get(SPECIFIC_CHARACTER_SET)), values.get
    return StudyFacts(
        study_date=_DEFAULT_REPERTOIRE.text(get(STUDY_DATE)),
        study_time=_DEFAULT_REPERTOIRE.text(get(STUDY_TIME)),
        description=characters.text(get(STUDY_DESCRIPTION)),
        accession_number=characters.text(get(ACCESSION_NUMBER)),
        institution_name=characters.text(get(INSTITUTION_NAME)),
        department=characters.text(get(DEPARTMENT)),
        study_id=characters.text(get(STUDY_ID)),
        referring_physician=characters.name(get(REFERRING_PHYSICIAN)),
    )


def series_of(values: Values) -> SeriesFacts:
    characters, get = CharacterSet(values.get(SPECIFIC_CHARACTER_SET)), values.get
    return SeriesFacts(
        modality=_DEFAULT_REPERTOIRE.text(get(MODALITY)),
        body_part=_DEFAULT_REPERTOIRE.text(get(BODY_PART)),
        description=characters.text(get(SERIES_DESCRIPTION)),
        manufacturer=characters.text(get(MANUFACTURER)),
        number=_DEFAULT_REPERTOIRE.text(get(SERIES_NUMBER)),
        performed_date=_DEFAULT_REPERTOIRE.text(get(PERFORMED_DATE)),
        performed_time=_DEFAULT_REPERTOIRE.text(get(PERFORMED_TIME)),
    )


def instance_of(
    values: Values, *, meta_sop_class_uid: str | None, transfer_syntax_uid: str | None
) -> InstanceFacts:
    return InstanceFacts(
        sop_class_uid=uid_of(values, SOP_CLASS_UID) or meta_sop_class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        instance_number=_DEFAULT_REPERTOIRE.text(values.get(INSTANCE_NUMBER)),
    )
