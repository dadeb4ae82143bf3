"""Somebody asks for a record to be erased before its time: written down, and answered with the law.

GDPR Art. 17(3) takes from the right to erasure what has to be kept by law (b), for public health (c), for archives (d)
or for legal claims (e). The invariant: such a request never destroys anything, and is in the journal with its answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import NotFoundError, UsageError
from retention.model.states import StudyState
from retention.policy.decision import Decision
from retention.services import commit, payloads, people
from retention.services.decisions import refresh
from retention.services.disposal.analysis import analyse_rows
from retention.services.entries.disposal import ERASURE
from retention.services.events import Names
from retention.services.people import ADMINISTRATOR, ARCHIVIST
from retention.services.stores import Stores

LEGAL_OBLIGATION = "GDPR Art. 17(3)(b) and (c)"
LEGAL_CLAIMS = "GDPR Art. 17(3)(e)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: refused with an article, or (`article` None) that the ordinary way is open."""

    study_uid: str
    article: str | None
    decision: Decision
    legal_bases: tuple[str, ...]


def ask_for_erasure(stores: Stores, study_uid: str, institution: str | None, reason: str) -> Answer:
    """Record a request for erasure and its answer. Nothing is destroyed.

    Raises NotFoundError, UsageError (no reason, an ambiguous study), RoleMissingError.
    """
    if not reason.strip():
        raise UsageError("a request has a reason", hint="say who asks and why with --reason")
    study = stores.catalog.study(study_uid, institution)
    owner = study.summary.institution_id
    people.require_role(stores, owner, ARCHIVIST, ADMINISTRATOR)
    refresh(stores)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        answer = _answer(stores, study_uid, study.summary.institution)
        key = stores.keyring.payload_key(owner)
        body: dict[str, JsonValue] = {"reason": reason.strip(), "legal_bases": list(answer.legal_bases)}
        entry = NewEntry(
            stores.clock.now(),
            stores.actor,
            ERASURE,
            owner,
            objects={"study": Names(stores.keyring.index_key.secret).study(owner, study_uid)},
            data={"article": answer.article, "refused": answer.article is not None},
            payload=payloads.seal(body, key),
            payload_key=key.key_id,
        )
        commit.append_locked(stores, [entry])
    return answer


def _answer(stores: Stores, study_uid: str, institution: str) -> Answer:
    owner = stores.catalog.study(study_uid, institution).summary.institution_id
    row = stores.catalog.disposals.study_row(owner, study_uid)
    with stores.catalog.deciding() as step:
        found = list(analyse_rows(stores, step, owner, [row], None))
    if not found:
        raise NotFoundError(f"no study {study_uid} is held", study=study_uid)
    decision = found[0].decision
    bases = dict.fromkeys(
        (result.rule.document.legal_basis or result.rule.policy.document.legal_basis).text
        for result in decision.rules
        if result.applies is not False
    )
    return Answer(study_uid, _article(decision), decision, tuple(bases))


def _article(decision: Decision) -> str | None:
    if decision.state in (StudyState.HELD, StudyState.SUSPENDED):
        return LEGAL_CLAIMS
    return None if decision.is_expired else LEGAL_OBLIGATION
