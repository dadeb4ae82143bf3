"""The keyring: every secret of the archive, wrapped, on all replicas (docs/journal.md §4).

Secrets exist in memory only while they are used; they stand in no log, error or `repr`. A key counts once it is durable
on at least the minimum of replicas, and once it is forgotten, no replica that was reached can open it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from retention.keyring.check import (
    KeyringProblem,
    KeyringRepair,
    heal_replicas,
    verify_replicas,
)
from retention.keyring.institutions import InstitutionKeys, KeyGeneration, OpenKey
from retention.keyring.keyfile import INSTITUTIONS, PREFIX, read_file, replace_everywhere
from retention.keyring.records import KeyKind, KeyRecord, WrappingKey
from retention.keyring.rootdocument import ROOT_DOCUMENT, RootDocument, parse_root_document
from retention.keyring.rootkey import new_secret, root_key_id
from retention.keyring.rotation import Rotation
from retention.keyring.series import Forgotten, KeySeries
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, WriteOnceError
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, new_id
from retention.model.replica import Replica, ReplicaSet

MINIMUM = 2


@dataclass(frozen=True, slots=True)
class PendingKey:
    """A new key that is in memory only; `Keyring.commit` makes it durable. One that is dropped never was."""

    key_id: KeyId
    kind: KeyKind
    institution_id: InstitutionId
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyringStatus:
    """What the keyring holds, and on which replicas it cannot be read now."""

    archive_id: ArchiveId
    root_key_id: KeyId
    recovery_key_id: KeyId
    institutions: int
    generations: tuple[KeyGeneration, ...]
    package_keys: int
    patient_keys: int
    forgotten: int
    replicas: tuple[str, ...]
    unreachable: tuple[str, ...]


class Keyring:
    """All replicas of one archive's keyring. Made by `create` or `open`; `close` ends its threads.

    One writer at a time: who adds, commits, forgets or heals holds the archive's lock. Any thread may read keys.
    """

    def __init__(self, replicas: ReplicaSet, root: bytes) -> None:
        self._replicas = replicas
        self._root = root
        self._document = _find_document(replicas, root)
        self._institutions = InstitutionKeys(replicas, WrappingKey(self._document.root_key_id, root))
        self._packages = KeySeries(replicas, KeyKind.PACKAGE, self._institutions.parent)
        self._patients = KeySeries(replicas, KeyKind.PATIENT, self._institutions.parent)

    @classmethod
    def create(
        cls,
        replicas: Sequence[Replica],
        archive_id: ArchiveId,
        root: bytes,
        recovery: bytes,
        *,
        minimum: int = MINIMUM,
    ) -> Keyring:
        """Begin a keyring under a new root key and its recovery key (32 bytes each).

        Raises WriteOnceError when any replica has one, VolumeUnavailableError when fewer than the minimum can be
        written.
        """
        group = ReplicaSet(replicas, minimum)
        if any(group.each(lambda replica: replica.list(PREFIX)).done.values()):
            raise WriteOnceError("there is a keyring already", hint="open this archive instead of making one")
        document = RootDocument.make(archive_id, root, recovery)
        index = KeyRecord.wrap(
            KeyKind.INDEX, KeyId(new_id()), archive_id, document.root_key_id, secret=new_secret(), under=root
        )
        replace_everywhere(group, INSTITUTIONS, index.line())
        replace_everywhere(group, ROOT_DOCUMENT, document.encode())
        return cls(group, root)

    @classmethod
    def open(
        cls,
        replicas: Sequence[Replica],
        root: bytes,
        *,
        archive_id: ArchiveId | None = None,
        minimum: int = MINIMUM,
    ) -> Keyring:
        """Open a keyring with its root key (32 bytes). Files of package and patient keys are read when asked for.

        Raises KeyUnavailableError when the root key is another or the keyring is of another archive,
        KeyringBrokenError when what says so, or an institution's key, is damaged everywhere, VolumeUnavailableError
        when no replica answers.
        """
        keyring = cls(ReplicaSet(replicas, minimum), root)
        if archive_id is not None and keyring.archive_id != archive_id:
            raise KeyUnavailableError(
                f"the keyring is of archive {keyring.archive_id}, not of {archive_id}",
                hint="check which volumes archive.yaml names",
            )
        return keyring

    @property
    def archive_id(self) -> ArchiveId:
        return self._document.archive_id

    @property
    def root_key_id(self) -> KeyId:
        return self._document.root_key_id

    @property
    def index_key(self) -> OpenKey:
        """The key of keyed digests (docs/journal.md §4.6)."""
        return self._institutions.index

    @property
    def rotation(self) -> Rotation:
        """The steps by which institutions get new keys; for whoever holds the archive's lock."""
        return Rotation(self._replicas, self._institutions, (self._packages, self._patients))

    def close(self) -> None:
        self._replicas.close()

    def add_institution(self, institution_id: InstitutionId) -> KeyId:
        """Give an institution its keys, durably; return the id of its own. One that has them keeps them.

        Raises VolumeUnavailableError or VolumeFullError when fewer than the minimum of replicas took it.
        """
        return self._institutions.add(institution_id)

    def payload_key(self, institution_id: InstitutionId) -> OpenKey:
        """Return the key of an institution's journal payloads and of what is staged for it.

        Raises KeyUnavailableError when it has none.
        """
        return self._institutions.payload(institution_id)

    def new_package_key(self, institution_id: InstitutionId) -> PendingKey:
        """Return a new key for one attempt to build a package.

        Raises KeyUnavailableError for an unknown institution.
        """
        return self._new_key(KeyKind.PACKAGE, institution_id)

    def new_patient_key(self, institution_id: InstitutionId) -> PendingKey:
        """Return a new key for one patient of an institution. Raises as `new_package_key` does."""
        return self._new_key(KeyKind.PATIENT, institution_id)

    def commit(self, pending: Iterable[PendingKey]) -> dict[KeyId, int]:
        """Make new keys durable, those of a kind in one group; return the segment (file number) of each.

        Raises VolumeUnavailableError or VolumeFullError when fewer than the minimum of replicas took them: then keys of
        that kind do not count.
        """
        records: dict[KeyKind, list[KeyRecord]] = {KeyKind.PACKAGE: [], KeyKind.PATIENT: []}
        self._institutions.refreshed()  # another process may have rotated keys
        for key in pending:
            parent = self._institutions.current(key.institution_id)
            record = KeyRecord.wrap(
                key.kind,
                key.key_id,
                key.institution_id,
                parent.key_id,
                secret=key.secret,
                under=parent.secret,
            )
            records[key.kind].append(record)
        packages = self._packages.append(records[KeyKind.PACKAGE])
        return packages | self._patients.append(records[KeyKind.PATIENT])

    def package_key(self, key_id: KeyId, segment: int | None = None) -> bytes:
        """Return the 32 bytes of a package's key; quick when its segment is known.

        Raises KeyUnavailableError when it was forgotten or is not there, KeyringBrokenError when it is damaged on every
        replica that can be reached, VolumeUnavailableError when none can.
        """
        return self._open_record(self._packages.find(key_id, segment))

    def package_keys(self, segments: Mapping[KeyId, int]) -> dict[KeyId, bytes]:
        """Return the keys of many packages, as far as they are found without any doubt; `package_key` has the others.

        Raises VolumeUnavailableError when no replica answers.
        """
        records = self._packages.find_many(segments)
        opened = ((key_id, self._institutions.parent(each.parent), each) for key_id, each in records.items())
        secrets = ((key_id, each.secret(under.secret)) for key_id, under, each in opened if under is not None)
        return {key_id: secret for key_id, secret in secrets if secret is not None}

    def has_package_key(self, key_id: KeyId, segment: int | None = None) -> bool:
        """Whether a package's key is known here, a destroyed one too. Raises VolumeUnavailableError."""
        return self._packages.holds(key_id, segment)

    def patient_key(self, key_id: KeyId, segment: int | None = None) -> bytes:
        """Return the 32 bytes of a patient's key. Raises as `package_key` does."""
        return self._open_record(self._patients.find(key_id, segment))

    def forget(
        self,
        key_ids: Iterable[KeyId],
        segments: Mapping[KeyId, int] | None = None,
        kind: KeyKind = KeyKind.PACKAGE,
    ) -> Forgotten:
        """Destroy package (or patient) keys: their wrapped bytes are afterwards in no file of any replica reached.

        `segments` says where they are, as far as known. Raises as `KeySeries.forget` does.
        """
        series = self._packages if kind is KeyKind.PACKAGE else self._patients
        return series.forget(key_ids, segments or {})

    def set_recovery_key(self, recovery: bytes) -> KeyId:
        """Let another recovery key (32 bytes) open the root key, the old one no more; return its id.

        Raises VolumeUnavailableError or VolumeFullError when fewer than the minimum of replicas took it.
        """
        document = RootDocument.make(self.archive_id, self._root, recovery, self._document.number + 1)
        replace_everywhere(self._replicas, ROOT_DOCUMENT, document.encode())
        self._document = document
        return document.recovery_key_id

    def status(self) -> KeyringStatus:
        """Say what the keyring holds. Raises VolumeUnavailableError when no replica answers."""
        state, generations = self._institutions.read_state(), self._institutions.generations()
        package_keys, forgotten_packages = self._packages.count()
        patient_keys, forgotten_patients = self._patients.count()
        return KeyringStatus(
            archive_id=self.archive_id,
            root_key_id=self.root_key_id,
            recovery_key_id=self._document.recovery_key_id,
            institutions=sum(each.is_current for each in generations),
            generations=tuple(generations),
            package_keys=package_keys,
            patient_keys=patient_keys,
            forgotten=forgotten_packages + forgotten_patients,
            replicas=self._replicas.names,
            unreachable=tuple(sorted(state.failed)),
        )

    def verify(self) -> list[KeyringProblem]:
        """Read every replica, open every key, and say what is wrong where.

        Raises VolumeUnavailableError when no replica answers.
        """
        return verify_replicas(self._replicas, self._document, self._institutions.parent)

    def heal(self) -> list[KeyringRepair]:
        """Make every reachable replica equal to what counts; for whoever may write.

        Raises KeyringBrokenError, after healing the rest, when a record is damaged on every replica that has it.
        """
        return heal_replicas(self._replicas, self._document, self._institutions.parent)

    def _new_key(self, kind: KeyKind, institution_id: InstitutionId) -> PendingKey:
        self._institutions.current(institution_id)
        return PendingKey(KeyId(new_id()), kind, institution_id, new_secret())

    def _open_record(self, record: KeyRecord) -> bytes:
        under = self._institutions.parent(record.parent)
        secret = None if under is None else record.secret(under.secret)
        if secret is None:
            raise KeyUnavailableError(f"{record.kind} key {record.key_id} does not open", key=record.key_id)
        return secret


def _find_document(replicas: ReplicaSet, root: bytes) -> RootDocument:
    """Return the latest root document that the root key proves."""
    read = read_file(replicas, ROOT_DOCUMENT)
    documents = [
        document for document in map(parse_root_document, read.done.values()) if document is not None
    ]
    proven = [document for document in documents if document.is_proven(root)]
    if proven:
        return max(proven, key=lambda document: document.number)
    others = {document.root_key_id for document in documents} - {root_key_id(root)}
    if others:
        raise KeyUnavailableError(
            f"this root key is {root_key_id(root)}, the keyring is under {' or '.join(sorted(others))}",
            hint="put the right root key file in its place, or write it anew: retention keys recover",
        )
    raise KeyringBrokenError(
        f"{ROOT_DOCUMENT} is missing or damaged on every replica that can be reached",
        hint="bring back another volume that holds the keyring: retention volume check",
    )
