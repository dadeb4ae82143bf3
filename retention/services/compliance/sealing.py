"""The seals of a period as a report hands them on: the notes, their timestamps, the proofs between them.

The invariant: every seal that is handed on is followed by a proof that the next one, or the report's own checkpoint,
continues it; what is not timestamped is counted, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from retention.journal.checkpoint import Checkpoint, sign
from retention.journal.renewal import held_until
from retention.journal.seals import Seal
from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.model.errors import JournalBrokenError
from retention.reports.standalone.verify_report import (
    CHECKPOINT,
    CHECKPOINT_STAMP,
    CONSISTENCY,
    SEALS,
)
from retention.services.compliance.history import History
from retention.services.seal import FoundSeals, ask
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.services.tree import open_tree

SEAL_EVERY_H = 25
"""NF Z42-013 asks for a timestamp at least every 24 hours; whoever runs daily is not blamed for minutes."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the period's first instant to the one after its last, as seen when the report was made."""

    first: datetime
    after: datetime
    made_at: datetime


@dataclass(frozen=True, slots=True)
class SealFile:
    """A seal and the timestamp that volumes have for it."""

    seal: Seal
    stamp: bytes | None


@dataclass(frozen=True, slots=True)
class Sealing:
    """The journal at two sizes, the seals from the first to the second, and the proof that all continue each other.

    `why_not`: why the report's own checkpoint carries no timestamp; None when it does. `renew_before`: when the first
    of the seals' timestamps stops proving anything, through those that took over from it.
    """

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    consistency: tuple[bytes, ...]
    seals: tuple[SealFile, ...]
    steps: tuple[tuple[bytes, ...], ...]
    checkpoint: bytes
    stamp: bytes | None
    why_not: str | None
    renew_before: datetime | None
    began_at: datetime | None

    def files(self) -> dict[str, bytes]:
        """Return what goes into the bundle."""
        steps: list[JsonValue] = [
            {"first": one.seal.size, "proof": [each.hex() for each in proof]}
            for one, proof in zip(self.seals, self.steps, strict=True)
        ]
        found = {
            CHECKPOINT: self.checkpoint,
            CONSISTENCY: canonical_json(
                {
                    "first_size": self.first,
                    "second_size": self.second,
                    "first_root": self.first_root.hex(),
                    "second_root": self.second_root.hex(),
                    "proof": [one.hex() for one in self.consistency],
                    "seals": steps,
                }
            ),
        }
        if self.stamp is not None:
            found[CHECKPOINT_STAMP] = self.stamp
        for one in self.seals:
            name = f"{SEALS}/{one.seal.size:012d}"
            found[f"{name}.seal"] = one.seal.note.encode().encode()
            if one.stamp is not None:
                found[f"{name}.tsr"] = one.stamp
        return found


def sealing_of(stores: Stores, found: FoundSeals, history: History) -> Sealing:
    """Return the seals of a period, the last one before it among them.

    Raises KeyUnavailableError (signing key), JournalBrokenError.
    """
    signer, first, second = archive_signer(stores), history.size_before, history.size
    before = [size for size in found.by_size if size < first]
    wanted = [size for size in sorted(found.by_size) if first <= size <= second]
    files = [found.by_size[size] for size in [*sorted(before)[-1:], *wanted]]
    seals = [
        SealFile(one.seal, None if one.answer is None else one.answer[0])
        for one in files
        if one.seal is not None
    ]
    with open_tree(stores) as tree:
        roots = tree.root(first), tree.root(second)
        consistency = tree.consistency(first, roots[0], second, roots[1])
        known = [(one.seal.size, one.seal.checkpoint.root) for one in seals]
        steps = [tree.consistency(*one, *after) for one, after in pairwise([*known, (second, roots[1])])]
    if roots[1] != history.root:
        raise JournalBrokenError(
            "the entries that were read are not those that the journal's root is over",
            hint="retention journal verify says which",
            replicas=[],
        )
    note = sign(Checkpoint(signer.name, second, roots[1]).text(), signer).encode().encode()
    stamp, why_not = _stamped(stores, note)
    held = held_until(found.seals(), found.stamps())
    return Sealing(
        first=first,
        second=second,
        first_root=roots[0],
        second_root=roots[1],
        consistency=tuple(consistency),
        seals=tuple(seals),
        steps=tuple(map(tuple, steps)),
        checkpoint=note,
        stamp=stamp,
        why_not=why_not,
        renew_before=min((held[one.seal.size] for one in seals if one.seal.size in held), default=None),
        began_at=history.began_at,
    )


def _stamped(stores: Stores, note: bytes) -> tuple[bytes | None, str | None]:
    url = stores.settings.timestamp_url
    if url is None:
        return None, "none"
    try:
        return ask(url, note), None
    except (OSError, ValueError) as error:
        return None, str(error) or type(error).__name__


def sealing_section(sealing: Sealing, period: Period) -> dict[str, JsonValue]:
    """Return what the report says of the seals, which should lie close enough to each other."""
    seals = [one for one in sealing.seals if one.seal.size >= sealing.first]
    stamped = sum(one.stamp is not None for one in seals)
    origin = "" if not seals else seals[0].seal.checkpoint.origin
    witnesses = {name for one in seals for name, _, _ in one.seal.note.signatures if name != origin}
    return {
        "seals": len(seals),
        "first_seal": _row(seals[:1]),
        "last_seal": _row(seals[-1:]),
        "not_timestamped": len(seals) - stamped,
        "longest_without_seal_h": _longest_gap_h(seals, sealing.began_at, period),
        "authority": "none"
        if sealing.why_not == "none"
        else "answered"
        if sealing.why_not is None
        else "down",
        "authority_said": None if sealing.why_not == "none" else sealing.why_not,
        "checkpoint_timestamped": sealing.stamp is not None,
        "renew_timestamps_before": None
        if sealing.renew_before is None
        else sealing.renew_before.date().isoformat(),
        "witnesses": list[JsonValue](sorted(witnesses)),
    }


def _row(seals: Sequence[SealFile]) -> Mapping[str, JsonValue] | None:
    for one in seals:
        return {
            "entries": one.seal.size,
            "root": one.seal.checkpoint.root.hex(),
            "sealed_at": format_instant(one.seal.sealed_at),
            "timestamped": one.stamp is not None,
        }
    return None


def _longest_gap_h(seals: Sequence[SealFile], began_at: datetime | None, period: Period) -> int:
    """Return the longest time without a seal in the period, in whole hours; before the archive began there is none."""
    if began_at is None:
        return 0
    first, last = max(period.first, began_at), min(period.made_at, period.after)
    times = [first, *sorted(one.seal.sealed_at for one in seals), last]
    gaps = (after - before for before, after in pairwise(times))
    return max(0, *(int(gap / timedelta(hours=1)) for gap in gaps))
