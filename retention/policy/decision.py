"""What rules and holds say of one study at one date, with every reason.

A decision is data: it is compared, stored whole in certificates, and spoken by `explain.py`. `keep_until` is given only
in the state DETERMINED, so nobody can mistake a bound or a guess for the end.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from retention.model.states import StudyState
from retention.policy.period import FOREVER
from retention.policy.rules import RuleResult
from retention.policy.subject import Fact, Hold
from retention.policy.words import FinalAction


class Reason(StrEnum):
    """Why the state is what it is."""

    HOLD = "hold"
    VISIT_AFTER_DEATH = "visit_after_death"
    SUSPENDED = "suspended"
    KEEP_FOREVER = "keep_forever"
    NO_POLICY = "no_policy"
    NO_RULE = "no_rule"
    MISSING = "missing"
    RULES = "rules"
    LATEST_POSSIBLE = "latest_possible"  # something is unknown, and even the latest outcome has passed


class MaximumAlert(NamedTuple):
    """A maximum that has been reached; it never deletes (One rule 9)."""

    rule: str
    reached_on: date


class Decision(NamedTuple):
    """The outcome at `at`. Days are inclusive; None means that there is none.

    `latest_on` is the last day the rules alone could name, None without end; it bounds UNDETERMINED. `missing` names
    what would have to be known. `next_change_on` is the next day on which time alone may change the decision.
    """

    at: date
    state: StudyState
    reason: Reason
    keep_until: date | None
    latest_on: date | None
    winner_result: RuleResult | None
    rules: tuple[RuleResult, ...]
    final_action: FinalAction
    missing: tuple[str, ...]
    holds: tuple[Hold, ...]
    suspended_by: tuple[Fact, ...]
    alerts: tuple[MaximumAlert, ...]
    next_change_on: date | None

    @property
    def winner(self) -> str | None:
        """Return `policy/rule` of the rule that decides, in the states DETERMINED and PERMANENT."""
        return None if self.winner_result is None else self.winner_result.name

    @property
    def is_expired(self) -> bool:
        """Whether the last day to keep it has passed."""
        return self.keep_until is not None and self.at > self.keep_until

    @property
    def lasts_until(self) -> date:
        """Return the day to compare decisions by: what is not known to end, or may not, lasts for ever."""
        if self.state in (StudyState.DETERMINED, StudyState.UNDETERMINED):
            return self.keep_until or self.latest_on or FOREVER
        return FOREVER


def would_shorten(before: Decision, after: Decision) -> bool:
    """Whether going from `before` to `after` could bring the end earlier (policy.md, Facts)."""
    return after.lasts_until < before.lasts_until
