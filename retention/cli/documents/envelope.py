"""What is around `data`: the envelope's error."""

from __future__ import annotations

from typing_extensions import TypedDict


class Error(TypedDict):
    """Why a command stopped. The codes and what to do are listed in the documentation of errors."""

    code: str
    """Stable; a caller decides by this and by the exit code."""
    message: str
    """What and why, for people."""
    hint: str | None
    """What to do next."""
