"""Entries about the program itself: that it began to serve, that it is another version, that its clock was set."""

from __future__ import annotations

from retention.journal.envelope import Entry
from retention.services.entries.applying import Applying
from retention.services.events import text_of

PROGRAM_START = "program.start"
PROGRAM_VERSION = "program.version"
CLOCK_JUMP = "clock.jump"

VERSION_STATE = "program_version"
"""The catalog's state: the version that last began to serve."""


def apply_start(applying: Applying, entry: Entry) -> None:
    """Remember the version, so that the next one that is another is told."""
    applying.transaction.set_state(VERSION_STATE, text_of(entry.envelope.data, "version"))


ACTIONS = {PROGRAM_START: apply_start}
