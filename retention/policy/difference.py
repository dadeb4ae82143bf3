"""What a new version changes, and whether that is a loosening: anything that lets a record go earlier or with less
control (policy.md, A policy in force).

The invariant: what could let a single record go earlier is called a loosening, even where for most it would not. Rules
are compared by what they say, so renaming one is no loosening.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retention.policy.changes import Change, changed, is_as_long
from retention.policy.documents import Approver, DisposalPart, Limits, RetentionPolicy, Rule
from retention.policy.plan_documents import Fixity, StoragePlan
from retention.policy.rule_difference import is_for_all, rule_changes, spoken
from retention.policy.words import FinalAction

_CAREFUL_FIRST = (FinalAction.KEEP, FinalAction.REVIEW, FinalAction.DESTROY)


def policy_changes(old: RetentionPolicy, new: RetentionPolicy) -> list[Change]:
    """Return every difference between two versions of a retention policy."""
    found = list(_rules(old, new))
    suspended = [{kind for rule in policy.rules for kind in rule.suspend_on or ()} for policy in (old, new)]
    if suspended[0] != suspended[1]:
        said = [", ".join(sorted(kinds)) or None for kinds in suspended]
        found.append(changed("suspend_on", *said, is_loosening=not suspended[0] <= suspended[1]))
    if new.final_action != old.final_action:
        is_loosening = _CAREFUL_FIRST.index(new.final_action) > _CAREFUL_FIRST.index(old.final_action)
        found.append(changed("final_action", old.final_action, new.final_action, is_loosening=is_loosening))
    found += _disposal(old.disposal, new.disposal, may_destroy=new.final_action is FinalAction.DESTROY)
    for key in ("effective_on", "review_by", "legal_basis", "title"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            said = [getattr(value, "text", value) for value in (before, after)]
            found.append(changed(key, *said, is_loosening=False))
    return found


def plan_changes(old: StoragePlan, new: StoragePlan) -> list[Change]:
    """Return the differences between two versions of a storage plan. Only fixity can be loosened there."""
    found: list[Change] = []
    for key in ("tiers", "tiers_for"):
        if getattr(old, key) != getattr(new, key):
            said = [_rows(plan, key) for plan in (old, new)]
            found.append(changed(key, *said, is_loosening=False))
    for tier in sorted({*old.fixity, *new.fixity}):
        found += _fixity(f"fixity.{tier}", old.fixity.get(tier, Fixity()), new.fixity.get(tier, Fixity()))
    return found


def listing_changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Return the differences between the policies an institution listed and those it is to list.

    Taking one away is a loosening. So is the first one of all: without any policy everything is kept for ever.
    """
    found = [changed("policies", name, None, is_loosening=True) for name in old if name not in new]
    found += [changed("policies", None, name, is_loosening=not old) for name in new if name not in old]
    return found


def is_loosening(changes: Sequence[Change]) -> bool:
    return any(change.is_loosening for change in changes)


def _rules(old: RetentionPolicy, new: RetentionPolicy) -> Iterator[Change]:
    had_rule_for_all = any(is_for_all(rule.match) for rule in old.rules)
    by_id = {rule.id: rule for rule in new.rules}
    kept: set[str] = set()
    for rule in old.rules:
        same = by_id.get(rule.id) or next((other for other in new.rules if _says_the_same(rule, other)), None)
        if same is not None:
            kept.add(same.id)
            yield from rule_changes(f"rules.{rule.id}", rule, same, had_rule_for_all=had_rule_for_all)
        else:
            yield changed(f"rules.{rule.id}", _said(rule), None, is_loosening=not _is_covered(rule, new))
    for rule in new.rules:
        if rule.id not in kept:
            yield changed(f"rules.{rule.id}", None, _said(rule), is_loosening=not had_rule_for_all)


def _is_covered(rule: Rule, new: RetentionPolicy) -> bool:
    """Whether some rule of the new version keeps at least as long whatever `rule` kept."""
    return any(
        not any(change.is_loosening for change in rule_changes("", rule, other, had_rule_for_all=True))
        for other in new.rules
    )


def _says_the_same(one: Rule, other: Rule) -> bool:
    return one.model_copy(update={"id": other.id}) == other


def _said(rule: Rule) -> str:
    return f"{spoken(rule.match)} {rule.trigger} {rule.keep}"


def _disposal(old: DisposalPart | None, new: DisposalPart | None, *, may_destroy: bool) -> Iterator[Change]:
    if old is None or new is None:
        if old is not new:
            said = [None if part is None else _approvers(part.approvals) for part in (old, new)]
            yield changed("disposal", *said, is_loosening=new is None and may_destroy)
        return
    if new.approvals != old.approvals:
        lost = [approver for approver in old.approvals if approver not in new.approvals]
        said = [_approvers(part.approvals) for part in (old, new)]
        yield changed("disposal.approvals", *said, is_loosening=bool(lost))
    if new.grace != old.grace:
        loosens = not is_as_long(new.grace, old.grace)
        yield changed("disposal.grace", old.grace, new.grace, is_loosening=loosens)
    if new.limits != old.limits:
        loosens = _limits_loosen(old.limits, new.limits)
        yield changed("disposal.limits", _limit(old.limits), _limit(new.limits), is_loosening=loosens)
    if new.method != old.method:
        said = [", ".join(part.method) for part in (old, new)]
        yield changed("disposal.method", *said, is_loosening=not set(old.method) <= set(new.method))


def _limits_loosen(old: Limits | None, new: Limits | None) -> bool:
    if old is None:
        return False
    if new is None or not is_as_long(new.per, old.per):
        return True
    pairs = ((old.studies, new.studies), (old.percent, new.percent))
    return any(before is not None and (after is None or after > before) for before, after in pairs)


def _limit(limits: Limits | None) -> str | None:
    if limits is None:
        return None
    parts = [] if limits.studies is None else [str(limits.studies)]
    parts += [] if limits.percent is None else [f"{limits.percent:g}%"]
    return f"{', '.join(parts)} / {limits.per}"


def _approvers(approvals: Sequence[Approver]) -> str:
    return ", ".join(f"{a.name} (external)" if a.is_external else a.name for a in approvals)


def _fixity(where: str, old: Fixity, new: Fixity) -> Iterator[Change]:
    for key in ("full", "every"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            # A check that comes as often as before or more often: the new period is no longer than the old one.
            loosens = before is not None and (after is None or not is_as_long(before, after))
            yield changed(f"{where}.{key}", before, after, is_loosening=loosens)
    if new.sample != old.sample:
        said = [None if share is None else f"{share * 100:g}%" for share in (old.sample, new.sample)]
        yield changed(f"{where}.sample", *said, is_loosening=(new.sample or 0) < (old.sample or 0))
    if new.on_recall != old.on_recall:
        yield changed(f"{where}.on_recall", old.on_recall, new.on_recall, is_loosening=new.on_recall is None)


def _rows(plan: StoragePlan, key: str) -> str:
    lists = [plan.tiers] if key == "tiers" else [entry.tiers for entry in plan.tiers_for]
    return " | ".join(
        " > ".join(row.tier if row.for_ is None else f"{row.tier} {row.for_}" for row in rows)
        for rows in lists
    )
