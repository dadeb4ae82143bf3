"""Making an attestation: say, prove, sign, have it timestamped, tell the journal, hand it over.

The invariant: nothing is handed over that the journal does not know of. The JSON is signed with the archive's key over
its one canonical form; a PDF shows it, carries it, and is signed whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from retention import __version__
from retention.catalog.records import InstitutionRecord, StudyDetail
from retention.journal.checkpoint import Signer, sign
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.model.errors import NotFoundError
from retention.model.identifiers import new_id
from retention.reports.pdf import typeset
from retention.reports.standalone.attestations import ATTESTATION_CONTEXT, checks_of
from retention.services import commit, initialise, institutions
from retention.services.attest.evidence import KO, Evidence, evidence_for
from retention.services.attest.studies import Said, deposited, given_back, intact
from retention.services.disposal.proposals import find as find_proposal
from retention.services.events import Names, number_of
from retention.services.people import ARCHIVIST, AUDITOR, require_role
from retention.services.seal import ask
from retention.services.signed_pdf import signed_pdf
from retention.services.signing import archive_signer
from retention.services.stores import Stores

ATTESTATION_MADE = "attestation.make"
SCHEMA = "retention/attestation/v1"
LIMITS = ("content_of_manifest", "events_not_entered", "clock", "legal_effect")
"""What no attestation of ours can establish; the wording of each is in the document's language."""

Kind = Literal["deposit", "integrity", "restitution", "destruction"]


@dataclass(frozen=True, slots=True)
class Attestation:
    """An attestation: the signed JSON, what it says, whether all of its checks are OK, whether it is timestamped."""

    attestation_id: str
    kind: Kind
    data: bytes
    document: Mapping[str, JsonValue]
    failed: tuple[str, ...]
    is_timestamped: bool
    signing_key: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whose it is, what it is called, and what is said of it."""

    owner: InstitutionRecord
    name: dict[str, JsonValue]
    said: Said


def attest(
    stores: Stores, kind: Kind, subject_id: str, institution: str | None, language: str
) -> Attestation:
    """Make an attestation and tell the journal.

    Raises NotFoundError, UsageError (an ambiguous study), RoleMissingError, NotReadyError (recall it first),
    JournalBrokenError, KeyUnavailableError.
    """
    find: Mapping[str, Callable[[Stores, str, str | None], _Subject]] = {
        "deposit": lambda stores, wanted, whose: _of_study(stores, wanted, whose, deposited),
        "integrity": lambda stores, wanted, whose: _of_study(stores, wanted, whose, intact),
        "restitution": _restitution,
        "destruction": _destruction,
    }
    signer = archive_signer(stores)
    subject = find[kind](stores, subject_id, institution)
    evidence = evidence_for(stores, signer, subject.said.sequences)
    document = _document(stores, kind, subject, evidence, language)
    data, is_timestamped = _signed(stores, document, signer)
    _tell(stores, document, data, subject)
    failed = [
        str(one["check"]) for one in checks_of(json.loads(canonical_json(document))) if one["result"] == KO
    ]
    return Attestation(
        str(document["id"]), kind, data, document, tuple(failed), is_timestamped, str(signer.verifier)
    )


def attestation_pdf(stores: Stores, made: Attestation, language: str) -> bytes:
    """Return the attestation as a PDF that carries the JSON and is signed whole. Raises as `signed_pdf`."""
    at = stores.clock.now()
    pdf = typeset(canonical_json(dict(made.document)), language, at, "attestation", made.data)
    return signed_pdf(stores, pdf, at, with_stamp=False)[0]  # the JSON in it is timestamped already


def _of_study(
    stores: Stores, study_uid: str, institution: str | None, say: Callable[[Stores, StudyDetail], Said]
) -> _Subject:
    study = stores.catalog.study(study_uid, institution)
    require_role(stores, study.summary.institution_id, AUDITOR, ARCHIVIST)
    owner = institutions.find(stores, study.summary.institution)
    return _Subject(owner, {"study_uid": study_uid}, say(stores, study))


def _restitution(stores: Stores, study_uid: str, institution: str | None) -> _Subject:
    """A study that was given back may be gone since: then it is found by its keyed digest in the journal."""
    try:
        study = stores.catalog.study(study_uid, institution)
    except NotFoundError:
        owner = _former_owner(stores, study_uid, institution)
        require_role(stores, owner.institution_id, AUDITOR, ARCHIVIST)
        return _Subject(
            owner, {"study_uid": study_uid}, given_back(stores, owner.institution_id, study_uid, None)
        )
    return _of_study(
        stores,
        study_uid,
        institution,
        lambda _, held: given_back(stores, held.summary.institution_id, study_uid, study),
    )


def _destruction(stores: Stores, wanted: str, institution: str | None) -> _Subject:
    proposal_id = _proposal_of(stores, wanted, institution)
    record = find_proposal(stores, proposal_id)
    require_role(stores, record.institution_id, AUDITOR, ARCHIVIST)
    owner = next(one for one in stores.catalog.institutions() if one.institution_id == record.institution_id)
    certificate = stores.catalog.disposals.certificate(record.proposal_id)
    if certificate is None:
        raise NotFoundError(
            f"proposal {record.proposal_id} has no certificate: it is {record.state}",
            hint="retention disposal execute makes it",
        )
    tombstones = stores.catalog.disposals.tombstones(record.proposal_id)
    body: dict[str, JsonValue] = {
        "certificate": json.loads(certificate.document),
        "packages": [],
        "instances": [],
    }
    sequences = (certificate.sequence, *(one.sequence for one in tombstones))
    said = Said(body, sequences, (record.proposal_id,))
    return _Subject(owner, {"proposal": record.proposal_id, "certificate": certificate.number}, said)


def _proposal_of(stores: Stores, wanted: str, institution: str | None) -> str:
    """Return the proposal that an id, a certificate's number or a Study Instance UID leads to."""
    for record in stores.catalog.disposals.all():
        certificate = stores.catalog.disposals.certificate(record.proposal_id)
        if certificate is not None and certificate.number == wanted:
            return record.proposal_id
    if "." not in wanted:
        return wanted
    names = Names(stores.keyring.index_key.secret)
    for owner in _owners(stores, institution):
        for tombstone in stores.catalog.disposals.of_study(names.study(owner.institution_id, wanted)):
            return tombstone.proposal_id
    raise NotFoundError(f"no study {wanted} was destroyed", hint="retention disposal list")


