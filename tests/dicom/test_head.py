"""Reading a head: everything with an identity is known, everything else has a reason, and nothing raises."""

import os
import subprocess
import sys
import zlib

import pydicom
import pytest

from retention.dicom.head import Head, NotKept, Unidentified, read_head
from retention.dicom.readers import BytesReader, FileReader
from retention.model.facts import InstanceIdentity
from tests.dicom.real_files import FILES, FOLDER, first, identity_in, peer_reading
from tests.dicom.sparse import SparseReader
from tests.dicom.writing import (
    DEFLATED,
    EXPLICIT_BIG,
    SEQUENCE_END,
    UNDEFINED,
    dataset,
    explicit,
    implicit,
    item,
    meta,
)

IDENTITY = InstanceIdentity("1.2.3.2", "1.2.3.3", "1.2.3.1")
PIXEL_DATA = 0x7FE00010
FACTS = {
    "patient.patient_id": "PatientID",
    "patient.issuer": "IssuerOfPatientID",
    "patient.name": "PatientName",
    "patient.birth_date": "PatientBirthDate",
    "patient.sex": "PatientSex",
    "study.study_date": "StudyDate",
    "study.study_time": "StudyTime",
    "study.description": "StudyDescription",
    "study.accession_number": "AccessionNumber",
    "study.institution_name": "InstitutionName",
    "study.department": "InstitutionalDepartmentName",
    "study.study_id": "StudyID",
    "study.referring_physician": "ReferringPhysicianName",
    "series.modality": "Modality",
    "series.body_part": "BodyPartExamined",
    "series.description": "SeriesDescription",
    "series.manufacturer": "Manufacturer",
    "series.number": "SeriesNumber",
    "series.performed_date": "PerformedProcedureStepStartDate",
    "series.performed_time": "PerformedProcedureStepStartTime",
    "instance.sop_class_uid": "SOPClassUID",
    "instance.instance_number": "InstanceNumber",
    "bits_allocated": "BitsAllocated",
    "samples_per_pixel": "SamplesPerPixel",
}


def head_of(data):
    return read_head(BytesReader(data))


def fact_of(head, path):
    for name in path.split("."):
        head = getattr(head, name)
    return head


# Real files


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_real_files_are_read_as_pydicom_reads_them(file):
    data = file.read_bytes()
    head = head_of(data)
    peer = peer_reading(data, force=True)
    expected = identity_in(peer)
    if expected is None or peer is None:
        assert not isinstance(head, Head)
        return
    assert isinstance(head, Head)
    assert [head.identity.study_uid, head.identity.series_uid, head.identity.sop_instance_uid] == expected
    for path, keyword in FACTS.items():
        assert fact_of(head, path) == first(peer, keyword), keyword
    assert head.instance.transfer_syntax_uid == first(peer.file_meta, "TransferSyntaxUID")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_native_pixel_data_of_real_files_are_where_the_head_says(file):
    data = file.read_bytes()
    head = head_of(data)
    if not isinstance(head, Head) or head.pixel_offset is None or head.pixel_length is None:
        return
    peer = peer_reading(data, force=True)
    assert peer is not None
    assert peer.file_meta.get("TransferSyntaxUID") != DEFLATED
    whole = pydicom.dcmread(file, force=True)
    pixels = data[head.pixel_offset : head.pixel_offset + head.pixel_length]
    assert pixels == whole.PixelData
    assert head.head_bytes == head.pixel_offset


def test_the_kinds_of_files_that_pydicom_ships_are_all_met():
    heads = [head_of(file.read_bytes()) for file in FILES]
    known = [head for head in heads if isinstance(head, Head)]
    assert len(known) > 100
    assert any(head.is_encapsulated for head in known)
    assert any(head.big_endian for head in known)
    assert any(head.instance.transfer_syntax_uid == DEFLATED for head in known)
    assert any(head.instance.transfer_syntax_uid is None for head in known)
    assert sum(head == NotKept("dicomdir") for head in heads) > 5


# Ways to be kept


