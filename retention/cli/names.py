"""Names that people give on the command line: an unknown one is told at once, with what was probably meant."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from retention.cli.invocation import current

if TYPE_CHECKING:
    from retention.services.stores import Stores


def require_institution(stores: Stores, name: str | None) -> None:
    """Raise UsageError for a name that no institution has; none given is fine."""
    if name is not None:
        require_known("institution", name, [record.spec.name for record in stores.catalog.institutions()])


def require_tier(stores: Stores, name: str | None) -> None:
    """Raise UsageError for a name that no tier has; none given is fine."""
    if name is not None:
        require_known("tier", name, stores.settings.tiers)


def require_known(kind: str, name: str, known: Collection[str]) -> None:
    """Raise UsageError unless `name` is known; `kind` is the word of the message catalogue for what it names."""
    from retention.markup.faults import did_you_mean

    if name in known:
        return
    what = current.say(f"names.{kind}")
    near = did_you_mean(name, known)
    if near is not None:
        raise current.usage_error("names.near", what=what, name=name, near=near)
    raise current.usage_error("names.unknown", what=what, name=name, known=", ".join(known))
