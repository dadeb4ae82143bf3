"""Entries about restore drills: which packages were drawn, and whether all of them could be given back.

A drill that began and has no end is seen as one. Packages are named by their ids, which say nothing of a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from retention.journal.envelope import Entry, NewEntry
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.services.entries.applying import Applying

DRILL_BEGIN = "drill.begin"
DRILL_END = "drill.end"
LAST_DRILL_STATE = "drill_last"
"""What the last drill came to, as JSON: the data of its end, and when that was (`at`)."""


def begin_entry(drill: str, packages: Sequence[str], at: datetime, actor: str) -> NewEntry:
    """Return the entry that says which packages were drawn; nothing is recalled before it."""
    return NewEntry(at, actor, DRILL_BEGIN, objects={"drill": drill}, data={"packages": list(packages)})


def end_entry(drill: str, outcome: Mapping[str, JsonValue], at: datetime, actor: str) -> NewEntry:
    """Return the entry that says what the drill came to."""
    return NewEntry(at, actor, DRILL_END, objects={"drill": drill}, data=dict(outcome))


def apply_end(applying: Applying, entry: Entry) -> None:
    last = {**entry.envelope.data, "at": format_instant(entry.envelope.at)}
    applying.transaction.set_state(LAST_DRILL_STATE, json.dumps(last, sort_keys=True))


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {DRILL_END: apply_end}
