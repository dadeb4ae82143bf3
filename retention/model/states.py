"""The states a study can be in: what rules and holds say of it (policy.md, States)."""

from __future__ import annotations

from enum import StrEnum


class StudyState(StrEnum):
    """The first that applies, in this order. DETERMINED: the end of keeping is a known day."""

    HELD = "HELD"
    CONFLICT = "CONFLICT"
    SUSPENDED = "SUSPENDED"
    PERMANENT = "PERMANENT"
    UNDETERMINED = "UNDETERMINED"
    DETERMINED = "DETERMINED"
