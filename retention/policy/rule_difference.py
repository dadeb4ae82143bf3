"""What changed between two versions of one rule, and which of it lets a record go earlier."""

from __future__ import annotations

from collections.abc import Iterator

from retention.policy.changes import Change, changed, is_as_long
from retention.policy.documents import Match, OnDeath, Rule, UnlessFollowedBy
from retention.policy.period import Period

_WORD_LISTS = ("modality", "sop_class", "body_part", "department", "manufacturer", "institution", "fact")


def rule_changes(where: str, old: Rule, new: Rule, *, had_rule_for_all: bool) -> Iterator[Change]:
    """Yield the differences between two versions of a rule.

    `had_rule_for_all`: whether the old policy had a rule for every study. Without one, a wider match lets studies end
    that no rule spoke of, which were kept for ever.
    """
    if new.match != old.match:
        is_wider = covers(new.match, old.match)
        is_loosening = not is_wider or not had_rule_for_all
        yield changed(f"{where}.match", spoken(old.match), spoken(new.match), is_loosening=is_loosening)
    if new.trigger != old.trigger:
        yield changed(f"{where}.trigger", old.trigger, new.trigger, is_loosening=True)
    if new.scope != old.scope:
        fewer_visits = new.scope == "institution" and new.trigger == "last_visit"
        more_followers = new.scope == "entity" and new.unless_followed_by is not None
        is_loosening = fewer_visits or more_followers
        yield changed(f"{where}.scope", old.scope, new.scope, is_loosening=is_loosening)
    if new.keep != old.keep:
        yield changed(f"{where}.keep", old.keep, new.keep, is_loosening=_is_shorter(new.keep, old.keep))
    if new.floor != old.floor:
        ages = [None if rule.floor is None else rule.floor.until_age for rule in (old, new)]
        yield changed(f"{where}.floor", *ages, is_loosening=(ages[1] or 0) < (ages[0] or 0))
    if new.on_death != old.on_death:
        loosens = _death_loosens(old, new)
        yield changed(f"{where}.on_death", _death(old.on_death), _death(new.on_death), is_loosening=loosens)
    yield from _followed_changes(
        f"{where}.unless_followed_by", old.unless_followed_by, new.unless_followed_by
    )
    if new.maximum != old.maximum:
        yield changed(f"{where}.maximum", old.maximum, new.maximum, is_loosening=False)
    if new.legal_basis != old.legal_basis:
        texts = [None if rule.legal_basis is None else rule.legal_basis.text for rule in (old, new)]
        yield changed(f"{where}.legal_basis", *texts, is_loosening=False)


def covers(wide: Match, narrow: Match) -> bool:
    """Whether `wide` surely matches whatever `narrow` matches. False where that is not plain to see."""
    if wide == narrow or is_for_all(wide):
        return True
    if any(covers(part, narrow) for part in wide.one_of or ()) and _only(wide) == "one_of":
        return True
    if any(covers(wide, part) for part in narrow.all or ()):
        return True
    key = _only(wide)
    if key not in _WORD_LISTS:
        return False
    mine, theirs = getattr(wide, key), getattr(narrow, key)
    return theirs is not None and set(theirs) <= set(mine)


def is_for_all(match: Match) -> bool:
    """Whether a match is plainly true of every study."""
    return match.any is True and _only(match) == "any"


def spoken(match: Match) -> str:
    """Return a match on one line, as it is written."""
    said = match.model_dump(mode="json", by_alias=True, exclude_none=True)
    return str(said).replace("'", "")


def _only(match: Match) -> str | None:
    keys = [key for key in type(match).model_fields if getattr(match, key) is not None]
    return keys[0] if len(keys) == 1 else None


def _is_shorter(new: object, old: object) -> bool:
    if not isinstance(new, Period):
        return False  # for ever
    return not (isinstance(old, Period) and is_as_long(new, old))


def _followed_changes(
    where: str, old: UnlessFollowedBy | None, new: UnlessFollowedBy | None
) -> Iterator[Change]:
    if new == old:
        return
    if old is None or new is None:
        said = [None if part is None else f"{spoken(part.match)} {part.keep}" for part in (old, new)]
        yield changed(where, *said, is_loosening=new is not None)
        return
    if new.match != old.match:
        is_loosening = not covers(old.match, new.match)
        yield changed(f"{where}.match", spoken(old.match), spoken(new.match), is_loosening=is_loosening)
    if new.keep != old.keep:
        is_loosening = not is_as_long(new.keep, old.keep)
        yield changed(f"{where}.keep", old.keep, new.keep, is_loosening=is_loosening)


def _death(rule: OnDeath | None) -> str | None:
    if rule is None:
        return None
    within = "" if rule.within is None else f" within {rule.within}"
    return f"{rule.keep_from_death}{within}{' may shorten' if rule.may_shorten else ''}"


def _death_loosens(old_rule: Rule, new_rule: Rule) -> bool:
    """Whether a change of `on_death` can bring some end earlier."""
    old, new = old_rule.on_death, new_rule.on_death
    if old is None:
        return new is not None and new.may_shorten
    if new is None:
        return not _only_ever_shortened(old, old_rule)
    if new.may_shorten and not old.may_shorten:
        return True
    if not is_as_long(new.keep_from_death, old.keep_from_death):
        return True
    if new.may_shorten:
        return new.within != old.within
    # Without `may_shorten` death only adds: it has to count in as many cases as before.
    return new.within is not None and (old.within is None or not is_as_long(new.within, old.within))


def _only_ever_shortened(death: OnDeath, rule: Rule) -> bool:
    """Whether a death could never end later than base: then leaving it out never ends anything earlier."""
    if not death.may_shorten or death.within is None:
        return False
    longest = Period(
        months=death.within.months + death.keep_from_death.months,
        days=death.within.days + death.keep_from_death.days,
    )
    return not isinstance(rule.keep, Period) or is_as_long(rule.keep, longest)
