"""Signed notes and the keys under them, read and verified with the standard library alone.

C2SP signed-note; Ed25519 as in RFC 8032 section 5.1. What is read must be in the one form it was written in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path

MAX_TEXT_BYTES = 64 * 1024 * 1024
DASH = "— "


class NotValidError(Exception):
    """Something is not as it was signed; the message says what."""


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
        again = canonical(value)
    except (ValueError, RecursionError):
        raise NotValidError(f"{name} is not JSON") from None
    if again != data or not isinstance(value, dict):
        raise NotValidError(f"{name} is not in the form it was written in")
    return value


def canonical(value: object) -> bytes:
    """Return JSON in the one form it is signed in (RFC 8785, of which only texts and whole numbers are used)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


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
