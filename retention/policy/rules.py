"""Rules ready to be computed: from when they count, whether they apply, when they end.

The invariant: an end is a range of days that holds every end the unknown facts allow, and it is one day when nothing
that matters is unknown. Each step (trigger and `keep`, floor, death, suspended days) only moves ends later when its
inputs move later, except death, whose two outcomes are both kept where it is unknown which holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from retention.policy.case import NEVER_SAID, Case, Moment, Truth
from retention.policy.documents import OnDeath, RetentionPolicy, Rule, UnlessFollowedBy
from retention.policy.facts import NO_SUSPENSIONS, Suspensions, extended
from retention.policy.matching import Compiled, compile_match
from retention.policy.period import FOREVER, UNKNOWN_PAST, Period, plus_days
from retention.policy.subject import Study
from retention.policy.words import Assurance


class Basis(StrEnum):
    """What the end of a rule rests on."""

    KEEP = "keep"
    FLOOR = "floor"
    DEATH = "death"


class DeathEffect(StrEnum):
    """What a death fact does to an end."""

    NONE = "none"
    IDLE = "idle"  # later than `within` after the trigger
    LATER = "later"  # counts where it is later than base and floor
    REPLACES = "replaces"  # verified, and the rule lets it shorten
    OPEN = "open"  # it is unknown which of these


class Ends(NamedTuple):
    """When a rule ends, and how that was computed. Days that rest on something unknown are the latest possible."""

    earliest_on: date
    latest_on: date
    basis: Basis
    moment: Moment
    keep: Period | None  # None: for ever
    base_on: date
    floor_on: date | None
    death: DeathEffect
    death_on: date | None
    suspended_days: int
    followed_by: Study | None
    is_maybe_followed: bool

    @property
    def is_known(self) -> bool:
        return self.earliest_on == self.latest_on


class RuleResult(NamedTuple):
    """One rule considered. `ends` is None where it surely does not apply; `missing` is what nobody knows of it."""

    rule: CompiledRule
    applies: Truth
    ends: Ends | None
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.rule.key

    @property
    def version(self) -> int:
        return self.rule.policy.document.version


class CompiledRule:
    """A rule of one version of a policy. `rejected` is its result wherever it surely does not apply."""

    __slots__ = (
        "document",
        "floor",
        "followed",
        "is_entity",
        "keep",
        "key",
        "match",
        "moment",
        "policy",
        "rejected",
    )

    def __init__(self, policy: CompiledPolicy, rule: Rule) -> None:
        self.policy = policy
        self.document = rule
        self.key = f"{policy.document.name}/{rule.id}"
        self.is_entity = rule.scope == "entity"
        self.moment = _moment_of(rule.trigger, is_entity=self.is_entity)
        self.match = compile_match(rule.match, self.moment, rule.trigger)
        self.keep = None if rule.keep == "forever" else rule.keep
        self.floor = None if rule.floor is None else Period.years(rule.floor.until_age)
        self.rejected = RuleResult(self, applies=False, ends=None)
        self.followed = None if rule.unless_followed_by is None else _Followed(self, rule.unless_followed_by)

    def ends(self, case: Case) -> Ends:
        """Return when this rule ends for a case it applies to (One rule 4: base, floor, death, suspended days)."""
        moment = self.moment(case)
        keep = self.keep
        earliest, latest = _after(keep, moment)
        follower, is_followed = (None, False) if self.followed is None else self.followed.by(case)
        if self.followed is not None and is_followed is not False:
            shorter = _after(self.followed.keep, moment)
            earliest = shorter[0]
            if is_followed:
                keep, latest = self.followed.keep, shorter[1]
        base_on, basis, floor_on = latest, Basis.KEEP, None
        if self.floor is not None:
            floor_on = self.floor.after(case.birth_max)
            if floor_on > latest:
                latest, basis = floor_on, Basis.FLOOR
            floor_min = floor_on if case.birth is not None else self.floor.after(case.birth_min)
            earliest = max(earliest, floor_min)
        effect, death_on = DeathEffect.NONE, None
        if self.document.on_death is not None and "death" in case.facts.kinds:
            effect, death_on, later = _death(self.document.on_death, case, moment, (earliest, latest))
            if later[1] != latest or effect is DeathEffect.REPLACES:
                basis = Basis.DEATH
            earliest, latest = later
        suspended = self.policy.suspensions(case)
        suspended_days = 0
        if suspended.closed:
            longer = extended(latest, moment.earliest_on, suspended.closed)
            suspended_days = (longer - latest).days
            earliest, latest = extended(earliest, moment.latest_on, suspended.closed), longer
        return Ends(
            earliest, latest, basis, moment, keep, base_on, floor_on, effect, death_on, suspended_days,
            follower, is_followed is None,
        )  # fmt: skip


class CompiledPolicy:
    """One version of a policy, ready to be evaluated."""

    __slots__ = ("digest", "document", "final_action", "rules", "suspends")

    def __init__(self, document: RetentionPolicy) -> None:
        self.document = document
        self.digest = document.digest()
        self.final_action = document.final_action
        self.suspends = frozenset(kind for rule in document.rules for kind in rule.suspend_on or ())
        self.rules = tuple(CompiledRule(self, rule) for rule in document.rules)

    def suspensions(self, case: Case) -> Suspensions:
        """Return what suspends every rule of this policy (One rule 7)."""
        return case.facts.suspensions(self.suspends) if self.suspends else NO_SUSPENSIONS


class _Followed:
    """Whether a later study makes a rule's shorter period count (One rule 8)."""

    __slots__ = ("_match", "_rule", "keep")

    def __init__(self, rule: CompiledRule, document: UnlessFollowedBy) -> None:
        self._rule = rule
        self._match: Compiled = compile_match(document.match, rule.moment, rule.document.trigger)
        self.keep = document.keep

    def by(self, case: Case) -> tuple[Study | None, Truth]:
        """Return the first study that surely follows, and whether one does."""
        answer: Truth = False
        first: Study | None = None
        for other in case.others:
            if not case.in_scope(other, is_entity=self._rule.is_entity):
                continue
            one = self._follows(case, other)
            if one is True and (first is None or _day(other) < _day(first)):
                first = other
            if one is None:
                answer = None
        return (first, True) if first is not None else (None, answer)

    def _follows(self, case: Case, other: Study) -> Truth:
        theirs = case.of_other(other)
        if theirs.study_max <= case.study_min:
            return False
        matches = self._match.ask(theirs)
        if matches is False or theirs.study_min > case.study_max:
            return matches
        return None


