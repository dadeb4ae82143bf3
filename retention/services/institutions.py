"""Institutions: facts of the journal; archive.yaml is their editable form.

Which policies an institution lists decides how long its records are kept, so a change here is asked the same question
as a change of a policy.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from retention.catalog.approvals import RequestRecord
from retention.catalog.policy_records import RETENTION_POLICY, STORAGE_PLAN, PolicyRecord
from retention.catalog.records import InstitutionRecord, StudyFilter
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue, canonical_json
from retention.model.digests import blake3_digest
from retention.model.errors import UsageError
from retention.model.identifiers import InstitutionId, is_name, new_id
from retention.model.layout import InstitutionSpec
from retention.policy.changes import Change, changed
from retention.policy.difference import listing_changes, plan_changes
from retention.policy.plan_documents import StoragePlan
from retention.policy.words import FinalAction
from retention.services import commit, people, settings_file
from retention.services.entries import institutions as entries
from retention.services.in_force import retention_policy, storage_plan
from retention.services.loosening import NO_CONSENT, Consent, loosenings, require_consent
from retention.services.policies import DEFAULT_PLAN
from retention.services.second_person import Asked, ask
from retention.services.stores import Stores


def find(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name. Raises UsageError with a did-you-mean."""
    known = {record.spec.name: record for record in stores.catalog.institutions()}
    if name in known:
        return known[name]
    _require_name(name)
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"there is no institution {name}", hint=f"{meant}known: {', '.join(known) or 'none yet'}"
    )


def add(stores: Stores, spec: InstitutionSpec) -> InstitutionRecord:
    """Make an institution: its key, its journal entry, its row.

    Raises UsageError for a name that is none, or taken, and for a policy or plan that is not in force.
    """
    _require_name(spec.name)
    people.require_role(stores, None, people.ADMINISTRATOR)
    require_in_force(stores, spec)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        if any(record.spec.name == spec.name for record in stores.catalog.institutions()):
            raise UsageError(f"there is an institution {spec.name} already", hint="choose another name")
        _add(stores, spec)
    return find(stores, spec.name)


