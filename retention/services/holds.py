"""Legal holds: cases with an owner, a reason and a day to look at them again.

The invariants (policy.md, Holds): placed by one person, at once; they cover what arrives later and beat everything; a
day to reassess that has passed is a finding, never a release; whoever releases is neither who placed nor who asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from retention.catalog.approvals import RequestRecord
from retention.catalog.holds import HoldRecord, HoldScope
from retention.journal.envelope import NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import canonical_json
from retention.model.digests import blake3_digest
from retention.model.errors import NotFoundError, RefusedError, UsageError
from retention.model.identifiers import InstitutionId, is_uid, new_id
from retention.model.patient import split_patient
from retention.policy.query import read_query
from retention.services import approvals, commit, decisions, people
from retention.services.approvals import SECOND_PERSON, Wish
from retention.services.entries.holds import HOLD_PLACE, place_entry, release_entry
from retention.services.people import ADMINISTRATOR, ARCHIVIST, Claim
from retention.services.stores import Stores

KIND = "hold-release"
TEXT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be held: one of a study's UID, a patient (`ID^ISSUER`), a query; whose case it is, and why."""

    institution: InstitutionId
    owner: str
    reason: str
    reassess_on: date
    study_uid: str | None = None
    patient: str | None = None
    query: str | None = None


def place(stores: Stores, case: Case) -> HoldRecord:
    """Place a hold, at once, and decide again about what it covers.

    Raises UsageError, PolicyError (the query), RoleMissingError, SignatureMissingError.
    """
    _require_text("owner", case.owner)
    _require_text("reason", case.reason)
    scope = _scope(case)
    patient_id, issuer = (None, "") if case.patient is None else split_patient(case.patient)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        actor = people.require_role(stores, case.institution, ARCHIVIST, ADMINISTRATOR)
        at = stores.clock.now()
        own = None if scope is HoldScope.QUERY else stores.keyring.new_patient_key(case.institution)
        segment = None if own is None else stores.keyring.commit([own])[own.key_id]
        record = HoldRecord(
            new_id(),
            case.institution,
            scope,
            case.owner.strip(),
            case.reason.strip(),
            case.reassess_on,
            actor.person_id if people.is_proven(stores, actor) else None,
            at,
            0,
            case.study_uid,
            patient_id,
            issuer,
            None if case.query is None else case.query.strip(),
            key_id=None if own is None else own.key_id,
            key_segment=segment,
        )
        held = actor.roles_at(case.institution)
        role = next((role for role in (ARCHIVIST, ADMINISTRATOR) if role in held), "")
        claim = Claim(HOLD_PLACE, case.institution, record.hold_id, digest_of(record), role)
        by = people.proof(stores, actor, claim, at)
        key = _key_of(stores, record)
        entry = place_entry(record, key, stores.actor, by)
        commit.append_locked(stores, [entry], {key.key_id: key.secret})
    decisions.refresh(stores)
    return find(stores, record.hold_id)


def ask_release(stores: Stores, hold_id: str, reason: str) -> str:
    """Ask for a hold to be released by somebody else; return the id of the request.

    Raises NotFoundError, UsageError, RefusedError for one that is released, or asked for already.
    """
    _require_text("reason", reason)
    record = find(stores, hold_id)
    _require_standing(record)
    for waiting in stores.catalog.approvals.about(KIND, record.hold_id):
        if waiting.state == "pending":
            raise RefusedError(
                f"the release of {record.hold_id} waits for approval already",
                hint=f"retention approval approve {waiting.request_id}",
            )
    people.require_role(stores, record.institution_id, ARCHIVIST, ADMINISTRATOR)
    placed_by = () if record.placed_by is None else (record.placed_by,)
    wish = Wish(
        KIND,
        record.institution_id,
        record.hold_id,
        digest_of(record),
        [SECOND_PERSON],
        f"Release the hold {record.hold_id} of {record.owner}: {reason.strip()}",
        {"reason": reason.strip()},
        placed_by,
    )
    return approvals.request(stores, wish)


def released(stores: Stores, request: RequestRecord) -> Sequence[NewEntry]:
    """Return the entry of a release that was approved. Raises RefusedError when the hold is released already."""
    record = find(stores, request.subject)
    _require_standing(record)
    key = _key_of(stores, record)
    reason = str(request.body.get("reason", ""))
    return [release_entry(record, reason, request.request_id, key, stores.clock.now(), stores.actor)]


def find(stores: Stores, hold_id: str) -> HoldRecord:
    """Return a hold by its id, or by a beginning of it that no other has. Raises NotFoundError, UsageError."""
    found = stores.catalog.holds.beginning(hold_id) if hold_id else []
    if not found:
        raise NotFoundError(f"there is no hold {hold_id}", hint="retention hold list shows them")
    if len(found) > 1:
        raise UsageError(f"several holds begin with {hold_id}", hint="give more of its id")
    return found[0]


def overdue(stores: Stores) -> Iterator[HoldRecord]:
    """Yield the holds whose day to be looked at again has passed."""
    today = stores.clock.now().date()
    return (record for record in stores.catalog.holds.standing() if record.reassess_on < today)


def subject_of(record: HoldRecord) -> str:
    """Return what a hold is on, as it was given."""
    if record.scope is HoldScope.PATIENT:
        return f"{record.patient_id}^{record.issuer}" if record.issuer else str(record.patient_id)
    return str(record.study_uid if record.scope is HoldScope.STUDY else record.query)


def digest_of(record: HoldRecord) -> str:
    """Return the digest of what a hold says: what a signature about it is over."""
    said = [record.hold_id, record.scope.value, subject_of(record), record.owner, record.reason]
    return blake3_digest(canonical_json([*said, record.reassess_on.isoformat()])).hex()


def _key_of(stores: Stores, record: HoldRecord) -> OpenKey:
    """Return the key of what the journal says of a hold. Raises KeyUnavailableError, KeyringBrokenError."""
    if record.key_id is None:
        return stores.keyring.payload_key(record.institution_id)
    return OpenKey(record.key_id, stores.keyring.patient_key(record.key_id, record.key_segment))


def _scope(case: Case) -> HoldScope:
    """Return what is held. Raises UsageError unless it is exactly one thing that can be, PolicyError for the query."""
    given = [case.study_uid, case.patient, case.query]
    if sum(each is not None for each in given) != 1:
        raise UsageError("a hold is on one thing", hint="one of --study UID, --patient P, --query Q")
    if case.study_uid is not None:
        if not is_uid(case.study_uid):
            raise UsageError(f"{case.study_uid!a} is no Study Instance UID", hint="digits and dots")
        return HoldScope.STUDY
    if case.patient is not None:
        if not split_patient(case.patient)[0]:
            raise UsageError("a patient has an id", hint="write ID or ID^ISSUER")
        return HoldScope.PATIENT
    read_query(case.query or "")
    return HoldScope.QUERY


def _require_standing(record: HoldRecord) -> None:
    if record.released_at is not None:
        raise RefusedError(
            f"the hold {record.hold_id} was released already", hint="retention hold list --all"
        )


def _require_text(name: str, text: str) -> None:
    if not text.strip() or len(text) > TEXT_CHARACTERS:
        raise UsageError(
            f"a hold has an {name}" if name == "owner" else f"a hold has a {name}", hint=f"--{name}"
        )
