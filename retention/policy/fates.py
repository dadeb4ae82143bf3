"""How many studies and bytes a change would move, counted one study at a time, in bounded memory."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from retention.policy.decision import Decision


class Fate(StrEnum):
    """What becomes of a study's end when another decision takes the place of the present one."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    RESTATED = "restated"  # the same end, but another state, rule or final action


def fate(before: Decision, after: Decision) -> Fate:
    """Compare two decisions about one study at one day."""
    if after.lasts_until < before.lasts_until:
        return Fate.EARLIER
    if after.lasts_until > before.lasts_until:
        return Fate.LATER
    is_same = (before.state, before.winner, before.final_action) == (
        after.state,
        after.winner,
        after.final_action,
    )
    return Fate.SAME if is_same else Fate.RESTATED


class Tally:
    """Studies and bytes by fate, and by the states they come from and go to."""

    def __init__(self) -> None:
        self.studies: Counter[Fate] = Counter()
        self.size_bytes: Counter[Fate] = Counter()
        self.transitions: Counter[tuple[str, str]] = Counter()

    def add(self, before: Decision, after: Decision, size_bytes: int) -> Fate:
        """Count one study; return its fate."""
        found = fate(before, after)
        self.studies[found] += 1
        self.size_bytes[found] += size_bytes
        if found is not Fate.SAME:
            self.transitions[before.state.value, after.state.value] += 1
        return found

    def as_record(self) -> dict[str, object]:
        """Return the counts as JSON has them."""
        return {
            "studies": {kind.value: self.studies[kind] for kind in Fate},
            "bytes": {kind.value: self.size_bytes[kind] for kind in Fate},
            "transitions": [
                {"from": before, "to": after, "studies": count}
                for (before, after), count in sorted(self.transitions.items())
            ],
        }
