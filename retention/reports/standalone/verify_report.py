"""Verify a compliance report or an attestation of a retention archive, offline, with Python 3.11 or newer alone.

    python verify_report.py BUNDLE-OR-FILE [--trust FILE]

A report is a folder. `bundle.json` lists every other file with its length and SHA-256; `bundle.note` is its signature
(C2SP signed-note, Ed25519); `report.pdf` is signed inside too (PAdES); `journal/checkpoint.note` is the journal's
signed size and root (C2SP tlog-checkpoint), and `journal/consistency.json` proves that it continues what the journal
was when the period began, and each seal in `seals/` (RFC 9162, 2.1.4); `*.tsr` are timestamps of others (RFC 3161).
An attestation is one file, JSON or PDF.

The trust file is text: one public key a line (`name+hash+key`), lines starting with # are comments; certificates of
timestamp authorities in PEM. It must have come to you by another way than what you verify. Without it everything can
be consistent, but nobody knows who signed it. What could not be checked is said.

Ends with 0: valid and trusted; 4: not valid, or valid but not trusted; 2: usage.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from itertools import pairwise
from pathlib import Path

from retention.reports.standalone.attestations import hashes, rows, verify_attestation
from retention.reports.standalone.notes import (
    NotValidError,
    from_hex,
    number_of,
    parse_canonical,
    parse_key,
    read_small,
    signed_text,
    text_of,
)
from retention.reports.standalone.stamps import check_pdf, check_timestamp, leads_to
from retention.reports.standalone.trees import Checkpoint, is_consistent, read_checkpoint, stamped_part
from retention.reports.standalone.verdict import Trusted, Verdict, read_trust

MANIFEST = "bundle.json"
NOTE = "bundle.note"
CHECKPOINT = "journal/checkpoint.note"
CHECKPOINT_STAMP = "journal/checkpoint.tsr"
CONSISTENCY = "journal/consistency.json"
SEALS = "seals"
REPORT = "report.json"
PDF = "report.pdf"
CONTEXT = "retention/report-bundle/v1"
MAX_FILES = 10_000


def verify(path: Path, trusted: Trusted) -> Verdict:
    """Verify a report's bundle (a folder) or an attestation (a file)."""
    return verify_bundle(path, trusted) if path.is_dir() else verify_attestation(path, trusted)


def verify_bundle(bundle: Path, trusted: Trusted) -> Verdict:
    """Verify a bundle against what the verifier knew before (which may be nothing)."""
    verdict = Verdict()
    try:
        manifest_bytes = read_small(bundle / MANIFEST)
        manifest = parse_canonical(manifest_bytes, MANIFEST)
        key = text_of(manifest, "key")
        check_signature(read_small(bundle / NOTE), key, manifest_bytes)
        verdict.signer = key
    except NotValidError as error:
        verdict.problems.append(str(error))
        return verdict
    verdict.files = check_files(bundle, manifest, verdict.problems)
    for check in (check_journal, check_signed_pdf):
        try:
            check(bundle, key, trusted, verdict)
        except NotValidError as error:
            verdict.problems.append(str(error))
    verdict.trusted = verdict.valid and key in trusted.keys
    return verdict


def check_signature(note: bytes, key: str, manifest: bytes) -> None:
    """Check that the note says this manifest, and that the key signed the note."""
    text = signed_text(note, key, NOTE)
    if text != f"{CONTEXT}\n{hashlib.sha256(manifest).hexdigest()}\n":
        raise NotValidError(f"{NOTE} signs another {MANIFEST}")


def check_files(bundle: Path, manifest: dict[str, object], problems: list[str]) -> int:
    """Compare every file of the bundle with the manifest: missing, added and changed ones are problems."""
    listed = manifest.get("files")
    if not isinstance(listed, dict) or len(listed) > MAX_FILES:
        problems.append(f"{MANIFEST} lists no files")
        return 0
    found = {path.relative_to(bundle).as_posix() for path in walk(bundle)} - {MANIFEST, NOTE}
    problems += [f"{name} is missing" for name in sorted(set(listed) - found)]
    problems += [f"{name} was added" for name in sorted(found - set(listed))]
    for name in sorted(found & set(listed)):
        entry = listed[name]
        if not isinstance(entry, dict):
            problems.append(f"{MANIFEST} says nothing of {name}")
        elif sha256_of(bundle / name) != entry.get("sha256"):
            problems.append(f"{name} was changed")
    return len(found)


def check_journal(bundle: Path, key: str, trusted: Trusted, verdict: Verdict) -> None:
    """Check the journal's checkpoint, the seals, the proofs between them, and that the report speaks of them."""
    note = read_small(bundle / CHECKPOINT)
    checkpoint = read_checkpoint(note, [key], CHECKPOINT)
    verdict.entries = checkpoint.size
    proof = parse_canonical(read_small(bundle / CONSISTENCY), CONSISTENCY)
    first = Checkpoint(number_of(proof, "first_size"), from_hex(text_of(proof, "first_root")), b"")
    last = number_of(proof, "second_size"), from_hex(text_of(proof, "second_root"))
    if last != (checkpoint.size, checkpoint.root):
        raise NotValidError(f"{CONSISTENCY} is about another journal than {CHECKPOINT}")
    if not is_consistent(first.size, checkpoint.size, first.root, checkpoint.root, hashes(proof, "proof")):
        raise NotValidError("the journal does not continue what it was when the period began")
    check_stamp(bundle, CHECKPOINT_STAMP, note, trusted, verdict)
    seals = check_seals(bundle, checkpoint, proof, [key, *trusted.keys], trusted, verdict)
    check_kept([first, *seals, checkpoint], trusted, verdict)
    report = parse_canonical(read_small(bundle / REPORT), REPORT)
    journal = report.get("journal")
    expected = (checkpoint.root.hex(), first.root.hex())
    if not isinstance(journal, dict) or (journal.get("root"), journal.get("root_before")) != expected:
        raise NotValidError(f"{REPORT} is about another journal than {CHECKPOINT}")


