"""Entries about recalls: who asked for which study and why, when it could be read, when somebody gave it up,
when what it was for was done.

A study is named by a package of it: random, and of no meaning once the study is gone. Reason and name of who asked are
in a payload under the patient's key, which goes with the patient's last study; under the institution's key where the
study names no patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from retention.catalog.recalls import RecallProgress, RecallRecord
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.identifiers import InstitutionId, PackageId
from retention.model.patient import PatientIdentity
from retention.services import payloads
from retention.services.entries.applying import Applying
from retention.services.events import instant_of, list_of, optional_text_of, text_of

RECALL_REQUEST = "recall.request"
RECALL_READY = "recall.ready"
RECALL_CANCEL = "recall.cancel"
RECALL_END = "recall.end"


@dataclass(frozen=True, slots=True)
class Under:
    """The key that a request is under: a patient's and where it lies, or the institution's."""

    key: OpenKey
    patient: PatientIdentity | None = None
    segment: int | None = None


def request_entry(
    asked: RecallRecord, package: PackageId, institution: InstitutionId, *, actor: str, under: Under
) -> NewEntry:
    """Return the entry of a request."""
    body: dict[str, JsonValue] = {"reason": asked.reason, "by": asked.asked_by}
    data: dict[str, JsonValue] = {"urgency": asked.urgency}
    if asked.moving_to is not None:
        data["moving_to"] = asked.moving_to
    if under.patient is not None:
        body |= {"patient_id": under.patient.patient_id, "issuer": under.patient.issuer}
        data["key_segment"] = under.segment
    return NewEntry(
        at=asked.requested_at,
        actor=actor,
        action=RECALL_REQUEST,
        institution=institution,
        objects={"recall": asked.recall_id, "package": package},
        data=data,
        payload=payloads.seal(body, under.key),
        payload_key=under.key.key_id,
    )


def apply_request(applying: Applying, entry: Entry) -> None:
    envelope, segment = entry.envelope, entry.envelope.data.get("key_segment")
    body = applying.payloads.read(entry, segment if isinstance(segment, int) else None) or {}
    if "patient_id" in body and envelope.payload is not None and envelope.payload.key_id is not None:
        patient = PatientIdentity(
            InstitutionId(envelope.institution or ""), text_of(body, "patient_id"), text_of(body, "issuer")
        )
        known_segment = segment if isinstance(segment, int) else None
        applying.transaction.facts.set_key(patient, envelope.payload.key_id, known_segment)
    asked = RecallRecord(
        recall_id=envelope.objects["recall"],
        study_uid=None,
        institution=None,
        state=RecallProgress.REQUESTED,
        urgency=text_of(envelope.data, "urgency"),
        reason=optional_text_of(body, "reason"),
        asked_by=optional_text_of(body, "by"),
        requested_at=envelope.at,
        ready_at=None,
        until_at=None,
        moving_to=optional_text_of(envelope.data, "moving_to"),
    )
    applying.transaction.recalls.request(asked, PackageId(envelope.objects["package"]), envelope.seq)


def ready_entry(
    recalls: Sequence[RecallRecord],
    institution: InstitutionId,
    *,
    at: datetime,
    until_at: datetime,
    actor: str,
) -> NewEntry:
    """Return the entry that says that these requests for one study can be read now."""
    ids: list[JsonValue] = [recall.recall_id for recall in recalls]
    data: dict[str, JsonValue] = {"recalls": ids, "until": format_instant(until_at)}
    return NewEntry(at=at, actor=actor, action=RECALL_READY, institution=institution, data=data)


def apply_ready(applying: Applying, entry: Entry) -> None:
    data = entry.envelope.data
    recalls = [str(recall) for recall in list_of(data, "recalls")]
    applying.transaction.recalls.ready(recalls, entry.envelope.at, instant_of(data, "until"))


def cancel_entry(recall: RecallRecord, institution: InstitutionId, *, at: datetime, actor: str) -> NewEntry:
    """Return the entry that ends a request."""
    objects = {"recall": recall.recall_id}
    return NewEntry(at=at, actor=actor, action=RECALL_CANCEL, institution=institution, objects=objects)


def apply_cancel(applying: Applying, entry: Entry) -> None:
    applying.transaction.recalls.cancel(entry.envelope.objects["recall"], entry.envelope.at)


def end_entry(
    recalls: Sequence[RecallRecord], institution: InstitutionId, *, at: datetime, actor: str
) -> NewEntry:
    """Return the entry that says that the moves these requests were for are done."""
    ids: list[JsonValue] = [recall.recall_id for recall in recalls]
    return NewEntry(at=at, actor=actor, action=RECALL_END, institution=institution, data={"recalls": ids})


def apply_end(applying: Applying, entry: Entry) -> None:
    applying.transaction.recalls.end([str(recall) for recall in list_of(entry.envelope.data, "recalls")])
