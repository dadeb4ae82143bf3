"""The one question behind every change of rules: does it let a record go earlier, or with less control?

What only tightens is in force at once. A loosening needs a reason and a second person (policy.md, A policy in force):
whoever asks for it is told every part that loosens, and it is not in force before somebody else has approved it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention.model.errors import RefusedError
from retention.policy.changes import Change


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody who asks for a change has said: that it may shorten, and why."""

    may_shorten: bool = False
    reason: str | None = None


NO_CONSENT = Consent()


def loosenings(changes: Sequence[Change]) -> list[Change]:
    """Return those that loosen."""
    return [change for change in changes if change.is_loosening]


def require_consent(what: str, changes: Sequence[Change], consent: Consent, language: str = "en") -> None:
    """Refuse a change that loosens something unless it was asked for by name, with a reason.

    Raises RefusedError that lists every part that loosens.
    """
    found = loosenings(changes)
    if not found or (consent.may_shorten and consent.reason):
        return
    listed = "\n".join(f"  {change.text.fr if language == 'fr' else change.text.en}" for change in found)
    if consent.may_shorten:
        raise RefusedError(
            f"{what} lets records go earlier or with less control, and no reason is given:\n{listed}",
            hint="say why: --reason TEXT",
        )
    raise RefusedError(
        f"{what} lets records go earlier or with less control:\n{listed}",
        hint="if that is meant: --allow-shorten --reason TEXT, and a second person approves it",
    )
