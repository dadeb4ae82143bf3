"""Entries about patients: what was said of them, whose a study is, and what a second person made of it.

The public data name neither patient nor fact: payloads are under the key of the patient, and unreadable for ever once
that is destroyed. Then the entry means nothing any more, to a commit as to a rebuild.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from retention.catalog.fact_records import Attributed, AttributionStatement, FactStatement, Recorded
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.identifiers import InstitutionId
from retention.model.patient import PatientIdentity
from retention.services import payloads
from retention.services.entries import approvals
from retention.services.entries.applying import Applying
from retention.services.events import Names, list_of, number_of, optional_text_of, text_of

FACT_RECORD = "fact.record"
FACT_ATTRIBUTE = "fact.attribute"
FACT_APPROVE = "fact.approve"
FACT_MESSAGES = "fact.messages"


class Writing:
    """What all entries of one act have in common: when, who, and the name of what is approved together."""

    def __init__(self, at: datetime, actor: str, batch_id: str, names: Names) -> None:
        self.at = at
        self.actor = actor
        self.batch_id = batch_id
        self._names = names

    def record(
        self, patient: PatientIdentity, statements: Sequence[FactStatement], key: OpenKey, segment: int | None
    ) -> NewEntry:
        """Return the entry of what is said about a patient; `segment` is where the key lies."""
        body: dict[str, JsonValue] = {
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
            "facts": [_written(statement) for statement in statements],
        }
        pending = sum(statement.needs_approval for statement in statements)
        data: dict[str, JsonValue] = {"facts": len(statements), "pending": pending, "key_segment": segment}
        return self._entry(FACT_RECORD, patient, body, data, key)

    def attribute(self, statement: AttributionStatement, key: OpenKey, segment: int | None) -> NewEntry:
        """Return the entry of a fact about identity; the key is that of the patient it leads to."""
        patient, into = statement.patient, statement.into
        body: dict[str, JsonValue] = {
            "id": statement.record_id,
            "what": statement.what.value,
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
            "into_id": None if into is None else into.patient_id,
            "into_issuer": None if into is None else into.issuer,
            "study_uid": statement.study_uid,
            "source": statement.source,
            "pending": statement.needs_approval,
        }
        data: dict[str, JsonValue] = {"pending": int(statement.needs_approval), "key_segment": segment}
        return self._entry(FACT_ATTRIBUTE, into or patient, body, data, key)

    def messages(self, institution: InstitutionId, digests: Sequence[bytes]) -> NewEntry:
        """Return the entry that says which messages were read."""
        data: dict[str, JsonValue] = {"messages": [digest.hex() for digest in digests]}
        return NewEntry(self.at, self.actor, FACT_MESSAGES, institution, {"batch": self.batch_id}, data)

    def _entry(
        self,
        action: str,
        patient: PatientIdentity,
        body: dict[str, JsonValue],
        data: dict[str, JsonValue],
        key: OpenKey,
    ) -> NewEntry:
        named = self._names.patient(patient.institution_id, patient.patient_id, patient.issuer)
        return NewEntry(
            self.at,
            self.actor,
            action,
            patient.institution_id,
            {"patient": named, "batch": self.batch_id},
            data,
            payloads.seal(body, key),
            key.key_id,
        )


def approve_entry(institution: InstitutionId | None, batch_id: str, at: datetime, actor: str) -> NewEntry:
    """Return the entry by which what is pending of a batch counts."""
    return NewEntry(at, actor, FACT_APPROVE, institution, {"batch": batch_id})


def apply_record(applying: Applying, entry: Entry) -> None:
    body = _body(applying, entry)
    if body is not None:
        patient = _patient(entry, body, "patient_id", "issuer")
        _keep_key(applying, entry, patient)
        statements = [_statement(row) for row in list_of(body, "facts")]
        applying.transaction.facts.record(patient, statements, _recorded(entry))


def apply_attribute(applying: Applying, entry: Entry) -> None:
    body = _body(applying, entry)
    if body is None:
        return
    patient = _patient(entry, body, "patient_id", "issuer")
    into = None if body["into_id"] is None else _patient(entry, body, "into_id", "into_issuer")
    _keep_key(applying, entry, into or patient)
    statement = AttributionStatement(
        text_of(body, "id"),
        Attributed(text_of(body, "what")),
        patient,
        text_of(body, "source"),
        optional_text_of(body, "study_uid"),
        into,
        body["pending"] is True,
    )
    applying.transaction.facts.attribute(statement, _recorded(entry))


def apply_approved(applying: Applying, entry: Entry) -> None:
    envelope = entry.envelope
    applying.transaction.facts.settle(
        envelope.objects["batch"], approved=True, by=envelope.actor, at=envelope.at
    )


def apply_rejected(applying: Applying, entry: Entry) -> None:
    """Let what waited for a request that was rejected never count; of a request about something else, nothing waits."""
    approvals.apply_reject(applying, entry)
    envelope = entry.envelope
    applying.transaction.facts.settle(
        envelope.objects["request"], approved=False, by=envelope.actor, at=envelope.at
    )


def apply_messages(applying: Applying, entry: Entry) -> None:
    digests = [bytes.fromhex(str(digest)) for digest in list_of(entry.envelope.data, "messages")]
    institution = InstitutionId(entry.envelope.institution or "")
    applying.transaction.facts.remember(institution, digests, entry.envelope.seq)


def _body(applying: Applying, entry: Entry) -> dict[str, JsonValue] | None:
    segment = entry.envelope.data.get("key_segment")
    return applying.payloads.read(entry, segment if isinstance(segment, int) else None)


def _keep_key(applying: Applying, entry: Entry, patient: PatientIdentity) -> None:
    reference = entry.envelope.payload
    if reference is not None and reference.key_id is not None:
        segment = number_of(entry.envelope.data, "key_segment")
        applying.transaction.facts.set_key(patient, reference.key_id, segment)


def _recorded(entry: Entry) -> Recorded:
    envelope = entry.envelope
    return Recorded(envelope.objects["batch"], envelope.actor, envelope.at, envelope.seq)


def _patient(entry: Entry, body: dict[str, JsonValue], name: str, issuer: str) -> PatientIdentity:
    institution = InstitutionId(entry.envelope.institution or "")
    return PatientIdentity(institution, text_of(body, name), text_of(body, issuer))


def _written(statement: FactStatement) -> dict[str, JsonValue]:
    return {
        "id": statement.record_id,
        "kind": statement.kind,
        "from": None if statement.from_on is None else statement.from_on.isoformat(),
        "to": None if statement.to_on is None else statement.to_on.isoformat(),
        "source": statement.source,
        "assurance": statement.assurance,
        "supersedes": list(statement.supersedes),
        "withdraws": statement.withdraws,
        "pending": statement.needs_approval,
    }


def _statement(row: JsonValue) -> FactStatement:
    if not isinstance(row, dict):
        raise TypeError("a fact is not an object")
    return FactStatement(
        text_of(row, "id"),
        text_of(row, "kind"),
        _day(row, "from"),
        _day(row, "to"),
        text_of(row, "source"),
        text_of(row, "assurance"),
        tuple(map(str, list_of(row, "supersedes"))),
        row["withdraws"] is True,
        row["pending"] is True,
    )


def _day(row: dict[str, JsonValue], name: str) -> date | None:
    text = optional_text_of(row, name)
    return None if text is None else date.fromisoformat(text)


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    FACT_RECORD: apply_record,
    FACT_ATTRIBUTE: apply_attribute,
    FACT_APPROVE: apply_approved,
    approvals.APPROVAL_REJECT: apply_rejected,
    FACT_MESSAGES: apply_messages,
}