def test_a_file_as_it_should_be():
    front = meta() + dataset(
        after=explicit(0x00280002, "US", b"\1\0") + explicit(0x00280100, "US", b"\x10\0")
    )
    data = front + explicit(PIXEL_DATA, "OW", b"\1\2" * 50)
    head = head_of(data)
    assert isinstance(head, Head)
    assert head.identity == IDENTITY
    assert head.dataset_offset == len(meta())
    assert (head.pixel_offset, head.pixel_length) == (len(front) + 12, 100)
    assert (head.bits_allocated, head.samples_per_pixel) == (16, 1)
    assert (head.is_encapsulated, head.big_endian) == (False, False)
    assert head.head_bytes == len(front) + 12


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bare_data_set_is_kept_without_dicm(order):
    head = head_of(dataset(after=explicit(PIXEL_DATA, "OW", b"\1\2", order=order), order=order))
    assert isinstance(head, Head)
    assert (head.identity, head.dataset_offset, head.big_endian) == (IDENTITY, 0, order == ">")
    assert head.instance.transfer_syntax_uid is None


def test_the_transfer_syntax_is_a_hint_about_bytes_that_can_be_seen():
    as_implicit = (
        implicit(0x00080018, b"1.2.3.1") + implicit(0x0020000D, b"1.2.3.2") + implicit(0x0020000E, b"1.2.3.3")
    )
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", EXPLICIT_BIG, DEFLATED, "1.2.3.4.5", None):
        for body in (dataset(), as_implicit):
            head = head_of(meta(syntax) + body)
            assert isinstance(head, Head), syntax
            assert (head.identity, head.instance.transfer_syntax_uid) == (IDENTITY, syntax)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", EXPLICIT_BIG])
def test_big_endian_data_sets_are_recognised(syntax):
    head = head_of(meta(syntax) + dataset(after=explicit(0x00280100, "US", b"\0\x10", order=">"), order=">"))
    assert isinstance(head, Head)
    assert (head.identity, head.big_endian, head.bits_allocated) == (IDENTITY, True, 16)


def test_the_private_syntax_with_big_endian_pixels():
    head = head_of(meta("1.2.840.113619.5.2") + dataset())
    assert isinstance(head, Head)
    assert head.big_endian


def test_truncated_pixel_data_are_kept_and_clipped():
    data = meta() + dataset() + explicit(PIXEL_DATA, "OW", b"\0" * 10, length=1000)
    head = head_of(data)
    assert isinstance(head, Head)
    assert (head.pixel_offset, head.pixel_length) == (len(data) - 10, 10)


def test_encapsulated_pixel_data_have_no_native_value():
    pixels = explicit(PIXEL_DATA, "OB", item() + item(b"\xff\xd8"), length=UNDEFINED) + SEQUENCE_END
    head = head_of(meta("1.2.840.10008.1.2.4.70") + dataset() + pixels)
    assert isinstance(head, Head)
    assert (head.is_encapsulated, head.pixel_offset, head.pixel_length) == (True, None, None)


def test_float_pixel_data_end_the_walk_and_are_not_native_samples():
    head = head_of(
        meta() + dataset() + explicit(0x7FE00008, "OF", bytes(8)) + explicit(PIXEL_DATA, "OW", bytes(8))
    )
    assert isinstance(head, Head)
    assert head.pixel_offset is None


def test_a_deflated_data_set():
    plain = dataset(after=explicit(PIXEL_DATA, "OW", bytes(100_000)))
    data = meta(DEFLATED) + zlib.compress(plain, wbits=-15)
    head = head_of(data)
    assert isinstance(head, Head)
    assert (head.identity, head.dataset_offset) == (IDENTITY, len(meta(DEFLATED)))
    assert (head.pixel_offset, head.is_encapsulated) == (None, False)
    assert len(meta(DEFLATED)) < head.head_bytes <= len(data)


def test_a_cut_deflated_data_set_is_kept_if_its_identity_is_there():
    plain = dataset(after=explicit(0x00091010, "UN", os.urandom(5000)))
    data = meta(DEFLATED) + zlib.compress(plain, wbits=-15)
    assert isinstance(head_of(data[:-2000]), Head)


def test_damaged_file_meta_do_not_hide_the_data_set():
    broken = meta().replace(b"UI", b"\xff\xff").replace(b"UL", b"\0\0")
    head = head_of(broken + dataset())
    assert isinstance(head, Head)
    assert head.identity == IDENTITY


@pytest.mark.parametrize("vr", ["ZZ", "\0\0", "LO", "UN"])
def test_strange_vrs_are_kept(vr):
    written = explicit(0x0020000E, vr, b"1.2.3.3\0")
    head = head_of(meta() + dataset().replace(explicit(0x0020000E, "UI", b"1.2.3.3\0"), written))
    assert isinstance(head, Head)
    assert head.identity == IDENTITY


