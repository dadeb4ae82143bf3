"""What must agree between the keys of a document: looked for in the text as read, so that a wrong value elsewhere
never hides a disagreement here. Whatever is not even of the right kind is left to the document's shape to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from retention.markup.yaml_text import Path
from retention.policy.period import Period
from retention.policy.words import FACT_KINDS, read_day, read_period

_T = TypeVar("_T")
_BOOLEANS = {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A fault in the words of `messages.MESSAGES[kind]`."""

    path: Path
    kind: str
    values: dict[str, object] = field(default_factory=dict)
    at_key: bool = False


def declared_kinds(value: object) -> list[str]:
    """Return the kinds of facts a policy may speak of: those of the language, and those it declares."""
    declared = _list(_dict(value).get("facts"))
    return [*FACT_KINDS, *(kind for kind in declared if isinstance(kind, str))]


def boolean_of(word: str) -> bool | None:
    """Return what YAML 1.1 takes `word` for, or None if it is a word to everybody."""
    return _BOOLEANS.get(word.lower())


def policy_disagreements(value: object) -> Iterator[Disagreement]:
    """Yield what does not fit together in a RetentionPolicy."""
    policy = _dict(value)
    yield from _twice(("rules",), [_dict(rule).get("id") for rule in _list(policy.get("rules"))], "id")
    yield from _declared(_list(policy.get("facts")))
    if not {"en", "fr"} & set(_dict(policy.get("title"))) and isinstance(policy.get("title"), dict):
        yield Disagreement(("title",), "range_without_end", {"first": "en", "second": "fr"}, at_key=True)
    for index, rule in enumerate(_list(policy.get("rules"))):
        yield from _rule(("rules", index), _dict(rule))
    if policy.get("final_action") == "destroy" and "approvals" not in _dict(policy.get("disposal")):
        yield Disagreement(("final_action",), "destroy_unapproved")
    yield from _disposal(_dict(policy.get("disposal")))
    for index, example in enumerate(_list(policy.get("examples"))):
        yield from _facts(("examples", index, "facts"), _dict(_dict(example).get("facts")))


def plan_disagreements(value: object) -> Iterator[Disagreement]:
    """Yield what does not fit together in a StoragePlan."""
    plan = _dict(value)
    yield from _rows(("tiers",), _list(plan.get("tiers")))
    for index, entry in enumerate(_list(plan.get("tiers_for"))):
        path: Path = ("tiers_for", index)
        yield from _match((*path, "match"), _dict(entry).get("match"), has_trigger=False)
        yield from _rows((*path, "tiers"), _list(_dict(entry).get("tiers")))
    for tier, fixity in _dict(plan.get("fixity")).items():
        keys = _dict(fixity)
        if ("sample" in keys) != ("every" in keys):
            key = "sample" if "sample" in keys else "every"
            yield Disagreement(("fixity", tier, key), "sample_and_every", at_key=True)


def query_disagreements(value: object) -> Iterator[Disagreement]:
    """Yield what does not fit together in a match that stands alone."""
    yield from _match((), value, has_trigger=False)


def _rule(path: Path, rule: dict[str, object]) -> Iterator[Disagreement]:
    yield from _match((*path, "match"), rule.get("match"), has_trigger=True)
    keep = _read(read_period, rule.get("keep"))
    followed = _dict(rule.get("unless_followed_by"))
    if followed:
        yield from _match((*path, "unless_followed_by", "match"), followed.get("match"), has_trigger=True)
        shorter = _read(read_period, followed.get("keep"))
        if keep is not None and shorter is not None and not _is_less(shorter, keep):
            yield Disagreement(
                (*path, "unless_followed_by", "keep"), "not_shorter", {"shorter": shorter, "keep": keep}
            )
    maximum = _read(read_period, rule.get("maximum"))
    if maximum is not None and keep is not None and _is_less(maximum, keep):
        yield Disagreement((*path, "maximum"), "maximum_below_keep", {"maximum": maximum, "keep": keep})
    yield from _twice((*path, "suspend_on"), _list(rule.get("suspend_on")))


