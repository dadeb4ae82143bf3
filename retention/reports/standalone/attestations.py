"""Attestations: one file, JSON or PDF, that verifies alone.

The JSON is `{"attestation", "key", "note", "timestamp"}` in the form of RFC 8785. The note (C2SP signed-note) signs the
digest of the attestation and that of the timestamp, which is over the attestation. `attestation.proof` shows that the
entries of the journal that it speaks of are in the journal's signed tree (RFC 9162, 2.1.3), and in which seals. A PDF
carries that JSON as an attachment and is signed whole (PAdES) with the same key, or with the operator's certificate.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from pathlib import Path

from retention.reports.standalone.notes import (
    NotValidError,
    canonical,
    from_hex,
    number_of,
    parse_canonical,
    parse_key,
    read_small,
    signed_text,
    text_of,
    unbase64,
)
from retention.reports.standalone.stamps import check_pdf, check_timestamp, is_exactly, leads_to
from retention.reports.standalone.trees import (
    Checkpoint,
    is_consistent,
    is_included,
    leaf_hash,
    read_checkpoint,
    stamped_part,
)
from retention.reports.standalone.verdict import Trusted, Verdict

ATTESTATION_CONTEXT = "retention/attestation/v1"
MAX_ATTESTATION_BYTES = 256 * 1024 * 1024


def verify_attestation(path: Path, trusted: Trusted) -> Verdict:
    """Verify an attestation against what the verifier knew before (which may be nothing)."""
    verdict = Verdict(files=1)
    try:
        data = read_small(path)
        is_pdf = data.startswith(b"%PDF")
        whole = parse_canonical(attached_json(data) if is_pdf else data, path.name)
        key = text_of(whole, "key")
        attestation = attestation_in(whole, path.name)
        check_note(whole, attestation, key, trusted, verdict)
        check_proof(attestation, key, trusted, verdict)
        if is_pdf:
            check_pdf_signer(data, key, trusted, verdict)
    except NotValidError as error:
        verdict.problems.append(str(error))
    else:
        verdict.signer = key
        verdict.about = text_of(attestation, "kind")
        failed = [str(one.get("check")) for one in checks_of(attestation) if one.get("result") == "KO"]
        verdict.failed_checks = sorted(set(failed))
        verdict.trusted = verdict.valid and key in trusted.keys
    return verdict


def attestation_in(whole: dict[str, object], name: str) -> dict[str, object]:
    attestation = whole.get("attestation")
    if not isinstance(attestation, dict) or set(whole) != {"attestation", "key", "note", "timestamp"}:
        raise NotValidError(f"{name} is not an attestation")
    return attestation


def attached_json(pdf: bytes) -> bytes:
    """Return the attestation that a PDF carries as its attachment."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            inflater = zlib.decompressobj()
            text = inflater.decompress(stream, MAX_ATTESTATION_BYTES)
        except zlib.error:
            continue
        if text.startswith(b'{"attestation":'):
            found.append(text)
    if len(found) != 1:
        raise NotValidError("the PDF carries no attestation, or several")
    return found[0]


def check_note(
    whole: dict[str, object], attestation: dict[str, object], key: str, trusted: Trusted, verdict: Verdict
) -> None:
    """Check signature and timestamp of an attestation."""
    said, stamp = canonical(attestation), whole["timestamp"]
    answer = unbase64(stamp, "the timestamp") if isinstance(stamp, str) else b""
    digest = hashlib.sha256(answer).hexdigest() if answer else "-"
    text = signed_text(text_of(whole, "note").encode(), key, "the attestation")
    if text != f"{ATTESTATION_CONTEXT}\n{hashlib.sha256(said).hexdigest()}\n{digest}\n":
        raise NotValidError("the signature is under another attestation")
    if answer:
        verdict.count_stamp("the attestation", check_timestamp(answer, said, trusted.certificates))
    elif stamp is not None:
        raise NotValidError("the timestamp is not one")
    else:
        verdict.not_checked.append("when the attestation was made: it is not timestamped")