def _former_owner(stores: Stores, study_uid: str, institution: str | None) -> InstitutionRecord:
    names = Names(stores.keyring.index_key.secret)
    for owner in _owners(stores, institution):
        if stores.catalog.disposals.of_study(names.study(owner.institution_id, study_uid)):
            return owner
    raise NotFoundError(f"no study {study_uid} is held or was destroyed", hint="retention study list")


def _owners(stores: Stores, institution: str | None) -> list[InstitutionRecord]:
    known = stores.catalog.institutions()
    return known if institution is None else [institutions.find(stores, institution)]


def _document(
    stores: Stores, kind: str, subject: _Subject, evidence: Evidence, language: str
) -> dict[str, JsonValue]:
    spec = subject.owner.spec
    return {
        "schema": SCHEMA,
        "id": new_id(),
        "kind": kind,
        "language": language,
        "made_at": format_instant(stores.clock.now()),
        "archive": {
            "id": stores.archive_id,
            "name": stores.settings.name,
            "program": f"retention {__version__}",
            "rehearsal": initialise.is_rehearsal(stores),
        },
        "institution": {"name": spec.name, "title": spec.title},
        "subject": subject.name,
        "objects": list[JsonValue](subject.said.objects),
        **_with_actors(subject.said.body, evidence),
        "checks": evidence.checks,
        "proof": evidence.proof,
        "limits": list[JsonValue](LIMITS),
    }


def _with_actors(body: Mapping[str, JsonValue], evidence: Evidence) -> dict[str, JsonValue]:
    """Say of each package who brought it, as its entry has it: the program, or a person's keyed digest."""
    packages = body["packages"]
    rows = packages if isinstance(packages, list) else []
    named = [
        {**row, "actor": evidence.actors.get(number_of(row, "entry"))}
        for row in rows
        if isinstance(row, dict)
    ]
    return {**body, "packages": list[JsonValue](named)}


def _signed(stores: Stores, document: Mapping[str, JsonValue], signer: Signer) -> tuple[bytes, bool]:
    """Return the file: document, timestamp, and one signature over both."""
    text = canonical_json(dict(document))
    stamp = _timestamp(stores, text)
    digest = "-" if stamp is None else hashlib.sha256(stamp).hexdigest()
    note = sign(f"{ATTESTATION_CONTEXT}\n{hashlib.sha256(text).hexdigest()}\n{digest}\n", signer)
    whole: dict[str, JsonValue] = {
        "attestation": dict(document),
        "key": str(signer.verifier),
        "note": note.encode(),
        "timestamp": None if stamp is None else base64.b64encode(stamp).decode(),
    }
    return canonical_json(whole), stamp is not None


def _timestamp(stores: Stores, text: bytes) -> bytes | None:
    url = stores.settings.timestamp_url
    try:
        return None if url is None else ask(url, text)
    except (OSError, ValueError):
        return None  # it says of itself that it is not timestamped


def _tell(stores: Stores, document: Mapping[str, JsonValue], data: bytes, subject: _Subject) -> None:
    objects = {"attestation": str(document["id"]), "subject": subject.said.objects[0]}
    said: dict[str, JsonValue] = {"kind": document["kind"], "digest": hashlib.sha256(data).hexdigest()}
    entry = NewEntry(
        stores.clock.now(),
        stores.actor,
        ATTESTATION_MADE,
        subject.owner.institution_id,
        objects=objects,
        data=said,
    )
    commit.append(stores, [entry])
