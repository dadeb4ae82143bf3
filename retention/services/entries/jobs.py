"""Entries about what runs by itself: a job was paused, or resumed.

That a job does not run is an operator's act, and may be why something was not checked in time: who did it and until
when is public, why is in the payload, under the index key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retention.catalog.jobs import Pause
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.services.entries.applying import Applying
from retention.services.events import instant_of, optional_text_of, text_of
from retention.services.payloads import seal

SCHEDULE_PAUSE = "schedule.pause"
SCHEDULE_RESUME = "schedule.resume"


def pause_entry(pause: Pause, key: OpenKey, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that stops a job from running by itself."""
    until = None if pause.until_at is None else format_instant(pause.until_at)
    data: dict[str, JsonValue] = {"job": pause.job, "until": until, "by": by}
    payload = seal({"reason": pause.reason, "name": pause.by}, key)
    return NewEntry(pause.at, actor, SCHEDULE_PAUSE, data=data, payload=payload, payload_key=key.key_id)


def apply_pause(applying: Applying, entry: Entry) -> None:
    data, body = entry.envelope.data, applying.payloads.read(entry) or {}
    until_at = None if data.get("until") is None else instant_of(data, "until")
    applying.transaction.jobs.pause(
        Pause(
            text_of(data, "job"),
            entry.envelope.at,
            until_at,
            optional_text_of(body, "name"),
            optional_text_of(body, "reason"),
        )
    )


def apply_resume(applying: Applying, entry: Entry) -> None:
    applying.transaction.jobs.resume(text_of(entry.envelope.data, "job"))


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    SCHEDULE_PAUSE: apply_pause,
    SCHEDULE_RESUME: apply_resume,
}
