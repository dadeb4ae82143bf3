"""Entries about disposals: proposals, destroyed studies, what lies no more, certificates.

Studies are named by keyed digests, in the proposals too: once a study is destroyed nothing here says what it was. The
certificate, which has the decision of each study, is sealed under the institution's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from retention.catalog.disposal_records import (
    BuriedKey,
    BuriedPackage,
    CertificateRecord,
    ProposalRecord,
    ProposedStudy,
    TombstoneRecord,
)
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue, canonical_json
from retention.model.digests import blake3_digest
from retention.model.identifiers import InstitutionId, KeyId, PackageId
from retention.services import payloads
from retention.services.entries.acting import Deed
from retention.services.entries.applying import Applying
from retention.services.events import list_of, number_of, text_of

PROPOSE = "disposal.propose"
REFUSE = "disposal.refuse"
DESTROY = "disposal.destroy"
REMOVE = "disposal.remove"
CERTIFY = "disposal.certify"
ERASURE = "disposal.erasure-request"


def proposal_entry(record: ProposalRecord, by: Deed, key: OpenKey) -> NewEntry:
    """Return the entry of a new proposal."""
    body: dict[str, JsonValue] = {
        "studies": [_study(study) for study in record.studies],
        "terms": dict(record.terms),
    }
    return NewEntry(
        by.at,
        by.actor,
        PROPOSE,
        record.institution_id,
        objects={"proposal": record.proposal_id},
        data={"for": record.for_on.isoformat(), "counts": dict(record.counts), "digest": record.digest},
        payload=payloads.seal(body, key),
        payload_key=key.key_id,
    )


def apply_proposal(applying: Applying, entry: Entry) -> None:
    envelope = entry.envelope
    body = applying.payloads.read(entry) or {"studies": [], "terms": {}}
    counts, terms = envelope.data["counts"], body["terms"]
    if not isinstance(counts, Mapping) or not isinstance(terms, Mapping):
        raise TypeError("a proposal has another form")
    applying.transaction.disposals.propose(
        ProposalRecord(
            envelope.objects["proposal"],
            _owner(entry),
            date.fromisoformat(text_of(envelope.data, "for")),
            envelope.at,
            text_of(envelope.data, "digest"),
            {name: number_of(counts, name) for name in counts},
            tuple(_read_study(row) for row in list_of(body, "studies")),
            terms,
            envelope.seq,
        )
    )


def destruction_digest(studies: Iterable[str]) -> str:
    """Return what a person signs of an execution: every study that it destroys, by its keyed digest."""
    return blake3_digest(canonical_json(sorted(studies))).hex()


def destruction_entry(tombstone: TombstoneRecord, by: Deed, key: OpenKey) -> NewEntry:
    """Return the entry that destroys one study: from here on it is not held any more, whatever lies where.

    `by` is the same in all entries of one execution, and so is its signature.
    """
    return NewEntry(
        by.at,
        by.actor,
        DESTROY,
        tombstone.institution_id,
        objects={"proposal": tombstone.proposal_id, "study": tombstone.study},
        data={
            "on": tombstone.disposed_on.isoformat(),
            "rule": tombstone.rule,
            "keep_until": tombstone.keep_until_on.isoformat(),
            "instances": tombstone.instances,
            "bytes_received": tombstone.bytes_received,
            "packages": [_package(package) for package in tombstone.packages],
            "patient_keys": [[key.key_id, key.segment] for key in tombstone.patient_keys],
            "by": by.by,
        },
        payload=payloads.seal({"decision": dict(tombstone.decision)}, key),
        payload_key=key.key_id,
    )


def apply_destruction(applying: Applying, entry: Entry) -> None:
    envelope, data = entry.envelope, entry.envelope.data
    decision = (applying.payloads.read(entry) or {}).get("decision")
    keys = tuple(_read_key(row) for row in list_of(data, "patient_keys"))
    patients = applying.transaction.disposals.bury(
        TombstoneRecord(
            envelope.objects["study"],
            _owner(entry),
            envelope.objects["proposal"],
            envelope.at,
            date.fromisoformat(text_of(data, "on")),
            text_of(data, "rule"),
            date.fromisoformat(text_of(data, "keep_until")),
            number_of(data, "instances"),
            number_of(data, "bytes_received"),
            envelope.seq,
            tuple(_read_package(row) for row in list_of(data, "packages")),
            decision if isinstance(decision, Mapping) else {},
            keys,
        )
    )
    applying.transaction.facts.forget([key.key_id for key in keys])
    applying.transaction.holds.forget([key.key_id for key in keys])
    applying.transaction.facts.leave(patients)


def removal_entry(
    proposal_id: str, owner: InstitutionId, remains: Mapping[PackageId, Sequence[tuple[str, str]]], by: Deed
) -> NewEntry:
    """Return the entry that says what still lies on volumes of the packages named."""
    rows: list[JsonValue] = [
        [package, [[volume, key] for volume, key in places]] for package, places in sorted(remains.items())
    ]
    return NewEntry(by.at, by.actor, REMOVE, owner, objects={"proposal": proposal_id}, data={"remains": rows})


def apply_removal(applying: Applying, entry: Entry) -> None:
    remains: dict[PackageId, list[tuple[str, str]]] = {}
    for row in list_of(entry.envelope.data, "remains"):
        package, places = _parts(row, 2)
        remains[PackageId(str(package))] = [_place(place) for place in _parts(places)]
    applying.transaction.disposals.note_removed(remains)


def certificate_entry(
    record: CertificateRecord, owner: InstitutionId, by: Deed, key: OpenKey, digest: str
) -> NewEntry:
    """Return the entry of a certificate. `digest`: SHA-256 of its document, for whoever compares a copy of it."""
    return NewEntry(
        by.at,
        by.actor,
        CERTIFY,
        owner,
        objects={"proposal": record.proposal_id},
        data={"number": record.number, "digest": digest},
        payload=payloads.seal({"document": record.document}, key),
        payload_key=key.key_id,
    )


def apply_certificate(applying: Applying, entry: Entry) -> None:
    envelope = entry.envelope
    body = applying.payloads.read(entry) or {"document": "{}"}
    applying.transaction.disposals.certify(
        CertificateRecord(
            text_of(envelope.data, "number"),
            envelope.objects["proposal"],
            envelope.at,
            text_of(body, "document"),
            envelope.seq,
        )
    )


def refusal_entry(record: ProposalRecord, code: str, by: Deed) -> NewEntry:
    """Return the entry of an execution that was refused; `code` is the error's."""
    return NewEntry(
        by.at,
        by.actor,
        REFUSE,
        record.institution_id,
        objects={"proposal": record.proposal_id},
        data={"code": code},
    )


