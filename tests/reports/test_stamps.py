"""Timestamps of a real authority, judged with the standard library: what is right, what is wrong, what is not known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from retention.reports.standalone import cms, stamps
from retention.reports.standalone.notes import NotValidError
from tests.journal.tsa import answer, make_authority

OVER = b"what is stamped"


@pytest.fixture(scope="module")
def stamped(tmp_path_factory) -> tuple[bytes, list[cms.Certificate]]:
    folder = tmp_path_factory.mktemp("tsa")
    root = make_authority(folder)
    (folder / "over").write_bytes(OVER)
    call = ["openssl", "ts", "-query", "-data", "over", "-sha256", "-cert", "-out", "query"]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)
    return answer(folder, (folder / "query").read_bytes()), stamps.read_pem(root.decode())


def test_a_timestamp_is_judged_and_its_authority_known_by_its_root(stamped):
    token, roots = stamped
    assert stamps.check_timestamp(token, OVER, []).is_judged
    assert not stamps.check_timestamp(token, OVER, []).is_trusted
    assert stamps.check_timestamp(token, OVER, roots).is_trusted


def test_it_is_over_one_thing_alone(stamped):
    with pytest.raises(NotValidError, match="something else"):
        stamps.check_timestamp(stamped[0], OVER + b".", [])


def test_another_authority_with_the_same_name_is_not_trusted(stamped, tmp_path: Path):
    other = stamps.read_pem(make_authority(tmp_path / "other").decode())
    assert other[0].subject == stamped[1][0].subject
    assert not stamps.check_timestamp(stamped[0], OVER, other).is_trusted


def test_no_byte_of_what_it_signs_can_be_changed(stamped):
    token, roots = stamped
    whole = stamps.token_of(token)
    at = token.index(whole)
    for place in range(at, at + len(whole), 23):
        changed = bytearray(token)
        changed[place] ^= 1
        try:
            found = stamps.check_timestamp(bytes(changed), OVER, roots)
        except NotValidError:
            continue
        unsigned = cms.read_signed(stamps.token_of(bytes(changed)))
        known = cms.read_signed(whole)
        assert (unsigned.content, unsigned.attributes) == (known.content, known.attributes)
        assert found.at == stamps.check_timestamp(token, OVER, roots).at


@pytest.mark.parametrize("key", ["rsa:2048", "ec:P-384", "ec:P-256"])
def test_signatures_of_certificates_are_judged(tmp_path: Path, key: str):
    kind, _, size = key.partition(":")
    new = (
        ["-newkey", "rsa:2048"]
        if kind == "rsa"
        else ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size}"]
    )
    call = ["openssl", "req", "-x509", *new, "-nodes", "-subj", "/CN=a", "-keyout", "k", "-out", "c"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    (own,) = stamps.read_pem((tmp_path / "c").read_text())
    assert stamps.is_issued_by(own, own)
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    (other,) = stamps.read_pem((tmp_path / "c").read_text())
    assert not stamps.is_issued_by(own, other)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x80", b"\x30\x81\x01\x00", b"\x1f\x01\x00", bytes(10)])
def test_what_is_no_timestamp_is_refused(data: bytes):
    with pytest.raises(NotValidError):
        stamps.check_timestamp(data, OVER, [])
