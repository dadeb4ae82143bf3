"""RFC 3161 timestamps and signatures inside PDF files: over what they are, when, and by whom.

A timestamp counts when it is over these very bytes and its signature is right. Whether its authority is one to trust
is known only with that authority's certificate, from the verifier's own trust file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from retention.reports.standalone.cms import (
    HASHES,
    OCTETS,
    OID,
    SEQUENCE,
    SET,
    SIGNATURES,
    TST_INFO,
    Certificate,
    Signed,
    check_signed,
    der,
    is_right,
    read_der,
    read_signed,
    year_first,
)
from retention.reports.standalone.notes import NotValidError

MAX_PATH = 8
BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


@dataclass
class Stamp:
    """A timestamp: when (YYYYMMDDhhmmss, UTC), whether its signature was judged, and led to a trusted authority."""

    at: str
    is_judged: bool
    is_trusted: bool


def read_pem(text: str) -> list[Certificate]:
    """Return the certificates in a trust file."""
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.DOTALL)
    try:
        return [Certificate.read(base64.b64decode("".join(block.split()), validate=True)) for block in blocks]
    except (binascii.Error, ValueError):
        raise NotValidError("a certificate in the trust file cannot be read") from None


def check_timestamp(answer: bytes, over: bytes, roots: list[Certificate]) -> Stamp:
    """Check an authority's answer (RFC 3161 section 2.4.2). Raises NotValidError when it is wrong."""
    try:
        signed = read_signed(token_of(answer))
        info = read_der(signed.content or b"")[0].parts()
        algorithm, imprint = info[2].parts()
        at = year_first(info[4])
        name = HASHES[algorithm.parts()[0].oid()]
    except (ValueError, IndexError, KeyError):
        raise NotValidError("not a timestamp that is understood") from None
    if signed.content_type != TST_INFO or imprint.body != hashlib.new(name, over).digest():
        raise NotValidError("the timestamp is over something else")
    is_judged = check_signed(signed, signed.content or b"")
    if not signed.signer.is_for_timestamps():
        raise NotValidError("the timestamp's certificate is not one for timestamps")
    return Stamp(at, is_judged, is_judged and leads_to(signed, roots, at))


def token_of(answer: bytes) -> bytes:
    """Return the token in an authority's answer. Raises NotValidError when it was not granted."""
    try:
        (response,) = read_der(answer)
        status, token = response.parts()
        if int.from_bytes(status.parts()[0].body, "big") > 1:
            raise NotValidError("the authority refused")
    except (ValueError, IndexError):
        raise NotValidError("not a timestamp that is understood") from None
    return token.raw


def leads_to(signed: Signed, roots: list[Certificate], at: str) -> bool:
    """Whether the signer's certificate, valid at that time, leads to one of the roots (RFC 5280 section 6)."""
    current = signed.signer
    for _ in range(MAX_PATH):
        if not current.begins <= at <= current.ends:
            return False
        if any(current.raw == root.raw for root in roots):
            return True
        issuers = [
            one
            for one in [*roots, *signed.certificates]
            if one.subject == current.issuer and one.may_sign_others() and is_issued_by(current, one)
        ]
        if not issuers:
            return False
        current = issuers[0]
    return False


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        return (
            is_right(issuer.key, certificate.algorithm, "", certificate.signed, certificate.signature) is True
        )
    except (ValueError, IndexError, KeyError, NotValidError):
        return False


def check_pdf(data: bytes) -> tuple[Signed, bool]:
    """Check the one signature of a PDF, which must cover all of it but its own place (ISO 32000 section 12.8).

    Returns it, and whether its algorithm could be judged here. Raises NotValidError when it is wrong.
    """
    ranges = BYTE_RANGE.findall(data)
    if len(ranges) != 1:
        raise NotValidError(f"the PDF has {len(ranges)} signatures, not one")
    start, length, again, rest = map(int, ranges[0])
    place = data[length:again]
    if start != 0 or again + rest != len(data) or place[:1] != b"<" or place[-1:] != b">":
        raise NotValidError("the signature does not cover the whole PDF")
    digits = place[1:-1]
    try:
        filled = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        raise NotValidError("the PDF's signature is not hexadecimal") from None
    contents = _first_element(filled)
    if digits not in (filled.hex().encode(), filled.hex().upper().encode()) or filled[len(contents) :].strip(
        b"\0"
    ):
        raise NotValidError("something stands behind the PDF's signature")
    signed = read_signed(contents)
    return signed, check_signed(signed, data[:length] + data[again:])


def is_exactly(signed: Signed) -> bool:
    """Whether every byte of a signature is accounted for: those too that its own signature does not cover."""
    parts = signed.parts
    name = read_der(parts["algorithm"])[0].parts()[0]
    known = der(SEQUENCE, name.raw), der(SEQUENCE, name.raw, b"\x05\x00")
    if name.tag != OID or signed.algorithm not in SIGNATURES or parts["algorithm"] not in known:
        return False
    if parts["signature"] != der(OCTETS, signed.signature):
        return False
    others = [one for one in signed.certificates if one is not signed.signer]
    if not all(
        any(is_issued_by(other, one) for other in signed.certificates if other is not one) for one in others
    ):
        return False
    sid = der(SEQUENCE, signed.signer.issuer, signed.signer.serial)
    one, data = b"\x02\x01\x01", der(OID, bytes.fromhex("2a864886f70d010701"))
    info = der(
        SEQUENCE, one, sid, parts["digest"], parts["attributes"], parts["algorithm"], parts["signature"]
    )
    certificates = der(0xA0, *(certificate.raw for certificate in signed.certificates))
    content = der(SEQUENCE, one, der(SET, parts["digest"]), der(SEQUENCE, data), certificates, der(SET, info))
    kind = der(OID, bytes.fromhex("2a864886f70d010702"))
    return signed.whole == der(SEQUENCE, kind, der(0xA0, content))


def _first_element(data: bytes) -> bytes:
    size = 2
    if len(data) > 2 and data[1] & 0x80:
        count = data[1] & 0x7F
        size += count + int.from_bytes(data[2 : 2 + count], "big")
    elif len(data) > 1:
        size += data[1]
    return data[:size]