def document_digest(record: CertificateRecord) -> str:
    """Return SHA-256 of a certificate's document."""
    return hashlib.sha256(record.document.encode()).hexdigest()


def document_text(document: Mapping[str, JsonValue]) -> str:
    """Return a certificate's document as it is kept and digested."""
    return canonical_json(dict(document)).decode()


def _owner(entry: Entry) -> InstitutionId:
    return InstitutionId(entry.envelope.institution or "")


def _study(study: ProposedStudy) -> JsonValue:
    until = None if study.keep_until_on is None else study.keep_until_on.isoformat()
    return [study.study, study.outcome, study.why, until, study.winner]


def _read_study(row: JsonValue) -> ProposedStudy:
    study, outcome, why, until, winner = _parts(row, 5)
    return ProposedStudy(
        str(study),
        str(outcome),
        str(why),
        None if until is None else date.fromisoformat(str(until)),
        None if winner is None else str(winner),
    )


def _package(package: BuriedPackage) -> JsonValue:
    return [
        package.package_id,
        package.key_id,
        package.key_segment,
        [list(place) for place in package.remains],
    ]


def _read_package(row: JsonValue) -> BuriedPackage:
    package, key, segment, places = _parts(row, 4)
    if segment is not None and not isinstance(segment, int):
        raise TypeError("a key's segment is a number")
    return BuriedPackage(
        PackageId(str(package)), KeyId(str(key)), segment, tuple(_place(place) for place in _parts(places))
    )


def _read_key(row: JsonValue) -> BuriedKey:
    key, segment = _parts(row, 2)
    if not isinstance(segment, int):
        raise TypeError("a key's segment is a number")
    return BuriedKey(KeyId(str(key)), segment)


def _place(value: JsonValue) -> tuple[str, str]:
    volume, key = _parts(value, 2)
    return str(volume), str(key)


def _parts(value: JsonValue, count: int | None = None) -> list[JsonValue]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise TypeError("not a row of a disposal")
    return value
