"""What an audit looks at beside packages: each volume's identity and documents, the replicas of journal and keyring.

An emptied volume on its recorded device is the same volume, damaged: it gets its identity back first, so that what it
lost can be made again on it. What is said to be repaired has been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from retention.catalog.records import VolumeRecord
from retention.journal.check import JournalReport
from retention.journal.envelope import NewEntry
from retention.keyring.check import KeyringProblem
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, StorageError
from retention.model.findings import Finding, FindingKind
from retention.services import commit, documents, events, replicas
from retention.services.stores import Stores
from retention.storage.identity import VolumeIdentity
from retention.storage.state import VolumeState
from retention.storage.volume import Volume


def check_volumes(stores: Stores, *, repair: bool) -> Iterator[Finding]:
    """Look at every volume's identity and documents, and put right what can be. Raises what a commit raises."""
    records = {record.spec.name: record for record in stores.catalog.volumes()}
    for volume in stores.volumes:
        state = volume.probe()
        if state is VolumeState.EMPTIED and volume.name in records:
            yield _identity(stores, volume, records[volume.name], repair=repair)
            state = volume.probe()
        if not state.is_readable:
            yield Finding(FindingKind.UNREADABLE, volume.name, subject="volume", detail=state.value)
        elif state is VolumeState.READY:
            yield from _documents(stores, volume, repair=repair)


def check_replicas(stores: Stores, *, repair: bool) -> Iterator[Finding]:
    """Compare the replicas of journal and keyring, and make them equal to what counts.

    A sound archive is looked at without holding up those who commit. A key that is whole on no replica is a finding.
    The keyring proves itself only to who has the root key: without it only the journal is compared (`why_unchecked`).
    Raises JournalBrokenError when an entry of the journal is whole on no replica.
    """
    yield from _replica_findings(stores, "journal", stores.journal.verify, stores.journal.heal, repair=repair)
    if why_unchecked(stores) is None:
        yield from _replica_findings(
            stores, "keyring", stores.keyring.verify, stores.keyring.heal, repair=repair
        )


def why_unchecked(stores: Stores) -> str | None:
    """Return why the keyring cannot be checked here, None when it can."""
    try:
        _ = stores.keyring
    except KeyUnavailableError as error:
        return error.message
    return None


def check_keys(stores: Stores) -> Iterator[Finding]:
    """Compare the keys that the catalog's packages are under with those that the keyring has."""
    if why_unchecked(stores) is not None:
        return
    for key in replicas.keys_nowhere(stores):
        detail = f"key {key.key_id} is on no replica: this package's content cannot be read"
        yield Finding(FindingKind.MISSING, "", key.package_id, subject="keyring", detail=detail)


class _Problem(Protocol):
    """What journal and keyring have to say of one replica's file; `replica` is None when none has it whole."""

    @property
    def kind(self) -> FindingKind: ...

    @property
    def replica(self) -> str | None: ...

    @property
    def key(self) -> str: ...

    @property
    def detail(self) -> str: ...


class _Repair(Protocol):
    """One file of one replica that was made equal to what counts."""

    @property
    def replica(self) -> str: ...

    @property
    def key(self) -> str: ...


def _replica_findings(
    stores: Stores,
    subject: str,
    verify: Callable[[], JournalReport | list[KeyringProblem]],
    heal: Callable[[], Sequence[_Repair]],
    *,
    repair: bool,
) -> Iterator[Finding]:
    if not _problems(verify()):
        return
    with stores.commit_lock.hold():  # what was seen while somebody appended may be no problem at all
        stores.journal.refresh()
        problems = _problems(verify())
        healed: set[tuple[str | None, str]] = set()
        if repair and any(problem.kind is not FindingKind.UNREADABLE for problem in problems):
            try:
                healed = {(done.replica, done.key) for done in heal()}
            except KeyringBrokenError:  # the rest is healed; what is broken stays among the problems
                left = {(problem.replica, problem.key) for problem in _problems(verify())}
                healed = {(problem.replica, problem.key) for problem in problems} - left
    for problem in problems:
        yield Finding(
            problem.kind,
            problem.replica or "",
            subject=subject,
            detail=f"{problem.key}: {problem.detail}",
            repaired=(problem.replica, problem.key) in healed,
        )


def _problems(found: JournalReport | list[KeyringProblem]) -> Sequence[_Problem]:
    return found.problems if isinstance(found, JournalReport) else found


def _identity(stores: Stores, volume: Volume, record: VolumeRecord, *, repair: bool) -> Finding:
    finding = Finding(FindingKind.MISSING, volume.name, subject="identity", detail="missing or damaged")
    if not repair:
        return finding
    at = stores.clock.now()
    identity = VolumeIdentity(stores.archive_id, record.volume_id, volume.name, format_instant(at))
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        try:
            device = volume.adopt(identity)
        except StorageError as error:
            finding.detail += f"; not repaired: {error.message}"
            return finding
        data = volume_data(record, device.device, is_mount=device.is_mount)
        commit.append_locked(stores, [NewEntry(at, stores.actor, events.VOLUME_ADOPT, data=data)])
    finding.repaired = True
    return finding


def volume_data(record: VolumeRecord, device: str, *, is_mount: bool) -> dict[str, JsonValue]:
    """Return the public data of an entry about a volume."""
    return {
        "name": record.spec.name,
        "url": record.spec.url,
        "site": record.spec.site,
        "domain": record.spec.domain,
        "volume_id": record.volume_id,
        "device": device,
        "is_mount": is_mount,
    }


def _documents(stores: Stores, volume: Volume, *, repair: bool) -> Iterator[Finding]:
    try:
        missing = documents.missing_on(volume)
    except StorageError as error:
        yield Finding(FindingKind.UNREADABLE, volume.name, subject="documents", detail=error.message)
        return
    for name in missing:
        finding = Finding(FindingKind.CORRUPT, volume.name, subject=name, detail="not as shipped")
        if repair:
            try:
                with stores.commit_lock.hold():
                    volume.replace(name, documents.shipped()[name])
                finding.repaired = True
            except StorageError as error:
                finding.detail += f"; not repaired: {error.message}"
        yield finding
