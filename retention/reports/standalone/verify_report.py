"""Verify a compliance report of a retention archive, offline, with Python 3.11 or newer and nothing else.

    python verify_report.py BUNDLE [--trust FILE]

A bundle is a folder. `bundle.json` lists every other file with its length and SHA-256; `bundle.note` is its signature
(C2SP signed-note, Ed25519); `journal/checkpoint.note` is the journal's signed size and root (C2SP tlog-checkpoint), and
`journal/consistency.json` proves that it continues what the journal was when the period began (RFC 9162, 2.1.4).

The trust file is text: one public key a line (`name+hash+key`), lines starting with # are comments. It must have come
to you by another way than the bundle. Without it a bundle can be consistent, but nobody knows who signed it.

Ends with 0: valid and trusted; 4: not valid, or valid but not trusted; 2: usage.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "bundle.json"
NOTE = "bundle.note"
CHECKPOINT = "journal/checkpoint.note"
CONSISTENCY = "journal/consistency.json"
REPORT = "report.json"
CONTEXT = "retention/report-bundle/v1"
MAX_FILES = 10_000
MAX_TEXT_BYTES = 64 * 1024 * 1024
DASH = "— "


class NotValidError(Exception):
    """Something is not as it was signed; the message says what."""


@dataclass
class Verdict:
    """What was found. `valid`: all is as one key signed it; `trusted`: that key is one the verifier was given."""

    problems: list[str] = field(default_factory=list)
    signer: str | None = None
    trusted: bool = False
    files: int = 0
    entries: int = 0
    timestamps: int = 0

    @property
    def valid(self) -> bool:
        return not self.problems


def verify(bundle: Path, trusted_keys: list[str]) -> Verdict:
    """Verify a bundle against the public keys of a trust file (which may be none)."""
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
    try:
        verdict.entries = check_journal(bundle, key)
    except NotValidError as error:
        verdict.problems.append(str(error))
    verdict.trusted = verdict.valid and key in trusted_keys
    return verdict


def read_trust(path: Path) -> list[str]:
    """Return the public keys in a trust file. Raises NotValidError for a line that is neither key nor comment."""
    keys, in_block = [], False
    for line in read_small(path).decode("utf-8", "replace").splitlines():
        in_block = in_block or line.startswith("-----BEGIN ")
        if in_block:  # certificates of timestamp authorities may stand in the same file
            in_block = not line.startswith("-----END ")
        elif line.strip() and not line.startswith("#"):
            parse_key(line.strip())
            keys.append(line.strip())
    return keys


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


def check_journal(bundle: Path, key: str) -> int:
    """Check the journal's checkpoint, the proof, and that the report speaks of them; return the journal's size."""
    lines = signed_text(read_small(bundle / CHECKPOINT), key, CHECKPOINT).split("\n")
    if len(lines) < 4 or not lines[1].isdigit():
        raise NotValidError(f"{CHECKPOINT} is not a checkpoint")
    size, root = int(lines[1]), unbase64(lines[2], CHECKPOINT)
    proof = parse_canonical(read_small(bundle / CONSISTENCY), CONSISTENCY)
    first, second = number_of(proof, "first_size"), number_of(proof, "second_size")
    hashes = proof.get("proof")
    if not isinstance(hashes, list) or not all(isinstance(one, str) for one in hashes):
        raise NotValidError(f"{CONSISTENCY} has no proof")
    first_root, second_root = from_hex(text_of(proof, "first_root")), from_hex(text_of(proof, "second_root"))
    if (second, second_root) != (size, root):
        raise NotValidError(f"{CONSISTENCY} is about another journal than {CHECKPOINT}")
    if not is_consistent(first, second, first_root, second_root, [from_hex(one) for one in hashes]):
        raise NotValidError("the journal does not continue what it was when the period began")
    report = parse_canonical(read_small(bundle / REPORT), REPORT)
    journal = report.get("journal")
    if not isinstance(journal, dict) or (journal.get("root"), journal.get("root_before")) != (
        root.hex(),
        first_root.hex(),
    ):
        raise NotValidError(f"{REPORT} is about another journal than {CHECKPOINT}")
    return size


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        return not proof and (first == 0 or first_root == second_root)
    if first & (first - 1) == 0:
        proof = [first_root, *proof]
    if not proof:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = proof[0]
    for one in proof[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, one)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def signed_text(note: bytes, key: str, name: str) -> str:
    """Return the text of a signed note, once the key's signature under it is found to be right (C2SP signed-note)."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise NotValidError(f"{name} is not a signed note") from None
    body, separator, signatures = whole.rpartition("\n\n")
    text = body + "\n"
    signer, key_hash, public = parse_key(key)
    signed = False
    if not separator or not signatures.endswith("\n"):
        raise NotValidError(f"{name} is not a signed note")
    for line in signatures[:-1].split("\n"):
        who, _, encoded = line.removeprefix(DASH).partition(" ")
        signature = unbase64(encoded, name)
        if not line.startswith(DASH) or base64.b64encode(signature).decode() != encoded:
            raise NotValidError(f"{name} has a line that is no signature")
        if who == signer and signature[:4] == key_hash:
            if not ed25519_verify(public, text.encode(), signature[4:]):
                raise NotValidError(f"the signature in {name} is wrong")
            signed = True
        elif who == signer:
            raise NotValidError(f"{name} is signed with another key")
    if not signed:
        raise NotValidError(f"{name} is not signed by {signer}")
    return text