def check_proof(attestation: dict[str, object], key: str, trusted: Trusted, verdict: Verdict) -> None:
    """Check that every entry is in the journal's tree and in its seal, and that the tree continues the seals."""
    proof = attestation.get("proof")
    if not isinstance(proof, dict):
        raise NotValidError("the attestation has no proof")
    keys = [key, *trusted.keys]
    checkpoint = read_checkpoint(text_of(proof, "checkpoint").encode(), [key], "the checkpoint")
    verdict.entries = checkpoint.size
    seals = [read_seal(one, checkpoint, keys, trusted, verdict) for one in rows(proof, "seals")]
    verdict.seals = len(seals)
    lines = []
    for entry in rows(proof, "entries"):
        index, line = number_of(entry, "index"), text_of(entry, "line").encode()
        said = parse_canonical(line, f"entry {index}")
        if number_of(said, "seq") != index:
            raise NotValidError(f"entry {index} is another entry")
        where = [(checkpoint, "inclusion")]
        if entry.get("seal") is not None:
            where.append((seals[number_of(entry, "seal")], "sealed"))
        for tree, name in where:
            if not is_included(leaf_hash(line), index, tree.size, tree.root, hashes(entry, name)):
                raise NotValidError(f"entry {index} is not in the journal's tree")
        lines.append(said)
    check_agreement(attestation, lines)


def read_seal(
    seal: dict[str, object], checkpoint: Checkpoint, keys: list[str], trusted: Trusted, verdict: Verdict
) -> Checkpoint:
    """Check one seal: signed, continued by the checkpoint, and what its timestamp says."""
    note = text_of(seal, "note").encode()
    found = read_checkpoint(note, keys, "a seal")
    if not is_consistent(
        found.size, checkpoint.size, found.root, checkpoint.root, hashes(seal, "consistency")
    ):
        raise NotValidError(f"the journal does not continue the seal over {found.size} entries")
    name, answer = f"the seal over {found.size} entries", seal.get("timestamp")
    if isinstance(answer, str):
        over = stamped_part(note)
        verdict.count_stamp(name, check_timestamp(unbase64(answer, name), over, trusted.certificates))
    else:
        verdict.not_checked.append(f"when {name} was made: it is not timestamped")
    return found


def check_agreement(attestation: dict[str, object], lines: list[dict[str, object]]) -> None:
    """Check that the entries are those that the attestation speaks of, and say what it says they say."""
    objects = attestation.get("objects")
    named = {str(one) for one in objects} if isinstance(objects, list) else set()
    digests = set()
    for line in lines:
        about, data = line.get("objects"), line.get("data")
        if not isinstance(about, dict) or not isinstance(data, dict) or not named & set(about.values()):
            raise NotValidError(f"entry {line.get('seq')} is about something else")
        digests |= {data.get("manifest"), data.get("digest")}
    for package in rows(attestation, "packages"):
        if package.get("manifest") not in digests:
            raise NotValidError("a package is not the one that the journal's entry commits to")
    certificate = attestation.get("certificate")
    if certificate is not None and hashlib.sha256(canonical(certificate)).hexdigest() not in digests:
        raise NotValidError("the certificate is not the one whose digest the journal has")


def check_pdf_signer(data: bytes, key: str, trusted: Trusted, verdict: Verdict) -> None:
    """Check the signature inside the PDF, and say whose it is if it is not the archive's own."""
    signed, is_judged = check_pdf(data)
    if not is_exactly(signed):
        raise NotValidError("the PDF's signature is not in the form it was written in")
    if not is_judged:
        verdict.not_checked.append("the signature inside the PDF: its algorithm is not known here")
    elif signed.signer.public_bytes() != parse_key(key)[2] and not leads_to(
        signed, trusted.certificates, signed.signer.ends
    ):
        verdict.not_checked.append(
            "whose certificate the PDF is signed with: its authority is not in the trust file"
        )


def checks_of(attestation: dict[str, object]) -> list[dict[str, object]]:
    """Return the attestation's own checks, those of each object and those of the whole."""
    own = rows(attestation, "checks")
    return own + [check for one in rows(attestation, "instances") for check in rows(one, "checks")]


def rows(value: dict[str, object], name: str) -> list[dict[str, object]]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise NotValidError(f"{name} is not a list")
    return found


def hashes(value: dict[str, object], name: str) -> list[bytes]:
    found = value.get(name)
    if not isinstance(found, list):
        raise NotValidError(f"{name} is missing")
    return [from_hex(str(one)) for one in found]
