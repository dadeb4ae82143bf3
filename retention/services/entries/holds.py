"""Entries about legal holds: placed, released.

Public data say which hold, of what scope, until when it is to be looked at again and who did it; what it is on, whose
case it is and why are in the payload. That of a hold on a study or a patient is under a key of the hold's own, of the
kind of patients' keys, which is destroyed with the last study that the hold covered; that of one on a query, which
names nobody, under the institution's payload key.
"""

from __future__ import annotations

from datetime import date, datetime

from retention.catalog.holds import HoldRecord, HoldScope
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.identifiers import InstitutionId
from retention.services.entries.applying import Applying
from retention.services.events import optional_text_of, text_of
from retention.services.payloads import seal

HOLD_PLACE = "hold.place"
HOLD_RELEASE = "hold.release"


def place_entry(record: HoldRecord, key: OpenKey, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that places a hold."""
    body: dict[str, JsonValue] = {
        "owner": record.owner,
        "reason": record.reason,
        "study_uid": record.study_uid,
        "patient_id": record.patient_id,
        "issuer": record.issuer,
        "query": record.query,
    }
    data: dict[str, JsonValue] = {
        "scope": record.scope.value,
        "reassess_on": record.reassess_on.isoformat(),
        "placed_by": record.placed_by,
        "key_segment": record.key_segment,
        "by": by,
    }
    return NewEntry(
        record.placed_at,
        actor,
        HOLD_PLACE,
        record.institution_id,
        {"hold": record.hold_id},
        data,
        seal(body, key),
        key.key_id,
    )


def release_entry(
    record: HoldRecord, reason: str, request: str, key: OpenKey, at: datetime, actor: str
) -> NewEntry:
    """Return the entry that releases a hold, as the request with that id was approved."""
    return NewEntry(
        at,
        actor,
        HOLD_RELEASE,
        record.institution_id,
        {"hold": record.hold_id, "request": request},
        {"key_segment": record.key_segment},
        seal({"reason": reason}, key),
        key.key_id,
    )


def apply_place(applying: Applying, entry: Entry) -> None:
    envelope, data = entry.envelope, entry.envelope.data
    body, segment = _body(applying, entry), data.get("key_segment")
    if body is None or envelope.institution is None:
        return  # its key is gone, and all that it held
    own_key = None if segment is None or envelope.payload is None else envelope.payload.key_id
    applying.transaction.holds.place(
        HoldRecord(
            envelope.objects["hold"],
            InstitutionId(envelope.institution),
            HoldScope(text_of(data, "scope")),
            text_of(body, "owner"),
            text_of(body, "reason"),
            date.fromisoformat(text_of(data, "reassess_on")),
            optional_text_of(data, "placed_by"),
            envelope.at,
            envelope.seq,
            optional_text_of(body, "study_uid"),
            optional_text_of(body, "patient_id"),
            optional_text_of(body, "issuer") or "",
            optional_text_of(body, "query"),
            key_id=own_key,
            key_segment=segment if isinstance(segment, int) else None,
        )
    )


def apply_release(applying: Applying, entry: Entry) -> None:
    if _body(applying, entry) is not None:
        applying.transaction.holds.release(entry.envelope.objects["hold"], entry.envelope.at)


def _body(applying: Applying, entry: Entry) -> dict[str, JsonValue] | None:
    segment = entry.envelope.data.get("key_segment")
    return applying.payloads.read(entry, segment if isinstance(segment, int) else None)
