"""CMS signatures with the standard library alone: RFC 3161 timestamps, and the signature inside a PDF (PAdES).

RFC 5652, RFC 3161, RFC 5280, RFC 8032, RFC 8419 (Ed25519 in CMS), RFC 8017 (RSA), FIPS 186 (ECDSA on NIST curves). What
cannot be judged here (another algorithm) is said to be unchecked, never taken for good.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from retention.reports.standalone.notes import NotValidError, ed25519_verify

SEQUENCE, SET, OCTETS, BITS, INTEGER, OID = 0x30, 0x31, 0x04, 0x03, 0x02, 0x06
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.47"
HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
SIGNATURES = {
    "1.3.101.112": ("ed25519", None),
    "1.2.840.113549.1.1.1": ("rsa", None),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
}
"""Signature algorithms that can be judged here, and the hash that each implies."""

CURVES = {
    "1.2.840.10045.3.1.7": (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    "1.3.132.0.34": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
}
"""P-256 and P-384: prime, b, order, base point (SEC 2)."""


@dataclass
class Node:
    """One DER element: its tag, its content, and all of its bytes."""

    tag: int
    body: bytes
    raw: bytes

    def parts(self) -> list[Node]:
        return read_der(self.body)

    def oid(self) -> str:
        first, value, numbers = True, 0, list[int]()
        for byte in self.body:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers += [min(value // 40, 2), value - 40 * min(value // 40, 2)] if first else [value]
                first, value = False, 0
        return ".".join(map(str, numbers))


def read_der(data: bytes) -> list[Node]:
    """Return the elements that data consists of. Raises NotValidError for what is not DER."""
    found, at = [], 0
    while at < len(data):
        start, tag = at, data[at]
        if at + 2 > len(data) or tag & 0x1F == 0x1F:
            raise NotValidError("not DER")
        length, at = data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
            if not 1 <= count <= 4 or length < 0x80 or length >> 8 * (count - 1) == 0:
                raise NotValidError("not DER")
        if at + length > len(data):
            raise NotValidError("DER is cut short")
        found.append(Node(tag, data[at : at + length], data[start : at + length]))
        at += length
    return found


def der(tag: int, *bodies: bytes) -> bytes:
    """Return one DER element."""
    body = b"".join(bodies)
    size = len(body)
    length = (
        bytes([size])
        if size < 0x80
        else (b := size.to_bytes((size.bit_length() + 7) // 8, "big")) and bytes([0x80 | len(b)]) + b
    )
    return bytes([tag]) + length + body


@dataclass
class Certificate:
    """What of a certificate (RFC 5280) is looked at."""

    raw: bytes
    signed: bytes
    serial: bytes
    issuer: bytes
    subject: bytes
    begins: str
    ends: str
    key: Node
    algorithm: str
    signature: bytes

    @classmethod
    def read(cls, raw: bytes) -> Certificate:
        try:
            signed, algorithm, signature = read_der(raw)[0].parts()
            parts = signed.parts()
            if parts[0].tag == 0xA0:
                parts = parts[1:]
            serial, _, issuer, validity, subject, key = parts[:6]
            begins, ends = (year_first(time) for time in validity.parts())
            return cls(
                raw, signed.raw, serial.raw, issuer.raw, subject.raw, begins, ends, key,
                algorithm.parts()[0].oid(), signature.body[1:],
            )  # fmt: skip
        except (ValueError, IndexError):
            raise NotValidError("not a certificate") from None

    def public_bytes(self) -> bytes:
        return self.key.parts()[1].body[1:]

    def may_sign_others(self) -> bool:
        """Whether basicConstraints say CA:TRUE (RFC 5280 section 4.2.1.9)."""
        return (
            re.search(rb"\x06\x03\x55\x1d\x13(\x01\x01\xff)?\x04.\x30.\x01\x01\xff", self.raw, re.DOTALL)
            is not None
        )

    def is_for_timestamps(self) -> bool:
        """Whether the extended key usage is timeStamping (RFC 3161 section 2.3)."""
        return b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x08" in self.signed


def year_first(time: Node) -> str:
    """Return a UTCTime or GeneralizedTime as YYYYMMDDhhmmss."""
    text = time.body.decode("ascii", "replace").rstrip("Z")
    if time.tag == 0x17:
        text = ("19" if text[:2] >= "50" else "20") + text
    return text[:14]


@dataclass
class Signed:
    """A CMS signature with one signer, taken apart (RFC 5652 section 5)."""

    content_type: str
    content: bytes | None
    certificates: list[Certificate]
    signer: Certificate
    hash_name: str
    attributes: bytes
    values: dict[str, Node]
    algorithm: str
    signature: bytes
    whole: bytes = b""
    parts: dict[str, bytes] = field(default_factory=dict)


def read_signed(data: bytes) -> Signed:
    """Take a CMS signature apart. Raises NotValidError when it is none, or is in a form that is not expected."""
    try:
        return _read_signed(data)
    except (ValueError, IndexError, KeyError):
        raise NotValidError("not a signature that is understood (CMS)") from None


def _read_signed(data: bytes) -> Signed:
    whole = read_der(data)[0]
    kind, holder = whole.parts()
    if kind.oid() != SIGNED_DATA:
        raise NotValidError("not a signature (CMS)")
    _, _, enclosed, *rest = holder.parts()[0].parts()
    content_type, *content = enclosed.parts()
    certificates = [Certificate.read(one.raw) for node in rest if node.tag == 0xA0 for one in node.parts()]
    (info,) = rest[-1].parts()
    _, sid, digest, attributes, algorithm, signature, *_ = info.parts()
    issuer, serial = sid.parts()
    signer = next((one for one in certificates if (one.issuer, one.serial) == (issuer.raw, serial.raw)), None)
    if signer is None or attributes.tag != 0xA0:
        raise NotValidError("a signature does not carry its certificate, or signs no attributes")
    values = {one.parts()[0].oid(): one.parts()[1].parts()[0] for one in attributes.parts()}
    return Signed(
        content_type.oid(),
        content[0].parts()[0].body if content else None,
        certificates,
        signer,
        HASHES[digest.parts()[0].oid()],
        bytes([SET]) + attributes.raw[1:],
        values,
        algorithm.parts()[0].oid(),
        signature.body,
        whole.raw,
        {
            "digest": digest.raw,
            "algorithm": algorithm.raw,
            "attributes": attributes.raw,
            "signature": signature.raw,
        },
    )


def check_signed(signed: Signed, content: bytes) -> bool:
    """Check that a signature is over this content and right; False: its algorithm cannot be judged here.

    Raises NotValidError when it is wrong.
    """
    digest = signed.values.get(MESSAGE_DIGEST)
    kind = signed.values.get(CONTENT_TYPE)
    if digest is None or digest.body != hashlib.new(signed.hash_name, content).digest():
        raise NotValidError("it signs something else")
    if kind is None or kind.oid() != signed.content_type:
        raise NotValidError("it signs another kind of content")
    bound = signed.values.get(SIGNING_CERTIFICATE)
    if bound is not None and not _is_bound(bound, signed.signer):
        raise NotValidError("it was made with another certificate")
    right = is_right(
        signed.signer.key, signed.algorithm, signed.hash_name, signed.attributes, signed.signature
    )
    if right is False:
        raise NotValidError("it is wrong")
    return right is True


def _is_bound(attribute: Node, certificate: Certificate) -> bool:
    """RFC 5035: SigningCertificateV2 names the certificate by its hash, SHA-256 unless it says another."""
    first = attribute.parts()[0].parts()[0].parts()
    name = HASHES.get(first[0].parts()[0].oid(), "") if first[0].tag == SEQUENCE else "sha256"
    digests = [part.body for part in first if part.tag == OCTETS]
    return bool(name) and digests == [hashlib.new(name, certificate.raw).digest()]


def is_right(key: Node, algorithm: str, hash_name: str, data: bytes, signature: bytes) -> bool | None:
    """Whether a signature over data is right; None when its algorithm cannot be judged here."""
    kind, implied = SIGNATURES.get(algorithm, ("", None))
    hash_name = implied or hash_name
    parts = key.parts()
    public = parts[1].body[1:]
    if kind == "ed25519":
        return ed25519_verify(public, data, signature)
    digest = hashlib.new(hash_name, data).digest()
    if kind == "rsa":
        modulus, exponent = (int.from_bytes(one.body, "big") for one in read_der(public)[0].parts())
        return _rsa_is_right(modulus, exponent, hash_name, digest, signature)
    curve = CURVES.get(parts[0].parts()[1].oid()) if kind == "ecdsa" else None
    return None if curve is None else _ecdsa_is_right(curve, public, digest, signature)


def _rsa_is_right(modulus: int, exponent: int, hash_name: str, digest: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5, RFC 8017 section 8.2.2."""
    size = (modulus.bit_length() + 7) // 8
    algorithm = next(oid for oid, name in HASHES.items() if name == hash_name)
    last = bytes([int(algorithm.rpartition(".")[2])])
    named = der(SEQUENCE, der(OID, bytes.fromhex("6086480165030402") + last), b"\x05\x00")
    info = der(SEQUENCE, named, der(OCTETS, digest))
    expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    value = int.from_bytes(signature, "big")
    return (
        len(signature) == size
        and value < modulus
        and pow(value, exponent, modulus).to_bytes(size, "big") == expected
    )


