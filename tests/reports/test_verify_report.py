"""The verifier that travels alone: its arithmetic is that of the libraries, and nothing changed passes it."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import typst
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from retention.journal import merkle
from retention.journal.checkpoint import Checkpoint, Signer, sign
from retention.journal.seals import Seal, make_seal
from retention.journal.trust import checkpoint_block
from retention.model.canonical import JsonValue, canonical_json
from retention.reports import bundle
from retention.reports.pades import own_certificate, sign_pdf
from retention.reports.single_file import verifier_text
from retention.reports.standalone import notes, stamps, trees, verdict, verify_report
from retention.reports.standalone.verdict import Trusted

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("retention/a", PRIVATE)
KEY = str(SIGNER.verifier)
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(9)]


AT = datetime(2026, 11, 24, tzinfo=UTC)


@functools.cache
def signed_page() -> bytes:
    page = typst.compile(b"A page.", pdf_standards="a-2b", timestamp=0, ignore_system_fonts=True)
    return sign_pdf(page, own_certificate(SIGNER.name, PRIVATE), AT)


def seals_of(*sizes: int) -> list[Seal]:
    seals: list[Seal] = []
    for number, size in enumerate(sizes):
        at = AT + timedelta(days=number)
        seals.append(make_seal(SIGNER, size, merkle.root_of(LEAVES[:size]), at, seals))
    return seals


def files_of(first: int = 5, second: int = 9, seals: Sequence[Seal] = ()) -> dict[str, bytes]:
    roots = merkle.root_of(LEAVES[:first]), merkle.root_of(LEAVES[:second])
    proof: dict[str, JsonValue] = {
        "first_size": first,
        "second_size": second,
        "first_root": roots[0].hex(),
        "second_root": roots[1].hex(),
        "proof": [one.hex() for one in merkle.consistency_proof(LEAVES[:second], first)],
        "seals": [
            {
                "first": seal.size,
                "proof": [p.hex() for p in merkle.consistency_proof(LEAVES[: after.size], seal.size)],
            }
            for seal, after in pairwise([*seals, Checkpoint("", second, b"")])
        ],
    }
    return {
        "report.json": canonical_json({"journal": {"root": roots[1].hex(), "root_before": roots[0].hex()}}),
        "report.pdf": signed_page(),
        "journal/checkpoint.note": sign(Checkpoint("retention/a", second, roots[1]).text(), SIGNER)
        .encode()
        .encode(),
        "journal/consistency.json": canonical_json(proof),
        **{f"seals/{seal.size:012d}.seal": seal.note.encode().encode() for seal in seals},
    }


def write(out: Path, files: dict[str, bytes]) -> Path:
    bundle.write_bundle(out, files, KEY, lambda text: sign(text, SIGNER).encode(), kind="compliance")
    return out


def make(out: Path, first: int = 5, second: int = 9) -> Path:
    return write(out, files_of(first, second, seals_of(5, 7)))


@given(st.binary(max_size=200), st.integers(0, 511))
def test_signatures_are_judged_as_the_library_judges_them(message: bytes, bit: int):
    signature = bytearray(PRIVATE.sign(message))
    public = PRIVATE.public_key().public_bytes_raw()
    assert notes.ed25519_verify(public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not notes.ed25519_verify(public, message, bytes(signature))


@given(st.integers(1, 9), st.integers(1, 9), st.binary(min_size=32, max_size=32))
def test_consistency_is_judged_as_the_journal_judges_it(first: int, second: int, wrong: bytes):
    if first > second:
        first, second = second, first
    proof = merkle.consistency_proof(LEAVES[:second], first)
    old, new = merkle.root_of(LEAVES[:first]), merkle.root_of(LEAVES[:second])
    assert trees.is_consistent(first, second, old, new, proof)
    assert not trees.is_consistent(first, second, old, new, [*proof, wrong])
    assert not trees.is_consistent(first, second, wrong, new, proof)


def test_a_bundle_is_valid_and_trusted_only_with_its_key(tmp_path: Path):
    made = make(tmp_path / "B")
    other = str(Signer("retention/b", PRIVATE).verifier)
    assert verify_report.verify(made, Trusted()).valid
    assert not verify_report.verify(made, Trusted()).trusted
    assert not verify_report.verify(made, Trusted([other])).trusted
    assert verify_report.verify(made, Trusted([other, KEY])).trusted


def test_no_byte_of_any_file_can_be_changed(tmp_path: Path):
    made = make(tmp_path / "B")
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 12)):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            assert not verify_report.verify(made, Trusted([KEY])).valid, (path.name, place)
        path.write_bytes(whole)
    assert verify_report.verify(made, Trusted([KEY])).trusted


def test_a_file_less_and_a_file_more_are_named(tmp_path: Path):
    made = make(tmp_path / "B")
    (made / "more.txt").write_text("")
    (made / "report.pdf").unlink()
    assert verify_report.verify(made, Trusted([KEY])).problems == [
        "report.pdf is missing",
        "more.txt was added",
        "report.pdf: report.pdf cannot be read: No such file or directory",
    ]


def test_a_link_is_no_file(tmp_path: Path):
    made = make(tmp_path / "B")
    (made / "report.json").rename(tmp_path / "elsewhere")
    (made / "report.json").symlink_to(tmp_path / "elsewhere")
    assert verify_report.verify(made, Trusted([KEY])).problems == ["report.json was changed"]


def test_a_bundle_signed_by_another_who_uses_the_name_is_not_trusted(tmp_path: Path):
    made = make(tmp_path / "B")
    forger = Signer("retention/a", Ed25519PrivateKey.generate())
    text = (made / "bundle.json").read_bytes().replace(KEY.encode(), str(forger.verifier).encode())
    (made / "bundle.json").write_bytes(text)
    (made / "bundle.note").write_text(sign(bundle.to_sign(text), forger).encode())
    found = verify_report.verify(made, Trusted([KEY]))
    assert not found.trusted
    assert found.signer == str(forger.verifier)


def test_a_journal_that_was_rewritten_is_found(tmp_path: Path):
    forged = canonical_json(
        {
            "first_size": 5,
            "second_size": 9,
            "first_root": "00" * 32,
            "second_root": merkle.root_of(LEAVES).hex(),
            "proof": [],
        }
    )
    again = write(tmp_path / "C", files_of() | {"journal/consistency.json": forged})
    assert "does not continue" in verify_report.verify(again, Trusted([KEY])).problems[0]


def test_it_runs_without_the_package_and_says_so_by_its_exit_code(tmp_path: Path):
    made = make(tmp_path / "B")
    script = tmp_path / "verify_report.py"
    script.write_bytes(verifier_text())
    trust = tmp_path / "trust"
    trust.write_text(f"# the archive\n{KEY}\n")

    def run(*arguments: object) -> tuple[int, str]:
        call = [sys.executable, "-I", str(script), *map(str, arguments)]
        done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout

    assert run(made)[0] == 4
    assert run(made, "--trust", trust)[0] == 0
    (made / "report.json").write_bytes(b"{}")
    code, said = run(made, "--trust", trust)
    assert (code, said.splitlines()[0]) == (4, "NOT VALID: report.json was changed")
    assert run(tmp_path / "nothing")[0] == 4


@pytest.mark.parametrize("line", ["nonsense", "a+b+c", KEY[:-8]])
def test_a_trust_file_that_is_none_is_refused(tmp_path: Path, line: str):
    (tmp_path / "trust").write_text(line)
    with pytest.raises(notes.NotValidError):
        verdict.read_trust(tmp_path / "trust")


def test_a_bundle_is_never_written_over_anything(tmp_path: Path):
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "mine").write_text("")
    with pytest.raises(Exception, match="not empty"):
        make(tmp_path / "B")
    assert [path.name for path in tmp_path.iterdir()] == ["B"]


def test_the_manifest_names_what_is_in_the_files():
    text = bundle.manifest({"a": b"x"}, KEY)
    assert hashlib.sha256(b"x").hexdigest().encode() in text


def test_seals_are_followed_one_by_one(tmp_path: Path):
    found = verify_report.verify(make(tmp_path / "B"), Trusted([KEY]))
    assert (found.trusted, found.seals, found.timestamps) == (True, 2, 0)
    assert "when seals/000000000005 was made: it is not timestamped" in found.not_checked


def without_a_proof(files: dict[str, bytes]) -> dict[str, bytes]:
    name = "journal/consistency.json"
    return files | {name: files[name].replace(b'"first":5', b'"first":6')}


def with_another_seal(files: dict[str, bytes]) -> dict[str, bytes]:
    other = make_seal(SIGNER, 5, merkle.root_of(LEAVES[:5]), AT - timedelta(hours=1), [])
    return files | {"seals/000000000005.seal": other.note.encode().encode()}


def with_another_root(files: dict[str, bytes]) -> dict[str, bytes]:
    _, last = seals_of(5, 7)
    other = make_seal(SIGNER, 7, merkle.root_of(LEAVES[1:8]), last.sealed_at, seals_of(5))
    return files | {"seals/000000000007.seal": other.note.encode().encode()}


def with_a_foreign_seal(files: dict[str, bytes]) -> dict[str, bytes]:
    stranger = Signer(SIGNER.name, Ed25519PrivateKey.generate())
    other = make_seal(stranger, 5, merkle.root_of(LEAVES[:5]), AT, [])
    return files | {"seals/000000000005.seal": other.note.encode().encode()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_a_proof, "does not continue"),
        (with_another_seal, "continues another seal"),
        (with_another_root, "does not continue"),
        (with_a_foreign_seal, "signed with another key"),
    ],
)
def test_seals_that_do_not_belong_are_found_though_the_bundle_is_signed(tmp_path: Path, change, said: str):
    found = verify_report.verify(
        write(tmp_path / "B", change(files_of(seals=seals_of(5, 7)))), Trusted([KEY])
    )
    assert said in found.problems[0]


def test_no_byte_of_a_signed_pdf_can_be_changed():
    """All of the signature itself, whose bytes it does not cover, and some of what it does."""
    whole = signed_page()
    (start, end) = next(re.finditer(rb"<[0-9A-F]{200,}>", whole)).span()
    filled = whole.index(b"00000000000000000000", start + 1)
    for place in [*range(0, start, 997), *range(start, filled), *range(filled, end, 97), len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 1
        try:
            signed, _ = stamps.check_pdf(bytes(changed))
        except notes.NotValidError:
            continue
        assert not stamps.is_exactly(signed), place


def test_inclusion_is_judged_as_the_journal_judges_it():
    for size in range(1, 10):
        root = merkle.root_of(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(LEAVES[:size], index)
            assert trees.is_included(LEAVES[index], index, size, root, proof)
            assert (
                not trees.is_included(LEAVES[index], (index + 1) % (size + 1), size, root, proof) or size == 0
            )
            assert not trees.is_included(LEAVES[index], index, size, root, [*proof, root])


def test_a_checkpoint_that_was_kept_is_compared(tmp_path: Path):
    made = make(tmp_path / "B")
    trust = tmp_path / "trust"

    def verified(size: int, root: bytes) -> verdict.Verdict:
        note = sign(Checkpoint(SIGNER.name, size, root).text(), SIGNER)
        trust.write_text(f"{KEY}\n{checkpoint_block(note)}")
        return verify_report.verify(made, verdict.read_trust(trust))

    assert verified(7, merkle.root_of(LEAVES[:7])).trusted
    assert "you kept" in verified(7, merkle.root_of(LEAVES[1:8])).problems[0]
    assert "you kept" in " ".join(verified(6, merkle.root_of(LEAVES[:6])).not_checked)
