"""Days that people give on the command line."""

from __future__ import annotations

from datetime import date

from retention.cli.invocation import current


def day_of(text: str) -> date:
    """Return the day that a text writes (ISO 8601). Raises UsageError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise current.usage_error("study.no_day", text=text) from None
