"""`keys rotate`: new keys for institutions, everything put under them, the old ones destroyed (docs/journal.md §4.8).

The invariant: the keyring alone says which key is current, and the journal is told of each generation before the next
is made; so a rotation that was cut short anywhere is gone on with, never begun anew. The archive's lock is held for one
file of keys at a time: ingest goes on meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from retention.catalog.records import InstitutionRecord
from retention.journal.envelope import NewEntry
from retention.keyring.institutions import KeyGeneration
from retention.keyring.rotation import Ending
from retention.model.canonical import JsonValue
from retention.model.errors import KeyringBrokenError
from retention.model.identifiers import InstitutionId, KeyId
from retention.services import commit, people
from retention.services.entries import keys as entries
from retention.services.people import Claim
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of one institution's keys. `is_resumed`: an earlier rotation was gone on with, no key was made.

    `rewrapped` counts the package and patient keys that were put under the current one; `kept` and `destroyed` the old
    institution keys.
    """

    institution: str
    generation: int
    is_resumed: bool
    rewrapped: int
    destroyed: int
    kept: int


@dataclass(frozen=True, slots=True)
class RotationReport:
    """`behind` names the volumes for whose sake old keys are kept: away, or with records under an old key."""

    institutions: tuple[Rotated, ...]
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    record: InstitutionRecord
    now: KeyGeneration
    is_resumed: bool


def rotate(stores: Stores, records: Sequence[InstitutionRecord]) -> RotationReport:
    """Rotate the keys of these institutions, or go on with a rotation of theirs that did not end.

    Raises RoleMissingError, SignatureMissingError; VolumeUnavailableError or VolumeFullError when too few volumes that
    carry the keyring answer, KeyringBrokenError when one of its files is whole nowhere: then nothing is lost, and it is
    to be done again.
    """
    for record in records:
        people.require_role(stores, record.institution_id, people.OPERATOR, people.ADMINISTRATOR)
    begun = [_begin(stores, record) for record in records]
    rewrapped: Counter[str] = Counter()
    rotation, of = stores.keyring.rotation, {record.institution_id for record in records}
    for series, segment in list(rotation.files()):
        with stores.commit_lock.hold():
            rewrapped += rotation.rewrap(of, series, segment)
    ending = _end(stores, begun, rewrapped)
    told = tuple(
        Rotated(
            each.record.spec.name,
            each.now.generation,
            each.is_resumed,
            rewrapped[each.record.institution_id],
            _count(ending.destroyed, each.record.institution_id),
            _count(ending.kept, each.record.institution_id),
        )
        for each in begun
    )
    return RotationReport(told, ending.behind)


@dataclass(frozen=True, slots=True)
class Generation:
    """Which key of an institution is current, since when (None: always), and how many older ones are kept to open."""

    institution: str
    generation: int
    since: str | None
    opens_only: int


def generations_of(stores: Stores) -> list[Generation]:
    """Return how far each institution's keys are."""
    found = []
    for record in stores.catalog.institutions():
        *old, now = stores.keyring.rotation.generations(record.institution_id)
        said = stores.catalog.state(entries.rotation_state(entries.KEYS_ROTATE, record.institution_id))
        since = None if said is None else said.split()[1]
        found.append(Generation(record.spec.name, now.generation, since, len(old)))
    return found


def journaled_generation(stores: Stores, action: str, institution: InstitutionId) -> int:
    """Return the last generation of which the journal says this; 1, which needs no rotation, if it says nothing."""
    said = stores.catalog.state(entries.rotation_state(action, institution))
    return 1 if said is None else int(said.split()[0])


def _begin(stores: Stores, record: InstitutionRecord) -> _Begun:
    """Make the next key, unless the last rotation did not end; tell the journal what it does not know."""
    institution = record.institution_id
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        rotation = stores.keyring.rotation
        *old, now = rotation.generations(institution)
        told = journaled_generation(stores, entries.KEYS_ROTATE, institution)
        if now.generation < told:
            raise KeyringBrokenError(
                f"the journal knows generation {told} of the key of {record.spec.name},"
                f" the keyring only {now.generation}",
                hint="an old copy of the keyring is in its place: bring back the volumes that carry the newer one",
            )
        is_ended = journaled_generation(stores, entries.KEYS_ROTATED, institution) == now.generation
        is_resumed = bool(old) or not is_ended
        if not is_resumed:
            old, now = [now], rotation.begin(institution)
        if now.generation > told:
            before = old[-1].key_id if old else now.key_id
            commit.append_locked(stores, [_rotate_entry(stores, now, before)])
    return _Begun(record, now, is_resumed)


def _rotate_entry(stores: Stores, now: KeyGeneration, before: KeyId) -> NewEntry:
    at, actor = stores.clock.now(), people.acting(stores)
    digest = entries.rotate_digest(now.generation, now.key_id, before)
    claim = Claim(entries.KEYS_ROTATE, now.institution_id, now.key_id, digest)
    by: JsonValue = people.proof(stores, actor, claim, at)
    return entries.rotate_entry(now, before, at, stores.actor, by)


def _end(stores: Stores, begun: Sequence[_Begun], rewrapped: Counter[str]) -> Ending:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        of = {each.now.institution_id for each in begun}
        ending = stores.keyring.rotation.end(of, stores.volumes.replica_names())
        ended = [
            entries.rotated_entry(
                each.now, ending, rewrapped[each.now.institution_id], stores.clock.now(), stores.actor
            )
            for each in begun
        ]
        commit.append_locked(stores, ended)
    return ending


def _count(keys: Sequence[KeyGeneration], institution: InstitutionId) -> int:
    return sum(each.institution_id == institution for each in keys)