def first_or_known(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name; an archive without any makes it (interface.md, `ingest`)."""
    if not stores.catalog.institutions() and is_name(name):
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            if not stores.catalog.institutions():  # nor did another process make one a moment ago
                _add(stores, stores.settings.institutions.get(name, InstitutionSpec(name)))
    return find(stores, name)


def change(stores: Stores, spec: InstitutionSpec, consent: Consent = NO_CONSENT) -> str | None:
    """Give the institution of that name new particulars.

    Returns None when they are in force, else the id of the request that a second person has to approve. Raises
    UsageError, and RefusedError for a loosening that was not asked for with a reason, or that nobody could approve.
    """
    record = find(stores, spec.name)
    people.require_role(stores, record.institution_id, people.ARCHIVIST, people.ADMINISTRATOR)
    require_in_force(stores, spec)
    changes = differences(stores, record, spec)
    if not changes:
        return None
    require_consent(f"this change of {spec.name}", changes, consent)
    if loosenings(changes):
        body: dict[str, JsonValue] = {"institution": entries.particulars(spec)}
        digest = blake3_digest(canonical_json(body)).hex()
        asked = Asked("config", f"institution {spec.name}", digest, body, record.institution_id)
        return ask(stores, asked, changes, consent)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        entry = new_particulars(stores, record, spec, consent.reason)
        commit.append_locked(stores, [entry])
    return None


def approved(stores: Stores, request: RequestRecord) -> list[NewEntry]:
    """Return the entry that gives an institution particulars that a second person has approved.

    archive.yaml gets them at once. The commit lock must be held.
    """
    said: dict[str, JsonValue] = request.body["institution"]
    spec = entries.spec_of(said)
    record = find(stores, spec.name)
    settings_file.put_institution(stores, spec)
    return [new_particulars(stores, record, spec, request.body["reason"], approval=request.request_id)]


def new_particulars(
    stores: Stores,
    record: InstitutionRecord,
    spec: InstitutionSpec,
    reason: str | None,
    approval: str | None = None,
) -> NewEntry:
    """Return the entry that gives an institution particulars, by whoever acts; `approval` let a loosening pass."""
    owner = record.institution_id
    return entries.set_entry(
        stores.keyring.payload_key(owner),
        people.deed_of(stores, entries.INSTITUTION_SET, owner, owner, entries.digest_of(spec)),
        owner,
        spec,
        is_loosening=approval is not None,
        reason=reason,
        approval=approval,
    )


def differences(stores: Stores, record: InstitutionRecord, spec: InstitutionSpec) -> list[Change]:
    """Return what new particulars change, and which of it lets a record of the institution go earlier."""
    old = record.spec
    found = [
        changed(key, getattr(old, key), getattr(spec, key), is_loosening=False)
        for key in ("title",)
        if getattr(old, key) != getattr(spec, key)
    ]
    if old.ae_titles != spec.ae_titles:
        said = [", ".join(titles) or None for titles in (old.ae_titles, spec.ae_titles)]
        found.append(changed("ae_titles", *said, is_loosening=False))
    is_held = next(stores.catalog.studies(StudyFilter(institution=old.name, limit=1)), None) is not None
    for key in ("entity", "timezone"):  # whose visits count, and when a day ends
        before, after = getattr(old, key), getattr(spec, key)
        if before != after:
            found.append(changed(key, before, after, is_loosening=is_held and bool(old.policies)))
    found += _listing(stores, old.policies, spec.policies, is_held=is_held)
    found += _plan(stores, old.plan, spec.plan)
    return found


def _listing(stores: Stores, old: Sequence[str], new: Sequence[str], *, is_held: bool) -> list[Change]:
    """Where nothing is held nothing can go, nor by a first policy that never ends in anything but keeping."""
    may_loosen = is_held
    if not old:
        known = _known(stores, RETENTION_POLICY)
        actions = [retention_policy(known[name]).final_action for name in new if name in known]
        may_loosen = is_held and any(action is not FinalAction.KEEP for action in actions)
    found = listing_changes(old, new)
    if may_loosen:
        return found
    return [Change(each.where, each.text, is_loosening=False) for each in found]


def _plan(stores: Stores, old: str | None, new: str | None) -> list[Change]:
    if old == new:
        return []
    known = {name: storage_plan(record) for name, record in _known(stores, STORAGE_PLAN).items()}
    before, after = (known.get(name or "") for name in (old, new))
    loosens = False
    if before is not None:
        asked = after if after is not None else _without_fixity(before)
        loosens = any(each.is_loosening for each in plan_changes(before, asked))
    return [changed("plan", old, new, is_loosening=loosens)]


def _without_fixity(plan: StoragePlan) -> StoragePlan:
    return plan.model_copy(update={"fixity": {}})


def _add(stores: Stores, spec: InstitutionSpec) -> None:
    institution = InstitutionId(new_id())
    key = stores.keyring.add_institution(institution)
    if spec.plan is None and DEFAULT_PLAN in _known(stores, STORAGE_PLAN):
        spec = InstitutionSpec(
            spec.name, spec.title, spec.entity, spec.timezone, spec.ae_titles, spec.policies, DEFAULT_PLAN
        )
    entry = entries.add_entry(stores.clock.now(), stores.actor, institution, spec, key)
    commit.append_locked(stores, [entry])


def require_in_force(stores: Stores, spec: InstitutionSpec) -> None:
    """Raise UsageError, with a did-you-mean, unless the policies and the plan an institution lists are in force."""
    for kind, what, names in (
        (RETENTION_POLICY, "policy", spec.policies),
        (STORAGE_PLAN, "plan", [spec.plan] if spec.plan else []),
    ):
        known = _known(stores, kind)
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                meant = f"did you mean {close[0]}? " if close else ""
                hint = f"{meant}in force: {', '.join(known) or 'none yet'}; put one in force: retention policy apply"
                raise UsageError(f"no {what} called {name} is in force", hint=hint)


def _known(stores: Stores, kind: str) -> dict[str, PolicyRecord]:
    return {
        force.policy.name: force.policy
        for force in stores.catalog.policies.in_force()
        if force.policy.kind == kind
    }


def _require_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!a} cannot name an institution", hint="use a-z, 0-9 and inner hyphens, 63 at most"
        )
