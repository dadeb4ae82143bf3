"""What one archive.yaml changes against another, key by key, and which of it takes protection or control away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from retention.model.layout import NEVER
from retention.policy.changes import Change, changed, is_as_long
from retention.policy.period import parse_period
from retention.settings.document import ArchiveDocument
from retention.settings.terms import duration_of, percent_of

Values = Mapping[str, object]

_APART = "institutions."
"""Institutions are facts of the journal: `institutions.differences` compares them."""


def config_changes(old: ArchiveDocument, new: ArchiveDocument) -> list[Change]:
    """Return every difference but those about institutions."""
    before, after = (_compared(document) for document in (old, new))
    found = [
        changed(key, before.get(key), after.get(key), is_loosening=_loosens(key, before, after))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return [*found, *_protections(old, new)]


def flattened(document: ArchiveDocument, *, only_written: bool = False) -> dict[str, object]:
    """Return the values of a document by their dotted keys; `only_written`: those that the file itself says."""
    said = document.model_dump(by_alias=True, exclude_none=True, exclude_unset=only_written)
    return dict(_flat("", said))


def _compared(document: ArchiveDocument) -> dict[str, object]:
    """Leave out institutions, and protection, which is looked at as a whole."""
    return {
        key: value
        for key, value in flattened(document).items()
        if not key.startswith(_APART) and ".protection." not in key
    }


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, ", ".join(map(str, value)) if isinstance(value, list) else value


def _protections(old: ArchiveDocument, new: ArchiveDocument) -> Iterator[Change]:
    """A tier is protected less when it survives fewer losses."""
    for name, tier in old.tiers.items():
        then = new.tiers.get(name)
        if then is not None and then.protection != tier.protection:
            survives = [
                each.copies - 1 if each.copies is not None else each.parity or 0
                for each in (tier.protection, then.protection)
            ]
            said = [
                f"{each.copies} copies" if each.copies is not None else f"{each.data}+{each.parity}"
                for each in (tier.protection, then.protection)
            ]
            yield changed(f"tiers.{name}.protection", *said, is_loosening=survives[1] < survives[0])


def _loosens(key: str, before: Values, after: Values) -> bool:
    old, new = before.get(key), after.get(key)
    for ending, question in _QUESTIONS.items():
        if key.endswith(ending):
            return question(old, new)
    return False


def _is_accepted(old: object, new: object) -> bool:
    return old is False and new is True  # a tier that is new had no protection to lose


def _is_lost(old: object, new: object) -> bool:
    return old is not None and new is None


def _is_off(old: object, new: object) -> bool:
    return new == NEVER and old != NEVER


def _is_weaker_mode(old: object, new: object) -> bool:
    return old == "COMPLIANCE" and new != "COMPLIANCE"


def _is_shorter(old: object, new: object) -> bool:
    first, second = parse_period(str(old)), parse_period(str(new))
    return first is not None and (second is None or not is_as_long(second, first))


def _is_longer(old: object, new: object) -> bool:
    return duration_of(str(new)) > duration_of(str(old))


def _is_larger_share(old: object, new: object) -> bool:
    return percent_of(str(new)) > percent_of(str(old))


def _lists_fewer(old: object, new: object) -> bool:
    mine, theirs = (set(str(words or "").split(", ")) - {""} for words in (old, new))
    return not mine <= theirs


_QUESTIONS: Mapping[str, Callable[[object, object], bool]] = {
    ".accept_single_domain": _is_accepted,
    ".object_lock.mode": _is_weaker_mode,
    ".object_lock.window": _is_shorter,
    "audit.full": _is_longer,
    "audit.presence": _is_longer,
    "audit.repair.stop_at": _is_larger_share,
    "journal.timestamp.url": _is_lost,
    "journal.trust": _lists_fewer,
    "journal.witnesses": _lists_fewer,
    **dict.fromkeys((f"schedule.{job}" for job in ("audit", "locks", "seal", "drill")), _is_off),
}
