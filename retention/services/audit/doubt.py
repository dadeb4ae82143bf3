"""Doubting the machine: when too much of what is read is bad, the archive is not what is broken.

Bad memory or a broken library finds damage everywhere; rewriting an archive on their word would destroy it. Disks that
rot damage their own volumes and no others: so the half of the volumes that looks worse is left out, and the better half
is judged. The invariant: once in doubt, a run repairs nothing more.
"""

from __future__ import annotations

from collections import Counter

from retention.model.findings import FindingKind
from retention.services.audit.examine import Examination

ENOUGH_SHARDS = 100
"""Fewer readings than this say nothing about a machine."""
LEAST_SHARE = 0.1
"""A volume of which less than this share of the average was read is left out: it may be sound by chance."""


class Doubt:
    """Counts what was read and what was bad; `stop_at` is the share from which on repairs stop."""

    def __init__(self, stop_at: float) -> None:
        self._stop_at = stop_at
        self._read: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._why: str | None = None

    def note(self, found: Examination) -> None:
        """Count a package's shards: what is missing or in the wrong place is no sign of bad reading."""
        for number in found.read:
            volume = found.package.shards[number].volume or ""
            self._read[volume] += 1
            finding = found.findings.get(number)
            self._bad[volume] += finding is not None and finding.kind is FindingKind.CORRUPT

    def why(self) -> str | None:
        """Return why nothing should be repaired any more, None as long as it may be."""
        if self._why is None and sum(self._read.values()) >= ENOUGH_SHARDS:
            enough = sum(self._read.values()) / len(self._read) * LEAST_SHARE
            judged = [volume for volume, read in self._read.items() if read >= enough]
            in_order = sorted(judged, key=lambda volume: self._bad[volume] / self._read[volume])
            better = in_order[: max(1, len(in_order) // 2)]
            read, bad = (sum(counts[volume] for volume in better) for counts in (self._read, self._bad))
            if bad / read > self._stop_at:
                self._why = (
                    f"{bad} of {read} shards were bad even on the better half of the volumes: repairs have stopped,"
                    " because this machine's memory or libraries may be what is broken; check them, then audit again"
                )
        return self._why