def _match(path: Path, value: object, *, has_trigger: bool) -> Iterator[Disagreement]:
    if not isinstance(value, dict):
        return
    if not value:
        yield Disagreement(path, "no_condition")
    for key in ("all", "one_of"):
        for index, inner in enumerate(_list(value.get(key))):
            yield from _match((*path, key, index), inner, has_trigger=has_trigger)
    yield from _match((*path, "not"), value.get("not"), has_trigger=has_trigger)
    if "age_at_trigger" in value and not has_trigger:
        yield Disagreement((*path, "age_at_trigger"), "trigger_unknown_here", at_key=True)
    for key, high in (("age_at_study", "below"), ("age_at_trigger", "below"), ("study_date", "before")):
        if isinstance(value.get(key), dict):
            yield from _range((*path, key), _dict(value[key]), high)


def _range(path: Path, value: dict[str, object], high_key: str) -> Iterator[Disagreement]:
    if not {"from", high_key} & set(value):
        values: dict[str, object] = {"first": "from", "second": high_key}
        yield Disagreement(path, "range_without_end", values, at_key=True)
    read: Callable[[object], Any] = read_day if high_key == "before" else _whole
    low, high = _read(read, value.get("from")), _read(read, value.get(high_key))
    if low is not None and high is not None and low >= high:
        yield Disagreement((*path, high_key), "empty_range", {"low": low, "high": high})


def _disposal(disposal: dict[str, object]) -> Iterator[Disagreement]:
    approvals = [
        approval.get("external") if isinstance(approval, dict) else approval
        for approval in _list(disposal.get("approvals"))
    ]
    yield from _twice(("disposal", "approvals"), approvals)
    yield from _twice(("disposal", "method"), _list(disposal.get("method")))
    limits = disposal.get("limits")
    if isinstance(limits, dict) and not {"studies", "percent"} & set(limits):
        values: dict[str, object] = {"first": "studies", "second": "percent"}
        yield Disagreement(("disposal", "limits"), "range_without_end", values, at_key=True)


def _facts(path: Path, facts: dict[str, object]) -> Iterator[Disagreement]:
    for kind, written in facts.items():
        for index, fact in enumerate(written if isinstance(written, list) else [written]):
            keys = _dict(fact)
            place = (*path, kind, index) if isinstance(written, list) else (*path, kind)
            if "on" in keys and {"from", "to"} & set(keys):
                yield Disagreement((*place, "on"), "on_or_from", at_key=True)
            start, end = _read(read_day, keys.get("from")), _read(read_day, keys.get("to"))
            if start is not None and end is not None and end < start:
                yield Disagreement((*place, "to"), "period_reversed", {"to": end, "start": start})


def _rows(path: Path, rows: list[object]) -> Iterator[Disagreement]:
    yield from _twice(path, [_dict(row).get("tier") for row in rows], "tier")
    for index, row in enumerate(rows):
        keys = _dict(row)
        if index and "from" in keys:
            yield Disagreement((*path, index, "from"), "from_on_first", at_key=True)
        if index < len(rows) - 1:
            if keys and "for" not in keys:
                yield Disagreement((*path, index), "needs_for")
            continue
        for key in ("for", "unless_accessed_within"):
            if key in keys:
                yield Disagreement((*path, index, key), "last_has_no_end", {"key": key}, at_key=True)


def _declared(kinds: list[object]) -> Iterator[Disagreement]:
    yield from _twice(("facts",), kinds)
    for index, kind in enumerate(kinds):
        if kind in FACT_KINDS:
            yield Disagreement(("facts", index), "known_already", {"word": kind})


def _twice(path: Path, words: Iterable[object], key: str | None = None) -> Iterator[Disagreement]:
    seen: set[str] = set()
    for index, word in enumerate(words):
        if not isinstance(word, str):
            continue
        if word in seen:
            place = (*path, index) if key is None else (*path, index, key)
            yield Disagreement(place, "twice", {"word": word})
        seen.add(word)


def _is_less(shorter: Period, longer: Period) -> bool:
    return shorter.approximate_days < longer.approximate_days


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"no whole number: {value}")
    return value


def _read(read: Callable[[object], _T], value: object) -> _T | None:
    """Return what `read` makes of a value, or None where its shape is a fault of its own."""
    try:
        return read(value)
    except (PydanticCustomError, TypeError):
        return None


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
