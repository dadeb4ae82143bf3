"""Which versions of which policies count for a study on a day.

"A study is evaluated, with today's facts, under every version ever in force for it since ingest, except versions
retired by an approved loosening; the longest wins" (policy.md, A policy in force). Versions are compiled once here and
evaluated many times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from retention.policy.documents import RetentionPolicy
from retention.policy.rules import CompiledPolicy, CompiledRule


@dataclass(frozen=True, slots=True)
class Enacted:
    """A version of a policy that an institution lists or listed.

    `until_on`: the day it was replaced or unlisted; it goes on counting for studies ingested by then. `retired_on`: the
    day from which an approved loosening takes it out of every evaluation.
    """

    policy: RetentionPolicy
    until_on: date | None = None
    retired_on: date | None = None


class PolicySet:
    """The versions in force for one institution, in the order it lists them. Immutable once made.

    `look_at_followers`: some rule asks what came after a study (One rule 8); `look_at_entity`: some rule counts the
    visits and studies of other institutions of the entity.
    """

    __slots__ = (
        "_all",
        "_changes",
        "_entries",
        "_is_simple",
        "_rules",
        "look_at_entity",
        "look_at_followers",
        "policies",
    )

    def __init__(self, enacted: Iterable[Enacted | RetentionPolicy] = ()) -> None:
        entries = [entry if isinstance(entry, Enacted) else Enacted(entry) for entry in enacted]
        self._entries = [(entry, CompiledPolicy(entry.policy)) for entry in entries]
        self.policies = tuple(compiled for _, compiled in self._entries)
        self.look_at_followers = any(
            rule.followed is not None for compiled in self.policies for rule in compiled.rules
        )
        self.look_at_entity = any(rule.is_entity for compiled in self.policies for rule in compiled.rules)
        self._rules: dict[tuple[bool, ...], tuple[CompiledRule, ...]] = {}
        days = {entry.policy.effective_on for entry in entries} | {
            entry.retired_on for entry in entries if entry.retired_on is not None
        }
        self._changes = sorted(days)
        self._all = (True,) * len(entries)
        self._is_simple = all(entry.until_on is None and entry.retired_on is None for entry in entries)

    def rules_for(self, ingested_on: date | None, at: date) -> tuple[CompiledRule, ...]:
        """Return the rules that count at `at` for a study ingested on a day, sorted by name, newest version first."""
        if self._is_simple and (not self._changes or at >= self._changes[-1]):
            counting = self._all
        else:
            counting = tuple(_counts(entry, ingested_on, at) for entry, _ in self._entries)
        rules = self._rules.get(counting)
        if rules is None:
            chosen = zip(self._entries, counting, strict=True)
            rules = _sorted_rules(compiled for (_, compiled), is_counting in chosen if is_counting)
            self._rules[counting] = rules
        return rules

    def next_change_on(self, at: date) -> date | None:
        """Return the next day after `at` on which a version begins or ceases to count."""
        return next((day for day in self._changes if day > at), None)


def _counts(entry: Enacted, ingested_on: date | None, at: date) -> bool:
    if at < entry.policy.effective_on or (entry.retired_on is not None and at >= entry.retired_on):
        return False
    return entry.until_on is None or ingested_on is None or ingested_on <= entry.until_on


def _sorted_rules(policies: Iterable[CompiledPolicy]) -> tuple[CompiledRule, ...]:
    rules = [rule for policy in policies for rule in policy.rules]
    return tuple(
        sorted(rules, key=lambda rule: (rule.key, -rule.policy.document.version, rule.policy.digest))
    )
