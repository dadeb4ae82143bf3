"""What is noted of a recall, in a document beside the object, on its own volume: from when, until when it is readable.

A note is read with doubt: one that is damaged or out of date says nothing, and costs an estimate or another request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from retention.model.clock import format_instant, parse_instant
from retention.model.digests import blake3_digest


@dataclass(frozen=True, slots=True)
class RecallNote:
    """`ready_at` may be an estimate; `until_at` is None where the service alone knows."""

    ready_at: datetime
    until_at: datetime | None = None

    def encode(self, key: str) -> bytes:
        written = {"key": key, "ready_at": format_instant(self.ready_at)}
        if self.until_at is not None:
            written["until_at"] = format_instant(self.until_at)
        return json.dumps(written, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Read a note; None if it is not whole."""
        try:
            noted = json.loads(data)
            until_at = noted.get("until_at")
            return cls(
                parse_instant(noted["ready_at"]), None if until_at is None else parse_instant(until_at)
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def note_key(key: str) -> str:
    """Return where an object's note lies: `recalls/`, and a digest of its key."""
    return f"recalls/{blake3_digest(key.encode())[:16].hex()}.json"