def parse_key(text: str) -> tuple[str, bytes, bytes]:
    """Return name, hash and public key of `name+hash+key`."""
    name, _, rest = text.partition("+")
    key_hash, _, encoded = rest.partition("+")
    key = unbase64(encoded, "a public key")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if len(key) != 33 or key[:1] != b"\x01" or expected.hex() != key_hash:
        raise NotValidError(f"not a public key: {text[:80]!r}")
    return name, expected, key[1:]


# Ed25519, RFC 8032 section 5.1: verification only. Slow, but a bundle has two signatures.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def multiply(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def decompress(data: bytes) -> Point | None:
    encoded = int.from_bytes(data, "little")
    sign, y = encoded >> 255, encoded & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) != 64:
        return False
    key, commitment = decompress(public), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    base = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if key is None or commitment is None or base is None or scalar >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(scalar, base), add(commitment, multiply(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# Reading


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


def read_small(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise NotValidError(f"{path.name} is too large")
        return path.read_bytes()
    except OSError as error:
        raise NotValidError(f"{path.name} cannot be read: {error.strerror}") from None


def parse_canonical(data: bytes, name: str) -> dict[str, object]:
    """Read JSON that must be in the one form it was written in (RFC 8785)."""
    try:
        value = json.loads(data)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise NotValidError(f"{name} is not JSON") from None
    if again != data or not isinstance(value, dict):
        raise NotValidError(f"{name} is not in the form it was written in")
    return value


def text_of(value: dict[str, object], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise NotValidError(f"{name} is missing")
    return found


def number_of(value: dict[str, object], name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise NotValidError(f"{name} is missing")
    return found


def from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NotValidError("not hexadecimal") from None


def unbase64(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotValidError(f"{name} is not Base64 where it should be") from None


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Verify a compliance report, offline.")
    parser.add_argument("bundle", type=Path, help="the report's folder")
    parser.add_argument("--trust", type=Path, help="a file of public keys that you had before")
    options = parser.parse_args(arguments)
    try:
        keys = read_trust(options.trust) if options.trust else []
    except NotValidError as error:
        parser.error(str(error))
    verdict = verify(options.bundle, keys)
    for problem in verdict.problems:
        print(f"NOT VALID: {problem}")
    if verdict.valid:
        print(
            f"valid: {verdict.files} files, a journal of {verdict.entries} entries, signed by {verdict.signer}"
        )
        print(
            "trusted: the key is in your trust file"
            if verdict.trusted
            else "NOT TRUSTED: signer not established"
        )
    return 0 if verdict.valid and verdict.trusted else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
