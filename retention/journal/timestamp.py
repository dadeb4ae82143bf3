"""RFC 3161 timestamps: what is asked of an authority, and what its answer proves.

An answer counts only if it was granted, is over exactly these bytes, and its certificate leads to a root that whoever
verifies trusts for timestamps. rfc3161-client does the parsing and the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

GRANTED = (0, 1)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What an authority's answer says: when, and until when its certificate holds; `is_verified`: that leads to a root
    that is trusted."""

    at: datetime
    is_verified: bool
    until: datetime


def request_for(data: bytes) -> bytes:
    """Return what to send to an authority (RFC 3161 §2.4.1); its certificate is asked for, and a nonce set."""
    return (
        TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).nonce().build().as_bytes()
    )


def read_answer(answer: bytes, data: bytes, roots: Sequence[bytes] = ()) -> Timestamp:
    """Read an authority's answer for `data`; `roots` are PEM certificates that are trusted.

    Raises ValueError when it is no granted answer, is over something else, or its signature is wrong under all roots.
    """
    response = _response(answer)
    if response.tst_info.message_imprint.message != hashlib.sha256(data).digest():
        raise ValueError("the timestamp is over something else")
    at, until = response.tst_info.gen_time, _until(response)
    if not roots:
        return Timestamp(at, is_verified=False, until=until)
    why = ""
    for root in roots:
        verifier = VerifierBuilder().add_root_certificate(x509.load_pem_x509_certificate(root)).build()
        try:
            verifier.verify_message(response, data)
        except (VerificationError, ValueError) as error:
            why = str(error)
        else:
            return Timestamp(at, is_verified=True, until=until)
    raise ValueError(f"no trusted authority made the timestamp: {why}")


def _response(answer: bytes) -> TimeStampResponse:
    response = decode_timestamp_response(answer)
    if response.status not in GRANTED:
        raise ValueError("the authority refused")
    return response


def _until(response: TimeStampResponse) -> datetime:
    """Return when the first of the certificates that came with the answer ends; without any, it proves nothing."""
    ends = [
        x509.load_der_x509_certificate(certificate).not_valid_after_utc
        for certificate in response.signed_data.certificates
    ]
    return min(ends, default=response.tst_info.gen_time)
