"""The words for what changed between two versions."""

from __future__ import annotations

from dataclasses import dataclass

from retention.markup.text import Text
from retention.policy.period import Period


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, at a place of the document (`rules.twenty-years.keep`). `is_loosening`: see policy.md."""

    where: str
    text: Text
    is_loosening: bool


_CHANGED = Text("{where}: {old} becomes {new}", "{where} : {old} devient {new}")
_NOTHING = Text("nothing", "rien")


def changed(where: str, old: object, new: object, *, is_loosening: bool) -> Change:
    """Return the change from `old` to `new`; None is said as nothing."""
    spoken = {"old": _NOTHING if old is None else old, "new": _NOTHING if new is None else new}
    return Change(where, _CHANGED.format(where=where, **spoken), is_loosening)


def is_as_long(new: Period | None, old: Period | None) -> bool:
    """Whether `new` surely never ends before `old` from the same day; None is no period at all."""
    if old is None:
        return True
    if new is None:
        return False
    if new.months >= old.months and new.days >= old.days:
        return True
    # Months differ in length: averages decide only when they are further apart than that can explain.
    return new.approximate_days - _CALENDAR_DAYS >= old.approximate_days


_CALENDAR_DAYS = 8.0
