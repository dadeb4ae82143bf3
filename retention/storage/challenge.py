"""Challenges: a place proves that it holds an object's bytes now, by an answer that nobody can have prepared.

`blake3(nonce ‖ bytes)` can be computed only by whoever reads the bytes after hearing the nonce (LOCKSS polls work so).
An agent at a remote site would answer without sending the bytes; such a volume offers `answer`. No driver of today has
one: a directory is read by us anyhow, and S3 cannot compute it. There we read the bytes ourselves, and say so: that
proves no less, and costs a full reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from blake3 import blake3

from retention.storage.volume import Volume

NONCE_BYTES = 32
_PIECE_BYTES = 1 << 20


@runtime_checkable
class AnswersChallenges(Protocol):
    """A volume whose own side computes the answer."""

    def answer(self, key: str, nonce: bytes) -> bytes:
        """Return BLAKE3 of the nonce and the object's bytes, as they are on the medium now.

        Raises ObjectNotFoundError, NotReadyError, VolumeUnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The 32 bytes of the answer. `by_the_place`: it was computed where the object is; if not, `read_bytes` were read
    from there to compute it here."""

    digest: bytes
    by_the_place: bool
    read_bytes: int = 0


def challenge(volume: Volume, key: str, nonce: bytes) -> Answer:
    """Ask a volume to prove that it holds an object. Raises as `Volume.open` and `ObjectReader.read_at`."""
    if isinstance(volume, AnswersChallenges):
        return Answer(volume.answer(key, nonce), by_the_place=True)
    digest = blake3(nonce)
    with volume.open(key, from_medium=True) as reader:
        for start in range(0, reader.size_bytes, _PIECE_BYTES):
            digest.update(reader.read_at(start, _PIECE_BYTES))
        return Answer(digest.digest(), by_the_place=False, read_bytes=reader.size_bytes)
