"""Approvals: what one person asks for, others agree to, in order, each with a signature; then it happens.

How to use it, for a kind of thing of yours:

    wish = Wish("fact", institution_id, fact_id, digest, [SECOND_PERSON], summary, body)
    request_id = approvals.request(stores, wish)

and in `services/handlers.py` register a function that is given the request when the last signature is there and returns
the entries of the effect; they go into the journal in one group with that signature. It may raise RefusedError (the
thing has changed meanwhile): then the signature does not count and the request stays. A kind whose effect is a later
act (a disposal's execution) returns none. `request_entry` gives the entry alone, for a group with entries of your own.
`body` and `summary` are encrypted; `subject` and `digest` (hexadecimal) stand in public data.

The invariants: who asked never approves, nor does anybody twice or out of turn; signatures lapse after P1Y; every
attempt that was refused is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from retention.catalog.approvals import ApproverRecord, RequestRecord, RequestState
from retention.journal.envelope import NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.errors import (
    ApprovalRefusedError,
    NotFoundError,
    RefusedError,
    RoleMissingError,
    UsageError,
)
from retention.model.identifiers import InstitutionId, new_id
from retention.policy.disposal import Approval, Progress, Terms, progress
from retention.policy.documents import Approver
from retention.services import commit, people
from retention.services.entries import approvals as entries
from retention.services.people import ADMINISTRATOR, ARCHIVIST, Actor, Claim
from retention.services.stores import Stores

SECOND_PERSON = Approver("second_person")
"""Whoever is archivist or administrator there, and not who asked."""

_ALTERNATIVES = {SECOND_PERSON.name: (ARCHIVIST, ADMINISTRATOR)}
_RECORDERS = (ARCHIVIST, ADMINISTRATOR)
"""Who may record what somebody outside has decided."""

Handler = Callable[[Stores, RequestRecord], Sequence[NewEntry]]
"""Returns the entries of what was approved; the commit lock is held. Raises RefusedError when it may not be."""
HandlerOf = Callable[[str], Handler]
"""The handler of a kind."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: see the module. `excluded` are people (person ids) who may not approve, beside who asks."""

    kind: str
    institution: InstitutionId | None
    subject: str
    digest: str
    approvers: Sequence[Approver]
    summary: str
    body: Mapping[str, JsonValue]
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visa:
    """A decision of somebody outside: its number, its date, and the digest of the document that says so."""

    approver: str
    number: str
    on: date
    document: str


def request(stores: Stores, wish: Wish) -> str:
    """File a request, durably; return its id.

    Raises RoleMissingError, SignatureMissingError when it has to be known who asks, and is not.
    """
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        entry = request_entry(stores, wish)
        commit.append_locked(stores, [entry])
    return entry.objects["request"]


def request_entry(stores: Stores, wish: Wish) -> NewEntry:
    """Return the entry that asks; its `objects["request"]` is the id of the request. Raises as `request`."""
    if not wish.approvers:
        raise ValueError("a request names who is to approve it")
    at = stores.clock.now()
    asker = _asking(stores)
    record = RequestRecord(
        new_id(),
        wish.kind,
        wish.institution,
        wish.subject,
        wish.digest,
        tuple(ApproverRecord(each.name, each.is_external) for each in wish.approvers),
        asker.person_id if people.is_proven(stores, asker) else None,
        wish.excluded,
        at,
        wish.summary,
        wish.body,
        0,
    )
    claim = Claim(entries.APPROVAL_REQUEST, wish.institution, record.request_id, wish.digest)
    by = people.proof(stores, asker, claim, at)
    return entries.request_entry(record, _key(stores, record), stores.actor, by)


def _asking(stores: Stores) -> Actor:
    """Return who asks; once people are registered, that has to be one of them, known for sure."""
    actor = people.acting(stores)
    if stores.catalog.people.count() == 0:
        return actor
    if actor.record is None:
        raise RoleMissingError(
            f"this needs a second person, so it has to be known who asks; {actor.name or 'nobody'} is not registered",
            hint="say who asks with --as PERSON, and --key FILE to sign",
        )
    people.require_proof(stores, actor)
    return actor


def find(stores: Stores, request_id: str) -> RequestRecord:
    """Return a request by its id, or by a beginning of it that no other has. Raises NotFoundError, UsageError."""
    found = stores.catalog.approvals.beginning(request_id) if request_id else []
    if not found:
        raise NotFoundError(f"there is no request {request_id}", hint="retention approval list shows them")
    if len(found) > 1:
        raise UsageError(f"several requests begin with {request_id}", hint="give more of its id")
    return found[0]


def pending(stores: Stores) -> list[RequestRecord]:
    """Return the requests that nobody has closed, oldest first."""
    return stores.catalog.approvals.pending()


def progress_of(stores: Stores, record: RequestRecord) -> Progress:
    """Return how far the signatures under a request have come today."""
    approvers = tuple(Approver(each.name, is_external=each.is_external) for each in record.approvers)
    by_name = {each.name: each for each in approvers}
    given = [
        Approval(
            by_name[each.approver],
            each.approver if by_name[each.approver].is_external else each.person,
            each.given_at.date(),
        )
        for each in record.given
    ]
    return progress(Terms(approvers, None, (), ()), given, stores.clock.now().date())


def roles_for(approver: Approver) -> tuple[str, ...]:
    """Return the roles one of which lets somebody sign as this approver, or record what one outside decided."""
    return _RECORDERS if approver.is_external else _ALTERNATIVES.get(approver.name, (approver.name,))