def _ecdsa_is_right(
    curve: tuple[int, int, int, int, int], public: bytes, digest: bytes, signature: bytes
) -> bool:
    """ECDSA, FIPS 186-5 section 6.4.2, on a curve with a = -3."""
    p, b, n, gx, gy = curve
    size = (p.bit_length() + 7) // 8
    x, y = int.from_bytes(public[1 : 1 + size], "big"), int.from_bytes(public[1 + size :], "big")
    r, s = (int.from_bytes(one.body, "big") for one in read_der(signature)[0].parts())
    on_curve = (y * y - (x * x * x - 3 * x + b)) % p == 0
    if public[:1] != b"\x04" or len(public) != 1 + 2 * size or not on_curve or not (0 < r < n and 0 < s < n):
        return False
    number = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - n.bit_length())
    inverse = pow(s, -1, n)
    point = _sum(p, _times(p, number * inverse % n, (gx, gy)), _times(p, r * inverse % n, (x, y)))
    return point is not None and point[0] % n == r


def _sum(p: int, one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % p == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, p) % p
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, p) % p
    x = (slope * slope - one[0] - other[0]) % p
    return x, (slope * (one[0] - x) - one[1]) % p


def _times(p: int, scalar: int, point: tuple[int, int]) -> tuple[int, int] | None:
    result, adding = None, point
    while scalar:
        if scalar & 1:
            result = _sum(p, result, adding)
        doubled = _sum(p, adding, adding)
        scalar >>= 1
        if doubled is None:
            break
        adding = doubled
    return result