def _day(study: Study) -> date:
    return study.study_on or FOREVER


def _after(keep: Period | None, moment: Moment) -> tuple[date, date]:
    if keep is None:
        return FOREVER, FOREVER
    latest = keep.after(moment.latest_on)
    return (latest if moment.is_known else keep.after(moment.earliest_on)), latest


def _death(
    rule: OnDeath, case: Case, moment: Moment, ends: tuple[date, date]
) -> tuple[DeathEffect, date | None, tuple[date, date]]:
    """Return what the patient's death does to `ends` (One rule 6)."""
    fact = case.facts.latest("death")
    earliest, latest = ends
    if fact is None or fact.on is None:
        return DeathEffect.OPEN, None, _undated_death(rule, moment, ends)
    death_on = fact.on
    may_replace = rule.may_shorten and fact.assurance is Assurance.VERIFIED
    end_on = rule.keep_from_death.after(death_on)
    first = last = end_on
    if not may_replace:
        first, last = max(earliest, end_on), max(latest, end_on)
    is_within = _is_within(rule, death_on, moment)
    if is_within is False:
        return DeathEffect.IDLE, death_on, ends
    if is_within is None:
        return DeathEffect.OPEN, death_on, (min(first, earliest), max(last, latest))
    return (DeathEffect.REPLACES if may_replace else DeathEffect.LATER), death_on, (first, last)


def _is_within(rule: OnDeath, death_on: date, moment: Moment) -> Truth:
    if rule.within is None or death_on < rule.within.after(moment.earliest_on):
        return True
    return None if death_on < rule.within.after(moment.latest_on) else False


def _undated_death(rule: OnDeath, moment: Moment, ends: tuple[date, date]) -> tuple[date, date]:
    """A death that stands without a date: somewhere before `within` is over, if it counts at all."""
    latest_death_on = FOREVER if rule.within is None else plus_days(rule.within.after(moment.latest_on), -1)
    earliest = UNKNOWN_PAST if rule.may_shorten else ends[0]
    return earliest, max(ends[1], rule.keep_from_death.after(latest_death_on))


def _moment_of(trigger: str, *, is_entity: bool) -> Callable[[Case], Moment]:
    """Return how to find the day a rule counts from."""
    if trigger == "last_visit":
        return _last_visit(is_entity=is_entity)
    return {"study_date": _study_date, "ingest_date": _ingest_date, "birth": _birth}.get(trigger) or _event(
        trigger
    )


def _last_visit(*, is_entity: bool) -> Callable[[Case], Moment]:
    def moment(case: Case) -> Moment:
        fact = case.facts.latest_visit(case.study.entity if is_entity else None)
        earliest, latest, is_unbounded = case.last_study(is_entity=is_entity)
        if fact is None or fact.on is None:
            return Moment(earliest, FOREVER if is_unbounded else latest)
        # A study that has no date at all moves nothing where somebody recorded the last visit.
        if fact.on >= latest:
            return Moment(fact.on, fact.on, fact)
        return Moment(max(earliest, fact.on), latest)

    return moment


def _study_date(case: Case) -> Moment:
    return Moment(case.study_min, case.study_max, case.dating)


def _ingest_date(case: Case) -> Moment:
    on = case.study.ingested_on
    return _event("ingest_date")(case) if on is None else Moment(on, on)


def _birth(case: Case) -> Moment:
    return Moment(case.birth_min, case.birth_max, case.birth)


def _event(kind: str) -> Callable[[Case], Moment]:
    def moment(case: Case) -> Moment:
        fact = case.facts.latest(kind)
        if fact is None or fact.on is None:
            return NEVER_SAID
        return Moment(fact.on, fact.on, fact)

    return moment