def approve(
    stores: Stores, request_id: str, handler_of: HandlerOf, visa: Visa | None = None
) -> RequestRecord:
    """Give the signature that is next in order; with the last one, what was asked for happens.

    `visa` records the decision of somebody outside. Raises NotFoundError, ApprovalRefusedError, RoleMissingError,
    SignatureMissingError, and what the kind's handler raises.
    """
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        record = find(stores, request_id)
        try:
            actor, approver, role = _may_approve(stores, record, visa)
            new = _given(stores, record, actor, approver, role, visa, handler_of)
        except RefusedError as error:
            refused = entries.refuse_entry(record, error.code, stores.clock.now(), stores.actor)
            commit.append_locked(stores, [refused])
            raise
        commit.append_locked(stores, new)
    return find(stores, record.request_id)


def reject(stores: Stores, request_id: str, reason: str) -> RequestRecord:
    """Close a request without effect: any of its approvers may, and who asked.

    Raises NotFoundError, UsageError, ApprovalRefusedError, RoleMissingError, SignatureMissingError.
    """
    if not reason.strip():
        raise UsageError("a rejection has a reason", hint="say why with --reason")
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        record = find(stores, request_id)
        _require_pending(record)
        roles = [role for each in _approvers(record) for role in roles_for(each)]
        actor = people.acting(stores)
        if actor.person_id is None or actor.person_id != record.asked_by:
            _require_people(stores, record)
            actor = people.require_role(stores, record.institution_id, *dict.fromkeys(roles))
        else:
            people.require_proof(stores, actor)
        at = stores.clock.now()
        claim = Claim(entries.APPROVAL_REJECT, record.institution_id, record.request_id, record.digest)
        by = people.proof(stores, actor, claim, at)
        entry = entries.reject_entry(record, reason.strip(), _key(stores, record), at, stores.actor, by)
        commit.append_locked(stores, [entry])
    return find(stores, record.request_id)


def _may_approve(stores: Stores, record: RequestRecord, visa: Visa | None) -> tuple[Actor, Approver, str]:
    """Return who signs as which approver in which role. Raises RefusedError of some kind."""
    _require_pending(record)
    awaited = progress_of(stores, record).awaited
    if awaited is None:
        raise ApprovalRefusedError("every signature is there already", hint="nothing is left to approve")
    _require_people(stores, record)
    if awaited.is_external != (visa is not None) or (visa is not None and visa.approver != awaited.name):
        what = (
            f"the decision of {awaited.name}" if awaited.is_external else f"the signature of {awaited.name}"
        )
        raise ApprovalRefusedError(
            f"{what} comes next",
            hint=f"record it: --external {awaited.name} --number N --date D --document FILE"
            if awaited.is_external
            else "approvals are given in order; retention approval list shows it",
        )
    roles = roles_for(awaited)
    actor = people.require_role(stores, record.institution_id, *roles)
    if not awaited.is_external:
        _require_another(stores, record, actor)
    role = next(role for role in roles if role in actor.roles_at(record.institution_id))
    return actor, awaited, role


def _require_another(stores: Stores, record: RequestRecord, actor: Actor) -> None:
    """Refuse whoever asked, was excluded, or has signed already."""
    if record.asked_by is None:
        raise ApprovalRefusedError(
            "nobody knows who asked for this, so nobody can be told from whoever it was",
            hint="reject it, and ask again with --as PERSON",
        )
    if actor.person_id == record.asked_by:
        raise ApprovalRefusedError(
            f"{actor.name} asked for this, and cannot approve it", hint="somebody else has to"
        )
    if actor.person_id in record.excluded:
        raise ApprovalRefusedError(
            f"{actor.name} had a part in this, and cannot approve it", hint="somebody else has to"
        )
    if any(each.person == actor.person_id for each in progress_of(stores, record).given):
        raise ApprovalRefusedError(
            f"{actor.name} has approved this already", hint="all approvers are different people"
        )


def _require_people(stores: Stores, record: RequestRecord) -> None:
    if stores.catalog.people.count() == 0:
        wanted = ", then ".join(" or ".join(roles_for(each)) for each in _approvers(record))
        raise ApprovalRefusedError(
            f"this needs the approval of {wanted}, and nobody is registered",
            hint="register people: retention person add NAME --role ROLE",
        )


def _require_pending(record: RequestRecord) -> None:
    if record.state is not RequestState.PENDING:
        raise ApprovalRefusedError(
            f"request {record.request_id} is {record.state.value}",
            hint="ask for it anew, if it is still wanted",
        )


def _given(
    stores: Stores,
    record: RequestRecord,
    actor: Actor,
    approver: Approver,
    role: str,
    visa: Visa | None,
    handler_of: HandlerOf,
) -> list[NewEntry]:
    """Return the entry of the signature and, if it is the last, those of its effect."""
    at = stores.clock.now()
    given = len(progress_of(stores, record).given)
    completes = given + 1 == len(record.approvers)
    effect = list(handler_of(record.kind)(stores, record)) if completes else []
    claim = Claim(entries.APPROVAL_GIVE, record.institution_id, record.request_id, record.digest, role)
    by = people.proof(stores, actor, claim, at)
    words = (
        None
        if visa is None
        else {"number": visa.number, "date": visa.on.isoformat(), "document": visa.document}
    )
    giving = entries.Giving(approver.name, words, completes)
    signature = entries.give_entry(record, giving, _key(stores, record), at, stores.actor, by)
    return [signature, *effect]


def _approvers(record: RequestRecord) -> list[Approver]:
    return [Approver(each.name, is_external=each.is_external) for each in record.approvers]


def _key(stores: Stores, record: RequestRecord) -> OpenKey:
    if record.institution_id is None:
        return stores.keyring.index_key
    return stores.keyring.payload_key(record.institution_id)
