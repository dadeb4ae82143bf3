"""Deeds: what a person signs, as one canonical text, and the signature under it.

The invariant: a signature counts for one deed alone: this archive, this subject as it was (its digest), this role, this
person, this instant. Taken to another place it does not verify.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.signatures.keys import PublicKey
from retention.signatures.sshsig import HASHES, signed_data

VERSION = 1
PLAIN = "ed25519"
PREFIX = b"retention signature v1\n"
"""Before the text of a deed when it is signed plainly: the key signs nothing else by accident."""

_SSH = "sshsig-"
_FORM = re.compile(rf"{PLAIN}|{_SSH}(?:{'|'.join(name.decode() for name in HASHES)})\Z")


@dataclass(frozen=True, slots=True)
class Deed:
    """What is signed: `what` was done to `subject`, as it was (`digest`), by `person` in a `role`, `at` an instant."""

    archive: str
    what: str
    institution: str | None
    subject: str
    digest: str
    role: str
    person: str
    at: datetime

    def text(self) -> bytes:
        """Return the canonical text."""
        return canonical_json(
            {
                "v": VERSION,
                "archive": self.archive,
                "what": self.what,
                "institution": self.institution,
                "subject": self.subject,
                "digest": self.digest,
                "role": self.role,
                "person": self.person,
                "at": format_instant(self.at),
            }
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature over a deed: how it was made (`ed25519`, `sshsig-sha512` …) and its 64 bytes."""

    form: str
    value: bytes

    def to_json(self) -> Mapping[str, JsonValue]:
        return {"form": self.form, "value": self.value.hex()}

    @classmethod
    def from_json(cls, value: JsonValue) -> Signature:
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        if not isinstance(value, Mapping) or set(value) != {"form", "value"}:
            raise ValueError("it is no signature")
        form, data = value["form"], value["value"]
        if not isinstance(form, str) or not isinstance(data, str) or _FORM.match(form) is None:
            raise ValueError("it is no signature of a known form")
        return cls(form, bytes.fromhex(data))

    @classmethod
    def ssh(cls, hash_name: str, value: bytes) -> Signature:
        return cls(_SSH + hash_name, value)


def plainly_signed(deed: Deed) -> bytes:
    """Return the bytes that a key signs when no SSH tool is between."""
    return PREFIX + deed.text()


def holds(signature: Signature, deed: Deed, key: PublicKey) -> bool:
    """Whether this key signed exactly this deed."""
    if signature.form == PLAIN:
        message = plainly_signed(deed)
    elif _FORM.match(signature.form) is not None:
        message = signed_data(deed.text(), signature.form.removeprefix(_SSH))
    else:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature.value, message)
    except (InvalidSignature, ValueError):
        return False
    return True
