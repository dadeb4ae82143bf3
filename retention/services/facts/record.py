"""Recording what was said about patients: all of it in one step, or nothing.

The invariants: what the journal gets is what was weighed with exactly what is known at that moment, so nothing that
shortens can slip in beside a change of somebody else's; and whoever says something of a patient may do so there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from retention.catalog.fact_records import FactStatement
from retention.journal.envelope import NewEntry
from retention.keyring.institutions import OpenKey
from retention.keyring.keyring import PendingKey
from retention.model.identifiers import InstitutionId, KeyId, new_id
from retention.model.patient import PatientIdentity
from retention.services import commit, decisions, people
from retention.services.entries.facts import Writing
from retention.services.events import Names
from retention.services.facts.saying import Saying
from retention.services.facts.second import ask
from retention.services.facts.weigh import Weighed, weigh
from retention.services.people import ADMINISTRATOR, ARCHIVIST, INGEST
from retention.services.stores import Stores

MESSAGES_PER_ENTRY = 2000

RECORDERS = (ARCHIVIST, ADMINISTRATOR)
"""Who may say something of a patient, and whose a study is."""
FEEDS = (INGEST, ARCHIVIST, ADMINISTRATOR)
"""Who may bring what another system says: the interface that delivers images may deliver facts."""

Messages = Mapping[InstitutionId, Sequence[bytes]]
"""Keyed digests of the messages that were read, by institution."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was recorded. `batches` are the requests that wait for a second person, one an institution."""

    weighed: Weighed
    batches: tuple[str, ...]


def record(
    stores: Stores,
    sayings: Iterable[Saying],
    messages: Messages | None = None,
    roles: Sequence[str] = RECORDERS,
) -> Done:
    """Record sayings, all or none; what would shorten waits for a second person. Then decide again.

    Raises RoleMissingError, SignatureMissingError unless whoever acts has one of `roles` at each institution;
    LockedError, StorageError, and what asking a second person raises.
    """
    said = list(sayings)
    for institution in dict.fromkeys([*(each.patient.institution_id for each in said), *(messages or {})]):
        people.require_role(stores, institution, *roles)
    size = stores.journal.size
    weighed = weigh(stores, said)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        if stores.journal.size != size:  # somebody committed meanwhile: it may be heavier now
            weighed = weigh(stores, said)
        done = _append(stores, weighed, messages or {})
    decisions.refresh(stores)
    return done


def _append(stores: Stores, weighed: Weighed, messages: Messages) -> Done:
    keys = PatientKeys(stores)
    keys.prepare(each.patient for each in weighed.to_record)
    entries: list[NewEntry] = []
    batches: list[str] = []
    for institution in dict.fromkeys(
        [*(each.patient.institution_id for each in weighed.to_record), *messages]
    ):
        mine = [each for each in weighed.to_record if each.patient.institution_id == institution]
        pending = [said for each in mine for said in each.statements if said.needs_approval]
        batch_id = new_id()
        if pending:
            entries.append(ask(stores, institution, [said.record_id for said in pending], _summary(pending)))
            batch_id = entries[-1].objects["request"]
            batches.append(batch_id)
        writing = writing_of(stores, batch_id)
        entries += [writing.record(each.patient, each.statements, *keys.of(each.patient)) for each in mine]
        read = list(messages.get(institution, ()))
        for start in range(0, len(read), MESSAGES_PER_ENTRY):
            entries.append(writing.messages(institution, read[start : start + MESSAGES_PER_ENTRY]))
    if entries:
        commit.append_locked(stores, entries, keys.secrets)
    return Done(weighed, tuple(batches))


def writing_of(stores: Stores, batch_id: str) -> Writing:
    """Return how the entries of one act are written; `batch_id` is the request's that some of it waits for."""
    return Writing(stores.clock.now(), stores.actor, batch_id, Names(stores.keyring.index_key.secret))


def _summary(pending: Sequence[FactStatement]) -> str:
    """Say what waits, by kind: nothing that would tell who the patients are."""
    kinds = Counter(said.kind for said in pending)
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))


class PatientKeys:
    """The keys of patients, made where there is none yet; the commit lock is held."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._keys: dict[PatientIdentity, tuple[OpenKey, int | None]] = {}

    @property
    def secrets(self) -> dict[KeyId, bytes]:
        return {key.key_id: key.secret for key, _ in self._keys.values()}

    def prepare(self, patients: Iterable[PatientIdentity]) -> None:
        """Find or make the keys of these patients; new ones are durable when this returns."""
        new: dict[PatientIdentity, PendingKey] = {}
        for patient in dict.fromkeys(patients):
            known = self._stores.catalog.facts.patient(patient)
            if known is None or known.key_id is None:
                new[patient] = self._stores.keyring.new_patient_key(patient.institution_id)
            else:
                secret = self._stores.keyring.patient_key(known.key_id, known.key_segment)
                self._keys[patient] = OpenKey(known.key_id, secret), known.key_segment
        segments = self._stores.keyring.commit(new.values())
        for patient, key in new.items():
            self._keys[patient] = OpenKey(key.key_id, key.secret), segments[key.key_id]

    def of(self, patient: PatientIdentity) -> tuple[OpenKey, int | None]:
        """Return a patient's key, and where it lies."""
        return self._keys[patient]
