"""When something is done, and by whom: what every entry about a person's deed says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from retention.model.canonical import JsonValue


@dataclass(frozen=True, slots=True)
class Deed:
    """`actor` is how the envelope names who does it; `by` says how that is known and proves it, None of the program."""

    at: datetime
    actor: str
    by: JsonValue = None
