"""Executing an approved proposal: analysed again, destroyed in one commit, keys forgotten, shards removed, certified.

The invariants: nothing is destroyed that the analysis at this very moment, under the commit lock, does not say may go;
the entries that destroy come first, and whatever stops the rest half way is done again by the next call. From those
entries on nobody reads the studies any more; from the forgetting of their keys on nobody can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from retention.catalog.approvals import RequestState
from retention.catalog.disposal_records import (
    BuriedKey,
    BuriedPackage,
    CertificateRecord,
    Doomed,
    ProposalRecord,
    ProposedStudy,
    TombstoneRecord,
)
from retention.keyring.records import KeyKind
from retention.model.errors import DisposalRefusedError, KeptError, StorageError
from retention.model.identifiers import PackageId
from retention.policy.disposal import Approval, Outcome, Progress, Terms, allowance, combine_terms, progress
from retention.policy.documents import Approver
from retention.policy.record import decision_record
from retention.services import commit, gate, people
from retention.services.disposal.analysis import Analysed, analyse_rows
from retention.services.disposal.certificate import Evidence, issue
from retention.services.disposal.proposals import KIND, find, read_terms, to_destroy
from retention.services.entries.acting import Deed
from retention.services.entries.disposal import (
    DESTROY,
    certificate_entry,
    destruction_digest,
    destruction_entry,
    document_digest,
    refusal_entry,
    removal_entry,
)
from retention.services.events import Names
from retention.services.people import ADMINISTRATOR, ARCHIVIST
from retention.services.staging.index import StagedIndex
from retention.services.stores import Stores
from retention.services.volumes import shard_key

PAGE = 500


@dataclass(slots=True)
class Executed:
    """What an execution came to: studies destroyed, those left out and why, and what media have not given up yet."""

    proposal: ProposalRecord
    destroyed: int = 0
    left_out: list[tuple[ProposedStudy, str]] = field(default_factory=list)
    remains: list[tuple[str, str, str]] = field(default_factory=list)
    certificate: CertificateRecord | None = None


def execute(stores: Stores, proposal_id: str) -> Executed:
    """Destroy what a proposal names and may still go; done already, or half, it goes on where it was.

    Raises NotFoundError, RoleMissingError, and DisposalRefusedError (approvals, grace, limits), which is journaled.
    """
    record = find(stores, proposal_id)
    people.require_role(stores, record.institution_id, ARCHIVIST, ADMINISTRATOR)
    done = Executed(record)
    if record.state == "proposed":
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            try:
                _destroy(stores, record, done)
            except DisposalRefusedError as error:
                by = Deed(stores.clock.now(), stores.actor)
                commit.append_locked(stores, [refusal_entry(record, error.code, by)])
                raise
    return _complete(stores, find(stores, record.proposal_id), done)


def standing(stores: Stores, record: ProposalRecord) -> Progress:
    """Return how far the approvals of a proposal have come, and from which day on it may be executed."""
    terms = read_terms(record.terms)
    given: list[Approval] = []
    for request in stores.catalog.approvals.about(KIND, record.proposal_id):
        if request.state is RequestState.REJECTED or request.digest != record.digest:
            continue
        externals = {one.name: one.is_external for one in request.approvers}
        given = [
            Approval(
                Approver(one.approver, is_external=externals[one.approver]),
                one.approver if externals[one.approver] else one.person,
                one.given_at.date(),
            )
            for one in request.given
        ]
    return progress(terms, given, stores.clock.now().date())


def _destroy(stores: Stores, record: ProposalRecord, done: Executed) -> None:
    """Append what destroys. The commit lock is held: no hold, fact or study can come in between."""
    _require_approved(stores, record)
    wanted = {study.study: study for study in to_destroy(record)}
    doomed = _still_doomed(stores, record, wanted, done)
    terms = _require_same_terms(record, doomed)
    _require_within_limits(stores, record, terms, len(doomed))
    if not doomed:
        raise DisposalRefusedError(
            "nothing in this proposal may be destroyed any more",
            hint="make a new one: retention disposal propose; retention disposal show says why",
        )
    key = stores.keyring.payload_key(record.institution_id)
    tombstones = _tombstones(stores, record, doomed)
    signed = destruction_digest(one.study for one in tombstones)
    by = people.deed_of(stores, DESTROY, record.institution_id, record.proposal_id, signed)
    entries = [destruction_entry(one, by, key) for one in tombstones]
    commit.append_locked(stores, entries)
    done.destroyed = len(doomed)


def _require_approved(stores: Stores, record: ProposalRecord) -> None:
    far = standing(stores, record)
    if far.awaited is not None or far.executable_on is None:
        who = "nobody named by a policy" if far.awaited is None else far.awaited.name
        raise DisposalRefusedError(
            f"the approval of {who} is missing", hint="retention approval list; approvals lapse after a year"
        )
    today = stores.clock.now().date()
    if today < far.executable_on:
        raise DisposalRefusedError(
            f"the grace after the last approval ends on {far.executable_on}", hint="wait until then"
        )


def _require_same_terms(record: ProposalRecord, doomed: Sequence[Analysed]) -> Terms:
    """Return the terms of today. Approvals given under weaker ones do not count for them: that is refused."""
    asked = read_terms(record.terms)
    today = combine_terms([asked, *(one.terms for one in doomed)])
    if (today.approvals, today.grace) != (asked.approvals, asked.grace):
        raise DisposalRefusedError(
            "the policies ask for other approvals, or a longer grace, than when this was proposed",
            hint="make a new proposal: retention disposal propose",
        )
    return today


def _still_doomed(
    stores: Stores, record: ProposalRecord, wanted: Mapping[str, ProposedStudy], done: Executed
) -> list[Analysed]:
    """Return those that may still go; what changed since the proposal is left out, with the reason."""
    names, institution = Names(stores.keyring.index_key.secret), record.institution_id
    index = StagedIndex(stores)
    index.refresh()
    staged = {uid for owner, uid in index.studies() if owner == institution}
    rows: dict[int, str] = {}
    after = 0
    while page := stores.catalog.disposals.study_page(institution, after, PAGE):
        rows |= {row: study for row, uid in page if (study := names.study(institution, uid)) in wanted}
        after = page[-1][0]
    doomed, seen = [], set()
    with stores.catalog.deciding() as step:
        for one in analyse_rows(stores, step, institution, list(rows), None):
            study = rows[one.held.row]
            seen.add(study)
            if one.held.study_uid in staged:
                done.left_out.append((wanted[study], "instances of it have just arrived, and lie in staging"))
            elif one.analysis.outcome is not Outcome.DESTROY:
                done.left_out.append((wanted[study], f"{one.analysis.outcome}: {one.analysis.why}"))
            else:
                doomed.append(one)
    done.left_out += [
        (study, "it is not held any more") for name, study in wanted.items() if name not in seen
    ]
    return doomed


def _require_within_limits(stores: Stores, record: ProposalRecord, terms: Terms, count: int) -> None:
    today = stores.clock.now().date()
    disposals = stores.catalog.disposals
    held, executed = disposals.studies_held(record.institution_id), disposals.executed(record.institution_id)
    for limit in terms.limits:
        allowed = allowance(limit, held, executed, today)
        if count > allowed:
            raise DisposalRefusedError(
                f"{count} studies would be destroyed, the policy allows {allowed} more in any {limit.per}",
                hint="make a smaller proposal, or wait; nothing was destroyed",
            )


def _tombstones(stores: Stores, record: ProposalRecord, doomed: Sequence[Analysed]) -> list[TombstoneRecord]:
    names, now = Names(stores.keyring.index_key.secret), stores.clock.now()
    made = []
    left: dict[tuple[str, int], int] = {}
    for one in doomed:
        found = stores.catalog.disposals.doomed(one.held.row)
        places: dict[PackageId, list[tuple[str, str]]] = {}
        for package, number, generation, volume in found.shards:
            places.setdefault(package, []).append((volume, shard_key(package, number, generation)))
        packages = tuple(
            BuriedPackage(p.package_id, p.key_id, p.key_segment, tuple(places.get(p.package_id, ())))
            for p in found.packages
        )
        made.append(
            TombstoneRecord(
                names.study(record.institution_id, one.held.study_uid),
                record.institution_id,
                record.proposal_id,
                now,
                one.decision.at,
                one.decision.winner or "",
                one.decision.keep_until or date.max,
                found.instances,
                found.bytes_received,
                0,
                packages,
                decision_record(one.decision),
                _keys_of_nobody(found, one.held.patient_row, left),
            )
        )
    return made


def _keys_of_nobody(
    found: Doomed, owner: int | None, left: dict[tuple[str, int], int]
) -> tuple[BuriedKey, ...]:
    """Return the keys of patients, and of released holds, that have no study any more once this one is gone.

    `left` counts what they have.
    """
    keys: list[BuriedKey] = []
    for patient in found.patients:
        named = "patient", patient.root
        left.setdefault(named, patient.studies)
        left[named] -= patient.root == owner
        if left[named] == 0:
            keys += patient.keys
    for hold in found.holds:
        named = "hold", hold.row
        left[named] = left.get(named, hold.studies) - 1
        if left[named] == 0:
            keys.append(hold.key)
    return tuple(keys)


def _complete(stores: Stores, record: ProposalRecord, done: Executed) -> Executed:
    """Forget keys, remove shards, verify, certify: every step may be done again."""
    tombstones = stores.catalog.disposals.tombstones(record.proposal_id)
    packages = [package for tombstone in tombstones for package in tombstone.packages]
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        of_patients = {key.key_id: key.segment for one in tombstones for key in one.patient_keys}
        stores.keyring.forget(of_patients, of_patients, KeyKind.PATIENT)
        segments = {p.key_id: p.key_segment for p in packages if p.key_segment is not None}
        stores.keyring.forget([package.key_id for package in packages], segments)
    remains, why = _remove(stores, packages)
    done.destroyed = len(tombstones)
    if (
        not done.left_out
    ):  # an execution that goes on: why each was left out went with the run that was stopped
        gone = {one.study for one in tombstones}
        done.left_out = [
            (one, "left out at execution") for one in to_destroy(record) if one.study not in gone
        ]
    done.remains = [(volume, key, why[volume, key]) for places in remains.values() for volume, key in places]
    by = Deed(stores.clock.now(), stores.actor)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        changed = {p.package_id: remains.get(p.package_id, []) for p in packages if p.remains}
        entries = [removal_entry(record.proposal_id, record.institution_id, changed, by)] if changed else []
        known = stores.catalog.disposals.certificate(record.proposal_id)
        if known is None:
            evidence = Evidence(
                tombstones, tuple(done.left_out), tuple(done.remains), standing(stores, record)
            )
            new = issue(stores, record, evidence)
            key = stores.keyring.payload_key(record.institution_id)
            entries.append(certificate_entry(new, record.institution_id, by, key, document_digest(new)))
        if entries:
            commit.append_locked(stores, entries)
    done.certificate = stores.catalog.disposals.certificate(record.proposal_id)
    done.proposal = find(stores, record.proposal_id)
    return done


def _remove(
    stores: Stores, packages: Sequence[BuriedPackage]
) -> tuple[dict[PackageId, list[tuple[str, str]]], dict[tuple[str, str], str]]:
    """Remove what lies on volumes; return what could not be, and why not."""
    remains: dict[PackageId, list[tuple[str, str]]] = {}
    why: dict[tuple[str, str], str] = {}
    for package in packages:
        for volume, key in package.remains:
            try:
                gate.remove(stores.catalog, stores.volumes[volume], [key], gate.Why.DESTROYED)
            except (StorageError, KeptError) as error:
                remains.setdefault(package.package_id, []).append((volume, key))
                why[volume, key] = error.message
    return remains, why
