"""The manifest (format §8): complete under its key, and in public nothing that identifies anybody."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import (
    IntegrityError,
    KeyUnavailableError,
    ShardDamagedError,
    UnsupportedFormatError,
)
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import PackageId
from retention.model.layout import Protection
from retention.package.geometry import Geometry
from retention.package.manifest import (
    BlockRow,
    Contents,
    InstanceRow,
    PublicPart,
    SeriesEntry,
    StudyEntry,
    build,
    read_contents,
    read_public,
)
from retention.package.sealing import Sealer
from tests.package.conftest import (
    ARCHIVE,
    CREATED_AT,
    DATA_KEY,
    INSTITUTION,
    KEY,
    PACKAGE,
    SERIES,
    STUDY,
    examples,
)

SEALER = Sealer.of(DATA_KEY, PACKAGE, INSTITUTION)
PUBLIC = PublicPart(
    "study",
    ARCHIVE,
    INSTITUTION,
    PACKAGE,
    KEY,
    Geometry(Protection(4, 2), 64, 1000),
    b"\x77" * 32,
    CREATED_AT,
    (PackageId("e4" * 16),),
)
INSTANCE = InstanceRow(
    ordinal=3,
    size_bytes=1300,
    blake3=b"\xb3" * 32,
    sha256=b"\x25" * 32,
    dataset_offset=348,
    dataset_blake3=b"\xd5" * 32,
    blocks=(BlockRow(0, 216, 300, 1, None), BlockRow(216, 516, 1000, 2, 4294967296)),
    role="conflict",
    series=0,
    sop_instance_uid="1.2.840.99.7.1.5",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    instance_number="5",
)
QUARANTINED = InstanceRow(
    0,
    9,
    b"\1" * 32,
    b"\2" * 32,
    0,
    b"\1" * 32,
    (),
    name="salle 3/é.dcm",
    reason="no-identity",
    detail="no UID",
)
CONTENTS = Contents(STUDY, [SERIES], [INSTANCE], {"zstandard": "0.25"}, "ab" * 32)

texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)  # lone surrogates and NUL too
missing_or_text = st.none() | texts
digests = st.binary(min_size=32, max_size=32)
u63 = st.integers(0, 2**63)
block_rows = st.builds(BlockRow, u63, u63, u63, st.integers(0, 255), st.none() | u63)
instances = st.builds(
    InstanceRow,
    ordinal=st.integers(0, 2**32 - 1),
    size_bytes=u63,
    blake3=digests,
    sha256=digests,
    dataset_offset=u63,
    dataset_blake3=digests,
    blocks=st.lists(block_rows, max_size=3).map(tuple),
    role=st.sampled_from(["first", "conflict"]),
    series=st.none() | st.integers(0, 50),
    sop_instance_uid=missing_or_text,
    sop_class_uid=missing_or_text,
    transfer_syntax_uid=missing_or_text,
    instance_number=missing_or_text,
    name=missing_or_text,
    reason=missing_or_text,
    detail=missing_or_text,
)
studies = st.builds(
    StudyEntry,
    texts,
    st.builds(PatientFacts, *[missing_or_text] * len(fields(PatientFacts))),
    st.builds(StudyFacts, *[missing_or_text] * len(fields(StudyFacts))),
)
series = st.builds(SeriesEntry, texts, st.builds(SeriesFacts, *[missing_or_text] * len(fields(SeriesFacts))))
any_contents = st.builds(
    Contents,
    st.none() | studies,
    st.lists(series, max_size=3),
    st.lists(instances, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
    missing_or_text,
)


def public_bytes(manifest: bytes) -> bytes:
    return manifest[4 : 4 + int.from_bytes(manifest[:4], "little")]


def with_public(changes: dict[str, object]) -> bytes:
    """Return a manifest whose public part says something else."""
    text = json.dumps({**json.loads(PUBLIC.encode()), **changes}).encode()
    return len(text).to_bytes(4, "little") + text


def test_the_public_part_says_what_the_format_lists_and_nothing_else() -> None:
    text = public_bytes(build(PUBLIC, CONTENTS, SEALER))
    assert json.loads(text) == {
        "format": 1,
        "kind": "study",
        "archive": "a0" * 16,
        "institution": "b1" * 16,
        "package": "c2" * 16,
        "key": "d3" * 16,
        "scheme": 2,
        "data": 4,
        "parity": 2,
        "cell_size": 64,
        "stripes": 4,
        "stream_length": 1000,
        "index_root": "77" * 32,
        "created_at": "2026-11-24T05:32:03.000000Z",
        "supersedes": ["e4" * 16],
    }


def test_the_sealed_part_says_what_the_format_lists() -> None:
    manifest = build(PUBLIC, CONTENTS, SEALER)
    public = public_bytes(manifest)
    text = zstandard.ZstdDecompressor().decompress(SEALER.open_manifest(public, manifest[4 + len(public) :]))
    assert json.loads(text) == {
        "study": {
            "study_uid": "1.2.840.99.7",
            "patient_id": "IPP-4711",
            "issuer": "HOSP",
            "name": "DURAND^ÉLODIE",
            "birth_date": "19610229",
            "sex": "F",
            "study_date": "20240131",
            "study_time": "0815",
            "description": "THORAX HÉLICE",
            "accession_number": "ACC-0815",
        },
        "series": [
            {
                "series_uid": "1.2.840.99.7.1",
                "modality": "CT",
                "body_part": "CHEST",
                "description": "LUNG 1MM",
                "manufacturer": "ACME",
            }
        ],
        "tools": {"zstandard": "0.25"},
        "policy": "ab" * 32,
        "instances": [
            {
                "ordinal": 3,
                "series": 0,
                "sop_instance_uid": "1.2.840.99.7.1.5",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
                "transfer_syntax_uid": "1.2.840.10008.1.2.1",
                "instance_number": "5",
                "role": "conflict",
                "size": 1300,
                "blake3": "b3" * 32,
                "sha256": "25" * 32,
                "dataset_offset": 348,
                "dataset_blake3": "d5" * 32,
                "blocks": [[0, 216, 300, 1, None], [216, 516, 1000, 2, 4294967296]],
            }
        ],
    }


def test_in_quarantine_name_and_reason_stand_for_the_identity() -> None:
    raw = json.loads(Contents(None, [], [QUARANTINED]).encode())
    assert (raw["study"], raw["series"], raw["policy"]) == (None, [], None)
    assert set(raw["instances"][0]) == {
        *("ordinal", "size", "blake3", "sha256", "dataset_offset", "dataset_blake3", "role", "blocks"),
        *("name", "reason", "detail"),
    }


@pytest.mark.parametrize("text", [PUBLIC.encode(), CONTENTS.encode()], ids=["public", "sealed"])
def test_json_is_ascii_with_sorted_keys_and_no_white_space(text: bytes) -> None:
    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()


@examples
@given(any_contents)
def test_any_contents_come_back(contents: Contents) -> None:
    manifest = build(PUBLIC, contents, SEALER)
    assert read_contents(manifest, SEALER) == contents
    assert read_public(manifest) == PUBLIC


def test_a_file_name_that_is_not_utf_8_comes_back() -> None:
    name = b"salle\xe9\xff.dcm".decode("utf-8", "surrogateescape")
    contents = Contents(None, [], [replace(QUARANTINED, name=name)])
    assert b"\\udce9\\udcff" in contents.encode()
    assert read_contents(build(PUBLIC, contents, SEALER), SEALER) == contents


def test_nothing_of_the_sealed_part_can_be_read_without_the_key() -> None:
    contents = replace(CONTENTS, instances=[INSTANCE, QUARANTINED])
    manifest = build(PUBLIC, contents, SEALER)
    for secret in secrets_of(json.loads(contents.encode())):
        assert secret.encode() not in manifest, secret
    for row in contents.instances:
        for digest in (row.blake3, row.sha256, row.dataset_blake3):
            assert digest not in manifest


def secrets_of(value: object) -> list[str]:
    """Return every text of some length in a document."""
    if isinstance(value, dict):
        return [secret for item in value.values() for secret in secrets_of(item)]
    if isinstance(value, list):
        return [secret for item in value for secret in secrets_of(item)]
    return [value] if isinstance(value, str) and len(value) > 4 else []


def test_a_wrong_key_is_said_to_be_wrong() -> None:
    with pytest.raises(KeyUnavailableError):
        read_contents(build(PUBLIC, CONTENTS, SEALER), Sealer.of(bytes(32), PACKAGE, INSTITUTION))


def test_a_sealed_part_under_another_public_part_is_refused() -> None:
    first = build(PUBLIC, CONTENTS, SEALER)
    other = replace(PUBLIC, supersedes=()).encode()
    forged = len(other).to_bytes(4, "little") + other + first[4 + len(public_bytes(first)) :]
    with pytest.raises(KeyUnavailableError):
        read_contents(forged, SEALER)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_format_is_refused(version: object) -> None:
    with pytest.raises(UnsupportedFormatError, match="format"):
        read_public(with_public({"format": version}))


@pytest.mark.parametrize("changes", [{"scheme": 3}, {"data": 1}, {"parity": 0}, {"parity": 99}])
def test_an_unknown_protection_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UnsupportedFormatError, match="protection"):
        read_public(with_public(changes))


@pytest.mark.parametrize(
    "changes", [{"data": "4"}, {"supersedes": None}, {"index_root": 5}, {"index_root": "xy"}]
)
def test_a_public_part_of_wrong_kinds_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ShardDamagedError, match="public part"):
        read_public(with_public(changes))


@pytest.mark.parametrize("length", range(0, 200, 11))
def test_a_manifest_cut_short_is_refused(length: int) -> None:
    with pytest.raises(IntegrityError):
        read_public(build(PUBLIC, CONTENTS, SEALER)[:length])


def test_a_public_part_that_claims_more_than_there_is_is_refused() -> None:
    text = PUBLIC.encode()
    with pytest.raises(ShardDamagedError, match="cut short"):
        read_public((len(text) + 1).to_bytes(4, "little") + text)


@examples
@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b"null") | st.just(b"[]"))
def test_no_bytes_at_all_upset_the_reader(text: bytes) -> None:
    with pytest.raises(IntegrityError):
        read_public(text)
    with pytest.raises(IntegrityError):
        read_public(len(text).to_bytes(4, "little") + text)


@pytest.mark.parametrize("private", [b"no frame", zstandard.compress(b"{}"), zstandard.compress(b"nonsense")])
def test_a_sealed_part_that_is_no_contents_is_refused(private: bytes) -> None:
    head = PUBLIC.encode()
    manifest = len(head).to_bytes(4, "little") + head + SEALER.seal_manifest(head, private)
    with pytest.raises(ShardDamagedError, match="sealed part"):
        read_contents(manifest, SEALER)
