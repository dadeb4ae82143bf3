"""Identity is three UIDs; facts are what the values say, or missing."""

import pytest

from retention.dicom import tags
from retention.dicom.facts import (
    identity_of,
    instance_of,
    number_of,
    patient_of,
    series_of,
    study_of,
    uid_of,
)
from retention.model.facts import InstanceFacts, InstanceIdentity, PatientFacts, SeriesFacts, StudyFacts

UIDS = {tags.STUDY_INSTANCE_UID: b"1.2\0", tags.SERIES_INSTANCE_UID: b"1.3", tags.SOP_INSTANCE_UID: b"1.4 "}


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"1.2.840.10008.5.1.4.1.1.2\0", "1.2.840.10008.5.1.4.1.1.2"),
        (b" 1.2 \0", "1.2"),
        (b"1.2\r\n", "1.2"),
        (b"1.02.003", "1.02.003"),  # leading zeros: old devices
        (b"....", "...."),
        (b"1" * 64, "1" * 64),
        (b"1.2\\1.3", "1.2"),
        (b"05fa52f0e599f17b8186ff18fcdf2b5570a52206a75c4d03afebf5c475dc8758",) * 2,  # de-identified by digest
        (b"1" * 65, None),
        (b"1.2.ABC", None),
        (b"1.2/../3", None),
        (b"1.2\0.3", None),
        (b"\xb2\xb3", None),  # digits in Latin-1, not in DICOM
        (b"", None),
    ],
)
def test_uids_that_can_be_kept(value, uid):
    expected = uid.decode() if isinstance(uid, bytes) else uid
    assert uid_of({tags.STUDY_INSTANCE_UID: value}, tags.STUDY_INSTANCE_UID) == expected


def test_identity_is_all_three_uids():
    assert identity_of(UIDS) == InstanceIdentity(study_uid="1.2", series_uid="1.3", sop_instance_uid="1.4")


@pytest.mark.parametrize("tag", UIDS)
@pytest.mark.parametrize("value", [None, b"", b"none"])
def test_without_one_of_them_there_is_no_identity(tag, value):
    values = {**UIDS, tag: value} if value is not None else {key: UIDS[key] for key in UIDS if key != tag}
    assert identity_of(values) is None


@pytest.mark.parametrize(
    ("value", "is_big_endian", "number"),
    [
        (b"\x10\0", False, 16),
        (b"\0\x10", True, 16),
        (b"\x10\0\0\0", False, 16),
        (b"16 ", False, None),
        (b"", False, None),
    ],
)
def test_numbers(value, is_big_endian, number):
    assert number_of({tags.BITS_ALLOCATED: value}, tags.BITS_ALLOCATED, is_big_endian=is_big_endian) == number


def test_every_fact_has_its_element():
    values = {tag: f"{tag:08x}".encode() for tag in tags.WANTED} | {
        tags.SPECIFIC_CHARACTER_SET: b"ISO_IR 192"
    }
    assert patient_of(values) == PatientFacts("00100020", "00100021", "00100010", "00100030", "00100040")
    assert study_of(values) == StudyFacts(
        "00080020", "00080030", "00081030", "00080050", "00080080", "00081040", "00200010", "00080090"
    )
    assert series_of(values) == SeriesFacts(
        "00080060", "00180015", "0008103e", "00080070", "00200011", "00400244", "00400245"
    )
    assert (
        instance_of(values, meta_sop_class_uid=None, transfer_syntax_uid="1.2").instance_number == "00200013"
    )


def test_missing_facts_are_none():
    assert (patient_of({}), study_of({}), series_of({})) == (PatientFacts(), StudyFacts(), SeriesFacts())


def test_the_sop_class_may_come_from_the_file_meta():
    in_data_set = {tags.SOP_CLASS_UID: b"1.5"}
    assert instance_of({}, meta_sop_class_uid="1.6", transfer_syntax_uid=None) == InstanceFacts(
        sop_class_uid="1.6"
    )
    assert instance_of(in_data_set, meta_sop_class_uid="1.6", transfer_syntax_uid=None).sop_class_uid == "1.5"


def test_only_what_may_be_in_other_character_sets_is():
    values = {tags.SPECIFIC_CHARACTER_SET: b"ISO_IR 144", tags.PATIENT_ID: b"\xb8", tags.SEX: b"\xb8"}
    assert (patient_of(values).patient_id, patient_of(values).sex) == ("И", "¸")
