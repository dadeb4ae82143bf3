"""The verifier that travels alone: its arithmetic is that of the libraries, and nothing changed passes it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from retention.journal import merkle
from retention.journal.checkpoint import Checkpoint, Signer, sign
from retention.model.canonical import JsonValue, canonical_json
from retention.reports import bundle
from retention.reports.standalone import verify_report

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("retention/a", PRIVATE)
KEY = str(SIGNER.verifier)
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(9)]


def make(out: Path, first: int = 5, second: int = 9) -> Path:
    roots = merkle.root_of(LEAVES[:first]), merkle.root_of(LEAVES[:second])
    proof: dict[str, JsonValue] = {
        "first_size": first,
        "second_size": second,
        "first_root": roots[0].hex(),
        "second_root": roots[1].hex(),
        "proof": [one.hex() for one in merkle.consistency_proof(LEAVES[:second], first)],
    }
    files = {
        "report.json": canonical_json({"journal": {"root": roots[1].hex(), "root_before": roots[0].hex()}}),
        "report.pdf": b"%PDF",
        "journal/checkpoint.note": sign(Checkpoint("retention/a", second, roots[1]).text(), SIGNER)
        .encode()
        .encode(),
        "journal/consistency.json": canonical_json(proof),
    }
    bundle.write_bundle(out, files, KEY, lambda text: sign(text, SIGNER).encode(), kind="compliance")
    return out


@given(st.binary(max_size=200), st.integers(0, 511))
def test_signatures_are_judged_as_the_library_judges_them(message: bytes, bit: int):
    signature = bytearray(PRIVATE.sign(message))
    public = PRIVATE.public_key().public_bytes_raw()
    assert verify_report.ed25519_verify(public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify_report.ed25519_verify(public, message, bytes(signature))


@given(st.integers(1, 9), st.integers(1, 9), st.binary(min_size=32, max_size=32))
def test_consistency_is_judged_as_the_journal_judges_it(first: int, second: int, wrong: bytes):
    if first > second:
        first, second = second, first
    proof = merkle.consistency_proof(LEAVES[:second], first)
    old, new = merkle.root_of(LEAVES[:first]), merkle.root_of(LEAVES[:second])
    assert verify_report.is_consistent(first, second, old, new, proof)
    assert not verify_report.is_consistent(first, second, old, new, [*proof, wrong])
    assert not verify_report.is_consistent(first, second, wrong, new, proof)


def test_a_bundle_is_valid_and_trusted_only_with_its_key(tmp_path: Path):
    made = make(tmp_path / "B")
    other = str(Signer("retention/b", PRIVATE).verifier)
    assert verify_report.verify(made, []).valid
    assert not verify_report.verify(made, []).trusted
    assert not verify_report.verify(made, [other]).trusted
    assert verify_report.verify(made, [other, KEY]).trusted


def test_no_byte_of_any_file_can_be_changed(tmp_path: Path):
    made = make(tmp_path / "B")
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            assert not verify_report.verify(made, [KEY]).valid, (path.name, place)
        path.write_bytes(whole)
    assert verify_report.verify(made, [KEY]).trusted


def test_a_file_less_and_a_file_more_are_named(tmp_path: Path):
    made = make(tmp_path / "B")
    (made / "more.txt").write_text("")
    (made / "report.pdf").unlink()
    assert verify_report.verify(made, [KEY]).problems == ["report.pdf is missing", "more.txt was added"]


def test_a_link_is_no_file(tmp_path: Path):
    made = make(tmp_path / "B")
    (made / "report.pdf").rename(tmp_path / "elsewhere")
    (made / "report.pdf").symlink_to(tmp_path / "elsewhere")
    assert verify_report.verify(made, [KEY]).problems == ["report.pdf was changed"]


def test_a_bundle_signed_by_another_who_uses_the_name_is_not_trusted(tmp_path: Path):
    made = make(tmp_path / "B")
    forger = Signer("retention/a", Ed25519PrivateKey.generate())
    text = (made / "bundle.json").read_bytes().replace(KEY.encode(), str(forger.verifier).encode())
    (made / "bundle.json").write_bytes(text)
    (made / "bundle.note").write_text(sign(bundle.to_sign(text), forger).encode())
    found = verify_report.verify(made, [KEY])
    assert not found.trusted
    assert found.signer == str(forger.verifier)


def test_a_journal_that_was_rewritten_is_found(tmp_path: Path):
    made = make(tmp_path / "B")
    proof = made / "journal/consistency.json"
    forged = canonical_json(
        {
            "first_size": 5,
            "second_size": 9,
            "first_root": "00" * 32,
            "second_root": merkle.root_of(LEAVES).hex(),
            "proof": [],
        }
    )
    files = {
        path.relative_to(made).as_posix(): path.read_bytes()
        for path in made.rglob("*")
        if path.is_file() and not path.name.startswith("bundle")
    }
    files["journal/consistency.json"] = forged
    again = tmp_path / "C"
    bundle.write_bundle(again, files, KEY, lambda text: sign(text, SIGNER).encode())
    assert proof.exists()
    assert "does not continue" in verify_report.verify(again, [KEY]).problems[0]


def test_it_runs_without_the_package_and_says_so_by_its_exit_code(tmp_path: Path):
    made = make(tmp_path / "B")
    script = tmp_path / "verify_report.py"
    script.write_bytes(bundle.verifier_text())
    trust = tmp_path / "trust"
    trust.write_text(f"# the archive\n{KEY}\n")

    def run(*arguments: object) -> tuple[int, str]:
        call = [sys.executable, "-I", str(script), *map(str, arguments)]
        done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout

    assert run(made)[0] == 4
    assert run(made, "--trust", trust)[0] == 0
    (made / "report.pdf").write_bytes(b"%PDX")
    assert run(made, "--trust", trust) == (4, "NOT VALID: report.pdf was changed\n")
    assert run(tmp_path / "nothing")[0] == 4


@pytest.mark.parametrize("line", ["nonsense", "a+b+c", KEY[:-8]])
def test_a_trust_file_that_is_none_is_refused(tmp_path: Path, line: str):
    (tmp_path / "trust").write_text(line)
    with pytest.raises(verify_report.NotValidError):
        verify_report.read_trust(tmp_path / "trust")


def test_a_bundle_is_never_written_over_anything(tmp_path: Path):
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "mine").write_text("")
    with pytest.raises(Exception, match="not empty"):
        make(tmp_path / "B")
    assert [path.name for path in tmp_path.iterdir()] == ["B"]


def test_the_manifest_names_what_is_in_the_files():
    text = bundle.manifest({"a": b"x"}, KEY)
    assert hashlib.sha256(b"x").hexdigest().encode() in text
