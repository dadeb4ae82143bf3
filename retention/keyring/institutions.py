"""The institutions' keys: `keyring/institutions.keys`, read whole and written whole (docs/journal.md §4.2, §4.8).

The invariant: which key of an institution is current is what the file says now, the highest generation that is not
forgotten, and never what this process remembers; a key wrapped by one that was forgotten meanwhile would be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from retention.keyring.keyfile import (
    INSTITUTIONS,
    FileState,
    put_together,
    read_file,
    replace_everywhere,
)
from retention.keyring.records import KeyKind, KeyRecord, WrappingKey
from retention.keyring.rootkey import new_secret
from retention.model.errors import KeyringBrokenError, KeyUnavailableError
from retention.model.identifiers import InstitutionId, KeyId, new_id
from retention.model.replica import Outcome, ReplicaSet


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key in memory: what names it, and its 32 bytes."""

    key_id: KeyId
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyGeneration:
    """One key of an institution. One that is not current opens what it wraps, and wraps nothing new."""

    institution_id: InstitutionId
    key_id: KeyId
    generation: int
    is_current: bool


@dataclass(slots=True)
class _Held:
    """What the file said when it had these versions on the replicas."""

    versions: dict[str, str | None]
    state: FileState
    wrapping: dict[KeyId, WrappingKey]
    owners: dict[KeyId, InstitutionId]
    current: dict[str, KeyId]
    payload: dict[str, OpenKey]
    index: OpenKey | None = None


