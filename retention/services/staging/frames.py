"""The frames of a staging log: how received bytes lie on volumes between their acknowledgement and their package.

A log is a sequence of frames and nothing else; each is authenticated and encrypted under a key of its institution and
its log, so that no byte of a patient lies on a volume in clear, and a frame of another place or institution does not
open. An instance is one frame, or several of a log of its own; it counts when its last frame is whole.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.digests import blake3_digest
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import InstitutionId

KEY_CONTEXT = "retention v1 staging"
MAGIC = b"RSF1"
TAG_BYTES = 16
_CHECK_BYTES = 8
_HEADER = struct.Struct("<4sB3xQ16sIQ")
HEADER_BYTES = _HEADER.size + _CHECK_BYTES
META_LIMIT_BYTES = 1 << 20

_META, _DATA = 0, 1


class FrameKind(IntEnum):
    """`PART`: bytes of an instance that goes on. `LAST`: its end, and what is known of it. `END`: the log is closed."""

    PART = 1
    LAST = 2
    END = 3


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What stands in clear before a frame. `number` counts the frames of a log; lengths are of what is sealed."""

    kind: FrameKind
    number: int
    institution: InstitutionId
    meta_bytes: int
    data_bytes: int

    @property
    def frame_bytes(self) -> int:
        return HEADER_BYTES + self.meta_bytes + self.data_bytes

    def encode(self) -> bytes:
        fixed = _HEADER.pack(
            MAGIC, self.kind, self.number, bytes.fromhex(self.institution), self.meta_bytes, self.data_bytes
        )
        return fixed + blake3_digest(fixed)[:_CHECK_BYTES]

    @classmethod
    def decode(cls, data: bytes) -> FrameHeader | None:
        """Return the header that `data` is, None if it is none, or is damaged."""
        fixed, check = data[: _HEADER.size], data[_HEADER.size : HEADER_BYTES]
        if len(data) < HEADER_BYTES or blake3_digest(fixed)[:_CHECK_BYTES] != check:
            return None
        magic, kind, number, institution, meta_bytes, data_bytes = _HEADER.unpack(fixed)
        if magic != MAGIC or kind not in FrameKind.__members__.values():
            return None
        return cls(FrameKind(kind), number, InstitutionId(institution.hex()), meta_bytes, data_bytes)


class LogCipher:
    """Seals and opens the frames of one log for one institution. A nonce is a frame's number: never used twice,
    because a log has one writer, who counts on after a failure."""

    def __init__(self, secret: bytes, log: str) -> None:
        key = blake3(secret + log.encode("ascii"), derive_key_context=KEY_CONTEXT).digest()
        self._cipher = AESGCM(key)

    def seal(
        self,
        kind: FrameKind,
        number: int,
        institution: InstitutionId,
        meta: dict[str, JsonValue],
        data: bytes,
    ) -> tuple[bytes, bytes, bytes]:
        """Return a frame's header, sealed meta and sealed data."""
        text = canonical_json(meta)
        header = FrameHeader(kind, number, institution, len(text) + TAG_BYTES, len(data) + TAG_BYTES).encode()
        return (
            header,
            self._cipher.encrypt(_nonce(number, _META), text, header),
            self._cipher.encrypt(_nonce(number, _DATA), data, header),
        )

    def open_meta(self, header: FrameHeader, sealed: bytes) -> dict[str, JsonValue]:
        """Return what is known of an instance. Raises KeyUnavailableError unless it is what was sealed."""
        meta = parse_canonical(self._open(header, _META, sealed))
        if not isinstance(meta, dict):
            raise KeyUnavailableError("what a staged instance says of itself is no object")
        return meta

    def open_data(self, header: FrameHeader, sealed: bytes) -> bytes:
        """Return the bytes received. Raises KeyUnavailableError unless they are what was sealed."""
        return self._open(header, _DATA, sealed)

    def _open(self, header: FrameHeader, part: int, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(header.number, part), sealed, header.encode())
        except InvalidTag as error:
            raise KeyUnavailableError("a staged frame is damaged, or not of this log") from error


def _nonce(number: int, part: int) -> bytes:
    return number.to_bytes(8, "big") + part.to_bytes(4, "big")
