"""How records leave, as far as it can be computed: outcomes, terms, the order of approvals, limits.

Pure (policy.md, Several policies and Disposal). Whoever destroys asks here, and again just before acting; where
policies disagree, the more careful one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from math import ceil

from retention.model.states import StudyState
from retention.policy.decision import Decision
from retention.policy.documents import Approver, DisposalPart, Limits
from retention.policy.enacted import PolicySet
from retention.policy.period import Period
from retention.policy.words import FinalAction

APPROVALS_LAPSE_AFTER = Period.years(1)
VISIT_KNOWN_WITHIN = Period(months=0, days=90, text="P90D")


class Outcome(StrEnum):
    """What an analysis says of one study."""

    DESTROY = "DESTROY"
    KEEP = "KEEP"
    REVIEW = "REVIEW"
    CONFLICT = "CONFLICT"
    UNDETERMINED = "UNDETERMINED"
    SUSPENDED = "SUSPENDED"
    HELD = "HELD"


class Why(StrEnum):
    """Why an analysis came to its outcome, where the decision's own reason does not say it."""

    DECISION = "decision"
    NOT_OVER = "not_over"
    FINAL_ACTION = "final_action"
    LAST_VISIT_UNCONFIRMED = "last_visit_unconfirmed"


@dataclass(frozen=True, slots=True)
class Analysis:
    """The outcome of one study in a proposal, with the decision it rests on."""

    outcome: Outcome
    why: Why
    decision: Decision


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms studies may be destroyed: who signs in which order, the wait after, every limit, how."""

    approvals: tuple[Approver, ...]
    grace: Period | None
    limits: tuple[Limits, ...]
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """A signature given: by `person`, as `approver`, on a day."""

    approver: Approver
    person: str
    on: date


@dataclass(frozen=True, slots=True)
class Progress:
    """How far approvals have come. `awaited` is None when all are given; then `executable_on` is the first day."""

    given: tuple[Approval, ...]
    lapsed: tuple[Approval, ...]
    awaited: Approver | None
    executable_on: date | None


def analyse(decision: Decision, visit_confirmed_on: date | None) -> Analysis:
    """Return what a proposal says of a study.

    `visit_confirmed_on` is the day an authoritative source last told the patient's `last_visit`; where a rule counts
    from it, an older confirmation than P90D keeps the study out.
    """
    if decision.state is StudyState.PERMANENT:
        return Analysis(Outcome.KEEP, Why.DECISION, decision)
    if decision.state is not StudyState.DETERMINED:
        return Analysis(Outcome(decision.state.value), Why.DECISION, decision)
    if not decision.is_expired:
        return Analysis(Outcome.KEEP, Why.NOT_OVER, decision)
    if decision.final_action is FinalAction.KEEP:
        return Analysis(Outcome.KEEP, Why.FINAL_ACTION, decision)
    if counts_from_last_visit(decision) and not _is_recent(visit_confirmed_on, decision.at):
        return Analysis(Outcome.UNDETERMINED, Why.LAST_VISIT_UNCONFIRMED, decision)
    outcome = Outcome.DESTROY if decision.final_action is FinalAction.DESTROY else Outcome.REVIEW
    return Analysis(outcome, Why.DECISION, decision)


def counts_from_last_visit(decision: Decision) -> bool:
    """Whether a rule that applies, or may, counts from the last visit."""
    return any(
        result.applies is not False and result.rule.document.trigger == "last_visit"
        for result in decision.rules
    )


def terms_for(decision: Decision, policies: PolicySet) -> Terms:
    """Return the terms of all policies with a rule that applies, or may, in the order the institution lists them."""
    matching = {result.rule.policy.digest for result in decision.rules if result.applies is not False}
    return combine(
        policy.document.disposal
        for policy in policies.policies
        if policy.digest in matching and policy.document.disposal is not None
    )


def combine(parts: Iterable[DisposalPart]) -> Terms:
    """Return the union of approvals in order of first mention, the longest grace, every limit, all methods."""
    parts = list(parts)
    return Terms(
        approvals=tuple(dict.fromkeys(approver for part in parts for approver in part.approvals)),
        grace=max((part.grace for part in parts if part.grace), key=_length, default=None),
        limits=tuple(part.limits for part in parts if part.limits is not None),
        methods=tuple(dict.fromkeys(method for part in parts for method in part.method)),
    )


def combine_terms(several: Iterable[Terms]) -> Terms:
    """Return the terms under which studies of different policies may be destroyed together: the more careful count."""
    several = list(several)
    limits: list[Limits] = []
    for terms in several:
        limits += [limit for limit in terms.limits if limit not in limits]
    graces = [terms.grace for terms in several if terms.grace is not None]
    return Terms(
        approvals=tuple(dict.fromkeys(approver for terms in several for approver in terms.approvals)),
        grace=max(graces, key=_length, default=None),
        limits=tuple(limits),
        methods=tuple(dict.fromkeys(method for terms in several for method in terms.methods)),
    )


def progress(terms: Terms, approvals: Sequence[Approval], at: date) -> Progress:
    """Return how far `approvals` (in the order given) have come at `at`.

    One counts if it is the next in order, by somebody who has not signed yet, and not older than P1Y; from the first
    that has lapsed on, all have to be given again.
    """
    given: list[Approval] = []
    lapsed: list[Approval] = []
    for approval in approvals:
        if APPROVALS_LAPSE_AFTER.after(approval.on) < at:
            lapsed.append(approval)
            continue
        if len(given) == len(terms.approvals) or approval.approver != terms.approvals[len(given)]:
            continue
        if all(approval.person != earlier.person for earlier in given):
            given.append(approval)
    if len(given) < len(terms.approvals):
        return Progress(tuple(given), tuple(lapsed), terms.approvals[len(given)], None)
    last_on = max((approval.on for approval in given), default=None)
    if last_on is None:  # nobody is named to sign: nothing may be executed
        return Progress((), tuple(lapsed), None, None)
    executable_on = last_on if terms.grace is None else terms.grace.after(last_on)
    return Progress(tuple(given), tuple(lapsed), None, executable_on)


def allowance(limits: Limits, studies_held: int, executed: Iterable[tuple[date, int]], at: date) -> int:
    """Return how many more studies of an institution these limits allow on the day `at`.

    `executed` are earlier executions (day, studies); those within the rolling `per` count. Percentages are of
    `studies_held`, rounded up, at least one.
    """
    allowed = []
    if limits.studies is not None:
        allowed.append(limits.studies)
    if limits.percent is not None:
        allowed.append(max(1, ceil(Fraction(str(limits.percent)) * studies_held / 100)))
    used = sum(studies for on, studies in executed if at < limits.per.after(on))
    return max(0, min(allowed) - used)


def _is_recent(on: date | None, at: date) -> bool:
    return on is not None and VISIT_KNOWN_WITHIN.after(on) >= at


def _length(period: Period) -> float:
    return period.approximate_days