def test_large_values_and_pixel_data_are_not_read():
    private = meta() + dataset() + explicit(0x00291010, "OB", length=500_000_000)
    reader = SparseReader(private, len(private) + 500_000_000)
    assert isinstance(read_head(reader), Head)
    assert reader.bytes_read < 32_768

    pixels = meta() + dataset() + explicit(PIXEL_DATA, "OW", length=2_000_000_000)
    reader = SparseReader(pixels, 2_100_000_000)
    head = read_head(reader)
    assert isinstance(head, Head)
    assert (head.pixel_length, reader.bytes_read) == (2_000_000_000, 16_384)


def test_a_file_is_read_as_its_bytes_are(tmp_path):
    for file in FILES[::10]:
        with file.open("rb") as opened:
            assert read_head(FileReader(opened.fileno())) == head_of(file.read_bytes())


def test_the_usual_character_sets_do_not_load_pydicom():
    name = explicit(0x00080005, "CS", b"ISO_IR 192") + explicit(0x00100010, "PN", "Zoë".encode())
    program = (
        "import sys; from retention.dicom.head import read_head; from retention.dicom.readers import BytesReader\n"
        "print(read_head(BytesReader(sys.stdin.buffer.read())).patient.name == 'Zoë', 'pydicom' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], input=meta() + dataset(between=name), capture_output=True, check=True
    )
    assert ran.stdout.split() == [b"True", b"False"]


# Reasons not to be


@pytest.mark.parametrize(
    "data",
    [b"Hello", bytes(5000), b"\x7fELF" + bytes(5000), b"<html>" * 100, b"\x08\0", bytes(127) + b"DICM"],
)
def test_what_is_not_dicom_is_not_kept(data):
    assert head_of(data) == NotKept("not-dicom")


def test_nothing_is_not_kept():
    assert head_of(b"") == NotKept("empty")


def test_a_directory_is_not_kept():
    as_file = meta(sop_class="1.2.840.10008.1.3.10") + explicit(0x00041130, "CS", b"SET ")
    bare = explicit(0x00041130, "CS", b"SET ") + explicit(0x00041200, "UL", bytes(4))
    assert head_of(as_file) == head_of(bare) == NotKept("dicomdir")


@pytest.mark.parametrize("file_meta", [meta(), b""], ids=["with DICM", "bare"])
@pytest.mark.parametrize("lost", [b"1.2.3.2\0", b"1.2.3.3\0"])
def test_dicom_without_an_identity_is_unidentified_even_without_dicm(file_meta, lost):
    outcome = head_of(file_meta + dataset().replace(b"\x08\0" + lost, b"\0\0"))
    assert isinstance(outcome, Unidentified)
    assert outcome.reason == "no-identity"
    assert "is missing" in outcome.detail


@pytest.mark.parametrize("bad", [b"1.2.ABC\0", b"../../x\0", b"1.2\0.3\0\0"])
def test_a_uid_that_is_none_is_named_but_not_shown(bad):
    outcome = head_of(meta() + dataset().replace(b"1.2.3.2\0", bad))
    assert outcome == Unidentified("bad-identity", "Study Instance UID is not 1 to 64 digits and dots")


def test_a_head_that_is_cut_short_is_unidentified_until_the_last_uid_begins():
    whole = meta() + dataset()
    for kept in range(132, len(whole)):
        outcome = head_of(whole[:kept])
        if kept <= len(whole) - len(b"1.2.3.3\0"):
            assert isinstance(outcome, Unidentified)
            assert outcome.reason in {"truncated-head", "no-identity"}
        else:
            assert isinstance(outcome, Head)  # a cut UID counts as far as it goes, as in pydicom


def test_the_instance_uid_of_the_file_meta_is_no_identity():
    outcome = head_of(bytes(128) + b"DICM" + explicit(0x00020003, "UI", b"1.2.3.1\0") + dataset()[15:])
    assert isinstance(outcome, Unidentified)


def test_corrupt_deflate_data_are_unidentified():
    outcome = head_of(meta(DEFLATED) + b"\xff" * 500)
    assert isinstance(outcome, Unidentified)
    assert outcome.reason == "deflate-corrupt"
