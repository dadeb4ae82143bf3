"""Entries about approvals: asked for, given, rejected, and every attempt that was refused.

Public data say what kind of thing, which digest, who in which role and the signature; what it is about in words,
reasons and an outside decision's number are in the payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from retention.catalog.approvals import ApproverRecord, GivenRecord, RequestRecord, RequestState
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.services.entries.applying import Applying
from retention.services.events import list_of, optional_text_of, text_of
from retention.services.payloads import seal

APPROVAL_REQUEST = "approval.request"
APPROVAL_GIVE = "approval.give"
APPROVAL_REJECT = "approval.reject"
APPROVAL_REFUSE = "approval.refuse"


@dataclass(frozen=True, slots=True)
class Giving:
    """A signature about to be given: as which approver, an outside decision's words, and whether it is the last."""

    approver: str
    visa: Mapping[str, str] | None
    completes: bool


def request_entry(record: RequestRecord, key: OpenKey, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that asks."""
    data: dict[str, JsonValue] = {
        "kind": record.kind,
        "subject": record.subject,
        "digest": record.digest,
        "approvers": [[each.name, each.is_external] for each in record.approvers],
        "asked_by": record.asked_by,
        "excluded": list(record.excluded),
        "by": by,
    }
    body: dict[str, JsonValue] = {"summary": record.summary, "body": dict(record.body)}
    return NewEntry(
        record.asked_at,
        actor,
        APPROVAL_REQUEST,
        record.institution_id,
        {"request": record.request_id},
        data,
        seal(body, key),
        key.key_id,
    )


def give_entry(
    record: RequestRecord, given: Giving, key: OpenKey, at: datetime, actor: str, by: JsonValue
) -> NewEntry:
    """Return the entry of a signature."""
    data: dict[str, JsonValue] = {
        "approver": given.approver,
        "digest": record.digest,
        "completes": given.completes,
        "by": by,
    }
    if given.visa is None:
        return _about(record, APPROVAL_GIVE, data, at, actor)
    return _about(record, APPROVAL_GIVE, data, at, actor, seal(dict(given.visa), key), key)


def reject_entry(
    record: RequestRecord, reason: str, key: OpenKey, at: datetime, actor: str, by: JsonValue
) -> NewEntry:
    """Return the entry that closes a request without effect."""
    payload = seal({"reason": reason}, key)
    return _about(record, APPROVAL_REJECT, {"digest": record.digest, "by": by}, at, actor, payload, key)


def refuse_entry(record: RequestRecord, why: str, at: datetime, actor: str) -> NewEntry:
    """Return the entry of an attempt to approve that did not count; `why` is a stable word."""
    return _about(record, APPROVAL_REFUSE, {"digest": record.digest, "why": why}, at, actor)


def apply_request(applying: Applying, entry: Entry) -> None:
    envelope, body = entry.envelope, applying.payloads.read(entry) or {}
    data = envelope.data
    inner = body.get("body")
    applying.transaction.approvals.file(
        RequestRecord(
            envelope.objects["request"],
            text_of(data, "kind"),
            envelope.institution,
            text_of(data, "subject"),
            text_of(data, "digest"),
            tuple(_approver(each) for each in list_of(data, "approvers")),
            optional_text_of(data, "asked_by"),
            tuple(str(each) for each in list_of(data, "excluded")),
            envelope.at,
            optional_text_of(body, "summary") or "",
            inner if isinstance(inner, dict) else {},
            envelope.seq,
        )
    )


def apply_give(applying: Applying, entry: Entry) -> None:
    """Note the signature; whether it completes the request was found out when it was given."""
    envelope = entry.envelope
    data, by, visa = envelope.data, envelope.data["by"], applying.payloads.read(entry)
    if not isinstance(by, dict):
        raise TypeError("a signature says who gave it")
    request = envelope.objects["request"]
    given = GivenRecord(
        text_of(data, "approver"),
        text_of(by, "person"),
        text_of(by, "method"),
        envelope.at,
        envelope.seq,
        None if visa is None else {name: str(value) for name, value in visa.items()},
    )
    applying.transaction.approvals.give(request, given)
    if data.get("completes") is True:
        applying.transaction.approvals.close(request, RequestState.APPROVED, envelope.at)


def apply_reject(applying: Applying, entry: Entry) -> None:
    body = applying.payloads.read(entry) or {}
    request, at = entry.envelope.objects["request"], entry.envelope.at
    applying.transaction.approvals.close(request, RequestState.REJECTED, at, optional_text_of(body, "reason"))


def _about(
    record: RequestRecord,
    action: str,
    data: Mapping[str, JsonValue],
    at: datetime,
    actor: str,
    payload: bytes | None = None,
    key: OpenKey | None = None,
) -> NewEntry:
    objects = {"request": record.request_id}
    key_id = None if key is None else key.key_id
    return NewEntry(at, actor, action, record.institution_id, objects, data, payload, key_id)


def _approver(value: JsonValue) -> ApproverRecord:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError("an approver is a pair")
    return ApproverRecord(str(value[0]), value[1] is True)
