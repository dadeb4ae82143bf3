"""How long a timestamp proves something, and the later timestamps that take over before it ends.

A timestamp can be relied on until its authority's certificate ends: after that nobody can tell that the key was not
lost. As RFC 4998 §5.2 has it, a later timestamp over the earlier one, made in time, carries it on. Here every seal
names the timestamps that earlier seals had got by then: that of a seal is over all of these (docs/journal.md §5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from retention.journal.seals import Seal, SealProblem


@dataclass(frozen=True, slots=True)
class Stamp:
    """A seal's timestamp: SHA-256 of the authority's answer, when it was made, and when the certificate ends."""

    digest: bytes
    at: datetime
    until: datetime


def held_until(seals: Iterable[Seal], stamps: Mapping[int, Stamp]) -> dict[int, datetime]:
    """Return until when each timestamp (by the size of its seal) proves something, through those that took over."""
    until: dict[int, datetime] = {}
    for size in sorted(stamps, reverse=True):
        until[size] = stamps[size].until
    for seal in sorted(seals, key=lambda seal: seal.size, reverse=True):
        over = stamps.get(seal.size)
        if over is None:
            continue
        for size, digest in seal.stamps.items():
            own = stamps.get(size)
            if own is not None and own.digest == digest and over.at <= own.until:
                until[size] = max(until[size], until[seal.size])
    return until


def unnamed(seals: Iterable[Seal], stamps: Mapping[int, Stamp]) -> dict[int, bytes]:
    """Return the digests of the timestamps that no seal names yet."""
    named = {size for seal in seals for size in seal.stamps}
    return {size: stamp.digest for size, stamp in stamps.items() if size not in named}


def check_stamps(seals: Iterable[Seal], digests: Mapping[int, Iterable[bytes]]) -> list[SealProblem]:
    """Compare the timestamps there are (SHA-256 of each seal's, by size) with those that later seals name."""
    problems = []
    for seal in seals:
        for size, digest in seal.stamps.items():
            if digest not in digests.get(size, ()):
                detail = f"the timestamp that the seal over {seal.size} entries names is missing or another"
                problems.append(SealProblem(size, detail))
    return problems