class InstitutionKeys:
    """Index key, institution keys and payload keys. One writer at a time; any thread may read."""

    def __init__(self, replicas: ReplicaSet, root: WrappingKey) -> None:
        self._replicas = replicas
        self._root = root
        self._held = self._read()

    @property
    def index(self) -> OpenKey:
        """The key of keyed digests. Raises KeyringBrokenError when no replica has it."""
        if self._held.index is None:
            raise KeyringBrokenError(
                "the index key is on no replica that can be reached",
                hint="bring back another volume that holds the keyring: retention volume check",
            )
        return self._held.index

    def parent(self, key_id: KeyId) -> WrappingKey | None:
        """Return a key that wraps others; another process may have added it since this one looked."""
        known = self._held.wrapping.get(key_id)
        if known is None and key_id not in self._held.state.records:
            known = self.refreshed().wrapping.get(key_id)
        return known

    def current(self, institution_id: InstitutionId) -> WrappingKey:
        """Return the key that wraps what is new. Raises KeyUnavailableError for an unknown institution.

        For what is to last `refreshed` has to be called before, under the archive's lock.
        """
        if institution_id not in self._held.current:
            self.refreshed()
        key_id = self._held.current.get(institution_id)
        if key_id is None:
            raise _unknown(institution_id)
        return self._held.wrapping[key_id]

    def payload(self, institution_id: InstitutionId) -> OpenKey:
        """Return the key of an institution's journal payloads. Raises as `current` does."""
        if institution_id not in self._held.payload:
            self.refreshed()
        if institution_id not in self._held.payload:
            raise _unknown(institution_id)
        return self._held.payload[institution_id]

    def generations(self) -> list[KeyGeneration]:
        """Return every institution key that is not forgotten, the oldest of each institution first."""
        held = self.refreshed()
        keys = sorted(held.owners, key=lambda key: (held.owners[key], held.wrapping[key].generation))
        return [
            KeyGeneration(
                held.owners[key],
                key,
                held.wrapping[key].generation,
                held.current[held.owners[key]] == key,
            )
            for key in keys
        ]

    def add(self, institution_id: InstitutionId) -> KeyId:
        """Give an institution its first key and its payload key, durably. One that has them keeps them.

        Raises VolumeUnavailableError or VolumeFullError when fewer than the minimum of replicas took it.
        """
        held = self._read()
        if institution_id not in held.current:
            first = WrappingKey(KeyId(new_id()), new_secret(), 1)
            self._put(held.state, self._institution_record(institution_id, first))
            self._put(held.state, _payload_record(institution_id, KeyId(new_id()), new_secret(), first))
        self._write(held.state)
        return self._held.current[institution_id]

    def add_generation(self, institution_id: InstitutionId) -> KeyGeneration:
        """Give an institution its next key, which also wraps its payload key from now on. Raises as `add` does."""
        held = self._read()
        if institution_id not in held.current:
            raise _unknown(institution_id)
        before = held.wrapping[held.current[institution_id]]
        following = WrappingKey(KeyId(new_id()), new_secret(), before.generation + 1)
        self._put(held.state, self._institution_record(institution_id, following))
        kept = held.payload[institution_id]
        self._put(held.state, _payload_record(institution_id, kept.key_id, kept.secret, following))
        self._write(held.state)
        return KeyGeneration(institution_id, following.key_id, following.generation, is_current=True)

    def forget(self, key_ids: Collection[KeyId]) -> None:
        """Destroy keys that wrap nothing any more. Raises ValueError for a current one, and as `add` does."""
        held = self._read()
        if set(key_ids) & set(held.current.values()):
            raise ValueError("the current key of an institution is not forgotten")
        for key_id in key_ids:
            record = held.state.records[key_id]
            if record.forgotten is None:
                held.state.records[key_id] = record.forget(self._root.secret)
        self._write(held.state)

    def settle(self) -> None:
        """Make the file the same on every replica that can be reached. Raises as `add` does."""
        self._write(self._read().state)

    def refreshed(self) -> _Held:
        """Read the file if it is another one. Raises VolumeUnavailableError, KeyringBrokenError."""
        if self._versions() != self._held.versions:
            self._held = self._read()
        return self._held

    def read_state(self) -> FileState:
        """Read the file from every replica. Raises as `refreshed` does."""
        self._held = self._read()
        return self._held.state

    def _institution_record(self, institution_id: InstitutionId, key: WrappingKey) -> KeyRecord:
        return KeyRecord.wrap(
            KeyKind.INSTITUTION,
            key.key_id,
            institution_id,
            self._root.key_id,
            secret=key.secret,
            under=self._root.secret,
            generation=key.generation,
        )

    @staticmethod
    def _put(state: FileState, record: KeyRecord) -> None:
        state.records[record.key_id] = record

    def _write(self, state: FileState) -> None:
        """Write the file where it differs; it counts on at least the minimum of replicas."""
        content = state.content()
        if state.wrong(content) or len(state.found) < self._replicas.minimum:
            replace_everywhere(self._replicas, INSTITUTIONS, content)
        self._held = self._read()

    def _versions(self) -> dict[str, str | None]:
        return self._replicas.each(lambda replica: replica.version(INSTITUTIONS)).done

    def _read(self) -> _Held:
        versions = self._versions()  # asked first: a change while reading is noticed the next time
        read = read_file(self._replicas, INSTITUTIONS)
        wrapping = {self._root.key_id: self._root}
        for record in self._under_root(read).records.values():
            secret = record.secret(self._root.secret)
            if record.kind is KeyKind.INSTITUTION and secret is not None:
                wrapping[record.key_id] = WrappingKey(record.key_id, secret, record.generation or 0)
        state = put_together(INSTITUTIONS, read, wrapping.get)
        state.require_whole()
        held = _Held(versions, state, wrapping, {}, {}, {})
        for record in state.records.values():
            _hold(held, record)
        return held

    def _under_root(self, read: Outcome[bytes]) -> FileState:
        """Return what the root key itself proves: with it the rest of the file can be proven."""
        return put_together(INSTITUTIONS, read, {self._root.key_id: self._root}.get)


def _hold(held: _Held, record: KeyRecord) -> None:
    under = held.wrapping.get(record.parent)
    secret = None if under is None else record.secret(under.secret)
    if secret is None:
        return
    opened, owner = OpenKey(record.key_id, secret), InstitutionId(record.owner)
    if record.kind is KeyKind.INDEX:
        held.index = opened
    elif record.kind is KeyKind.PAYLOAD:
        held.payload[owner] = opened
    else:
        held.owners[record.key_id] = owner
        newest = held.current.get(owner, record.key_id)
        if held.wrapping[record.key_id].generation >= held.wrapping[newest].generation:
            held.current[owner] = record.key_id


def _payload_record(
    institution_id: InstitutionId, key_id: KeyId, secret: bytes, under: WrappingKey
) -> KeyRecord:
    return KeyRecord.wrap(
        KeyKind.PAYLOAD, key_id, institution_id, under.key_id, secret=secret, under=under.secret
    )


def _unknown(institution_id: InstitutionId) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"institution {institution_id} has no key in this keyring",
        hint="check that archive.yaml and the volumes belong together",
    )


def old_generations(generations: Iterable[KeyGeneration]) -> list[KeyGeneration]:
    """Return those that wrap nothing new."""
    return [each for each in generations if not each.is_current]
