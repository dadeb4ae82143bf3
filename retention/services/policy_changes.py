"""Putting policies in force: what files would change, and making it so.

The invariants: with one mistake in one file nothing at all is put in force; a version never changes once it was in
force, a new text is a new version; what loosens waits for a second person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retention.catalog.approvals import RequestRecord
from retention.catalog.policy_records import ForceRecord, PolicyRecord
from retention.journal.envelope import NewEntry
from retention.markup.faults import Fault
from retention.markup.text import Language
from retention.model.canonical import JsonValue
from retention.model.errors import RefusedError
from retention.policy.changes import Change
from retention.policy.difference import plan_changes, policy_changes
from retention.policy.documents import RetentionPolicy
from retention.policy.loading import (
    Loaded,
    PolicyFile,
    policy_error,
    read_policy_file,
    second_of_a_name,
    taken_version,
    unknown_tiers,
)
from retention.services import commit, decisions, people
from retention.services.entries.acting import Deed
from retention.services.entries.policies import POLICY_APPLY, apply_entry, record_of
from retention.services.in_force import retention_policy, storage_plan
from retention.services.initialise import POLICIES
from retention.services.loosening import NO_CONSENT, Consent, loosenings, require_consent
from retention.services.second_person import Asked, ask
from retention.services.stores import Stores
from retention.settings.save import save_text


@dataclass(frozen=True, slots=True)
class Proposal:
    """A document to be put in force, and what it changes. `before` is the version in force, None for a new name."""

    loaded: Loaded
    record: PolicyRecord
    before: PolicyRecord | None
    changes: tuple[Change, ...]

    @property
    def is_unchanged(self) -> bool:
        return self.before is not None and self.before.digest == self.record.digest

    @property
    def is_loosening(self) -> bool:
        return bool(loosenings(self.changes))

    @property
    def title(self) -> str:
        return f"{self.record.kind} {self.record.name} {self.record.version}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a proposal: in force, or waiting for the approval of the request named here."""

    proposal: Proposal
    approval: str | None

    @property
    def is_pending(self) -> bool:
        return self.approval is not None


def propose(stores: Stores, files: Sequence[PolicyFile], language: Language = "en") -> list[Proposal]:
    """Return what files would put in force, in their order.

    Raises PolicyError that shows every mistake of every file: of the language, tiers the archive does not have, one
    name twice, a version that said something else before.
    """
    history = stores.catalog.policies.history()
    seen: set[tuple[str, str]] = set()
    for file in files:
        for loaded in file.documents:
            file.faults += unknown_tiers(loaded, stores.settings.tiers)
            file.faults += _version_faults(loaded, history)
            file.faults += _once_faults(loaded, seen)
    if any(file.faults for file in files):
        raise policy_error(files, language)
    now = {
        (force.policy.kind, force.policy.name): force.policy for force in history if force.until_at is None
    }
    return [_proposal(loaded, now) for file in files for loaded in file.documents]


def apply(
    stores: Stores, proposals: Sequence[Proposal], consent: Consent = NO_CONSENT, language: Language = "en"
) -> list[Applied]:
    """Put proposals in force, and decide again about every study they bind; return what became of each.

    Raises RefusedError when one loosens something and that was not asked for with a reason, or nobody could approve
    it: then nothing is put in force.
    """
    people.require_role(stores, None, people.ARCHIVIST, people.ADMINISTRATOR)
    for proposal in proposals:
        require_consent(proposal.title, proposal.changes, consent, language)
    changing = [proposal for proposal in proposals if not proposal.is_unchanged]
    requests = {
        proposal.record.digest: ask(stores, _asked(proposal), proposal.changes, consent)
        for proposal in changing
        if proposal.is_loosening
    }
    at_once = [proposal for proposal in changing if not proposal.is_loosening]
    if at_once:
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            commit.append_locked(stores, [_entry(stores, proposal, consent) for proposal in at_once])
        keep_files(stores, (proposal.record for proposal in at_once))
    decisions.refresh(stores)
    return [Applied(proposal, requests.get(proposal.record.digest)) for proposal in proposals]


def _asked(proposal: Proposal) -> Asked:
    before = proposal.before
    body: dict[str, JsonValue] = {
        "text": proposal.record.source,
        "replaces": None if before is None else before.digest,
    }
    return Asked("policy", proposal.title, proposal.record.digest, body)


def approved(stores: Stores, request: RequestRecord) -> list[NewEntry]:
    """Return the entry that puts a version in force that a second person has approved.

    Raises RefusedError when another version has come in force since it was asked for.
    """
    body = request.body
    (loaded,) = read_policy_file(str(body["text"]), request.subject).documents
    record = record_of(loaded)
    now = {
        (force.policy.kind, force.policy.name): force.policy.digest
        for force in stores.catalog.policies.in_force()
    }
    if now.get((record.kind, record.name)) != body["replaces"]:
        raise RefusedError(
            f"another version of {record.name} has come in force since this was asked for",
            hint="reject it, and ask again: retention policy apply",
        )
    keep_files(stores, [record])
    return [
        apply_entry(
            stores.keyring.index_key,
            _deed(stores, record),
            record,
            replaces=body["replaces"],
            is_loosening=True,
            reason=body["reason"],
            approval=request.request_id,
        )
    ]


def _deed(stores: Stores, record: PolicyRecord) -> Deed:
    return people.deed_of(stores, POLICY_APPLY, None, record.name, record.digest)


def keep_files(stores: Stores, records: Iterable[PolicyRecord]) -> None:
    """Let the archive's folder of policies have the text of what is in force, where it says something else."""
    folder = stores.root / POLICIES
    folder.mkdir(mode=0o755, exist_ok=True)
    for record in records:
        path = folder / f"{record.name}.yaml"
        if not path.exists() or not _says(path, record):
            save_text(path, record.source)


def _says(path: Path, record: PolicyRecord) -> bool:
    file = read_policy_file(path.read_bytes(), path.name)
    return not file.faults and any(loaded.document.digest() == record.digest for loaded in file.documents)


def _entry(stores: Stores, proposal: Proposal, consent: Consent) -> NewEntry:
    return apply_entry(
        stores.keyring.index_key,
        _deed(stores, proposal.record),
        proposal.record,
        replaces=None if proposal.before is None else proposal.before.digest,
        is_loosening=False,
        reason=consent.reason,
    )


def _proposal(loaded: Loaded, now: dict[tuple[str, str], PolicyRecord]) -> Proposal:
    record = record_of(loaded)
    before = now.get((record.kind, record.name))
    return Proposal(loaded, record, before, () if before is None else tuple(changes_to(before, loaded)))


def changes_to(before: PolicyRecord, loaded: Loaded) -> list[Change]:
    """Return what a document changes against the version in force."""
    document = loaded.document
    if isinstance(document, RetentionPolicy):
        return policy_changes(retention_policy(before), document)
    return plan_changes(storage_plan(before), document)


def _version_faults(loaded: Loaded, history: Sequence[ForceRecord]) -> Iterator[Fault]:
    document, digest = loaded.document, loaded.document.digest()
    key = (document.kind, document.name)
    same = [force.policy for force in history if (force.policy.kind, force.policy.name) == key]
    taken = {policy.version for policy in same}
    if document.version in taken and all(policy.digest != digest for policy in same):
        yield taken_version(loaded, taken)


def _once_faults(loaded: Loaded, seen: set[tuple[str, str]]) -> Iterator[Fault]:
    key = (loaded.document.kind, loaded.document.name)
    if key in seen:
        yield second_of_a_name(loaded)
    seen.add(key)