def check_seals(
    bundle: Path,
    checkpoint: Checkpoint,
    proof: dict[str, object],
    keys: list[str],
    trusted: Trusted,
    verdict: Verdict,
) -> list[Checkpoint]:
    """Check every seal: its signature and timestamp, that it names the one before, that the next tree continues it."""
    before: Checkpoint | None = None
    proofs = {number_of(one, "first"): one for one in rows(proof, "seals")}
    names = sorted(path.name for path in (bundle / SEALS).glob("*.seal"))
    verdict.seals = len(names)
    found = []
    for name in names:
        note = read_small(bundle / SEALS / name)
        seal = read_checkpoint(note, keys, name)
        check_stamp(bundle, f"{SEALS}/{name.removesuffix('.seal')}.tsr", stamped_part(note), trusted, verdict)
        if before is not None and seal.links.get(before.size) not in (None, before.digest):
            raise NotValidError(f"{name} continues another seal over {before.size} entries")
        if before is not None and before.size not in seal.links:
            raise NotValidError(f"{name} does not continue the seal over {before.size} entries")
        for size, digest in seal.stamps.items():
            stamp = bundle / SEALS / f"{size:012d}.tsr"
            if stamp.exists() and hashlib.sha256(read_small(stamp)).digest() != digest:
                raise NotValidError(f"{name} names another timestamp of the seal over {size} entries")
        found.append(seal)
        before = seal
    for seal, after in pairwise([*found, checkpoint]):
        step = proofs.get(seal.size)
        if step is None or not is_consistent(
            seal.size, after.size, seal.root, after.root, hashes(step, "proof")
        ):
            raise NotValidError(f"the journal does not continue the seal over {seal.size} entries")
    return found


def check_kept(proven: list[Checkpoint], trusted: Trusted, verdict: Verdict) -> None:
    """Compare the journal with the checkpoints that the verifier kept from earlier."""
    roots = {one.size: one.root for one in proven}
    for size, root in trusted.kept:
        if size in roots and roots[size] != root:
            raise NotValidError(f"the journal is not the one whose checkpoint over {size} entries you kept")
        if size not in roots:
            verdict.not_checked.append(
                f"the checkpoint over {size} entries that you kept: no seal here is over as many"
            )


def check_stamp(bundle: Path, name: str, over: bytes, trusted: Trusted, verdict: Verdict) -> None:
    """Check a timestamp if it is there; say that it is not, if not."""
    if not (bundle / name).exists():
        verdict.not_checked.append(f"when {name.removesuffix('.tsr')} was made: it is not timestamped")
        return
    try:
        verdict.count_stamp(name, check_timestamp(read_small(bundle / name), over, trusted.certificates))
    except NotValidError as error:
        raise NotValidError(f"{name}: {error}") from None


def check_signed_pdf(bundle: Path, key: str, trusted: Trusted, verdict: Verdict) -> None:
    """Check the signature inside the PDF, and say whose it is if it is not the archive's own."""
    try:
        signed, is_judged = check_pdf(read_small(bundle / PDF))
    except NotValidError as error:
        raise NotValidError(f"{PDF}: {error}") from None
    is_own = signed.signer.public_bytes() == parse_key(key)[2]
    if not is_judged:
        verdict.not_checked.append(f"the signature inside {PDF}: its algorithm is not known here")
    elif not is_own and not leads_to(signed, trusted.certificates, signed.signer.ends):
        verdict.not_checked.append(
            f"whose certificate {PDF} is signed with: its authority is not in the trust file"
        )


def walk(folder: Path) -> list[Path]:
    """Return everything in a bundle that is no folder; links are not followed."""
    found = []
    for where, folders, names in os.walk(folder):
        found += [Path(where, name) for name in names]
        found += [Path(where, name) for name in folders if Path(where, name).is_symlink()]
        if len(found) > MAX_FILES:
            break
    return found


def sha256_of(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Verify a compliance report or an attestation, offline.")
    parser.add_argument("path", type=Path, help="the report's folder, or the attestation's file")
    parser.add_argument(
        "--trust", type=Path, help="a file of public keys and certificates that you had before"
    )
    options = parser.parse_args(arguments)
    try:
        trusted = read_trust(options.trust) if options.trust else Trusted()
    except NotValidError as error:
        parser.error(str(error))
    verdict = verify(options.path, trusted)
    for problem in verdict.problems:
        print(f"NOT VALID: {problem}")
    if verdict.valid:
        print(
            f"valid ({verdict.about}): {verdict.files} files, a journal of {verdict.entries} entries, "
            f"{verdict.seals} seals, {verdict.timestamps} timestamps, signed by {verdict.signer}"
        )
        for one in verdict.failed_checks:
            print(f"the attestation itself says KO: {one}")
        for one in verdict.not_checked:
            print(f"not checked: {one}")
        print(
            "trusted: the key is in your trust file"
            if verdict.trusted
            else "NOT TRUSTED: signer not established"
        )
    return 0 if verdict.valid and verdict.trusted else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
