"""What an audit looks at beside packages: each volume's identity and documents, the replicas of journal and keyring,
and objects that nobody knows.

An emptied volume on its recorded device is the same volume, damaged: it gets its identity back first, so that what it
lost can be made again on it. Objects nobody knows are reported and never removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from retention.catalog.records import VolumeRecord
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import IntegrityError, NotFoundError, StorageError
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.package.shard import read_header
from retention.services import commit, documents, events
from retention.services.stores import Stores
from retention.services.volumes import parse_shard_key
from retention.storage.identity import VolumeIdentity
from retention.storage.state import VolumeState
from retention.storage.volume import Volume


def check_volumes(stores: Stores, *, repair: bool) -> Iterator[Finding]:
    """Look at every volume's identity and documents, and put right what can be."""
    records = {record.spec.name: record for record in stores.catalog.volumes()}
    for volume in stores.volumes:
        state = volume.probe()
        if state is VolumeState.EMPTIED and volume.name in records:
            yield _identity(stores, volume, records[volume.name], repair=repair)
            state = volume.probe()
        if not state.is_readable:
            yield Finding(FindingKind.UNREADABLE, volume.name, subject="volume", detail=state.value)
        elif state is VolumeState.READY:
            yield from _documents(volume, repair=repair)


def check_replicas(stores: Stores, *, repair: bool) -> Iterator[Finding]:
    """Compare the replicas of journal and keyring, and make them equal to what counts.

    Raises JournalBrokenError or KeyringBrokenError when something is whole on no replica.
    """
    with stores.commit_lock.hold():
        yield from _replica_findings("journal", stores.journal.verify().problems, stores.journal.heal, repair=repair)
        yield from _replica_findings("keyring", stores.keyring.verify(), stores.keyring.heal, repair=repair)


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


def _replica_findings(
    subject: str, problems: Sequence[_Problem], heal: Callable[[], object], *, repair: bool
) -> Iterator[Finding]:
    mendable = [problem for problem in problems if problem.kind is not FindingKind.UNREADABLE]
    if mendable and repair:
        heal()
    for problem in problems:
        is_repaired = repair and problem.kind is not FindingKind.UNREADABLE
        yield Finding(
            problem.kind,
            problem.replica or "",
            subject=subject,
            detail=f"{problem.key}: {problem.detail}",
            repaired=is_repaired,
        )


def check_extra(stores: Stores) -> Iterator[Finding]:
    """Find shards that no package in the catalog accounts for."""
    for volume in stores.volumes:
        try:
            for stat in volume.list("packages/"):
                finding = _extra(stores, volume, stat.key)
                if finding is not None:
                    yield finding
        except StorageError:
            continue  # a volume that does not answer is a finding already


def _identity(stores: Stores, volume: Volume, record: VolumeRecord, *, repair: bool) -> Finding:
    finding = Finding(FindingKind.MISSING, volume.name, subject="identity", detail="the volume was emptied")
    if not repair:
        return finding
    at = stores.clock.now()
    identity = VolumeIdentity(stores.archive_id, record.volume_id, volume.name, format_instant(at))
    try:
        device = volume.adopt(identity)
        documents.write_to(volume)
    except StorageError as error:
        finding.detail += f"; not repaired: {error.message}"
        return finding
    data = volume_data(record, device.device, is_mount=device.is_mount)
    commit.append(stores, [NewEntry(at, stores.actor, events.VOLUME_ADOPT, data=data)])
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


def _documents(volume: Volume, *, repair: bool) -> Iterator[Finding]:
    for name in documents.missing_on(volume):
        finding = Finding(FindingKind.CORRUPT, volume.name, subject=name, detail="not as shipped")
        if repair:
            try:
                volume.replace(name, documents.shipped()[name])
                finding.repaired = True
            except StorageError as error:
                finding.detail += f"; not repaired: {error.message}"
        yield finding


def _extra(stores: Stores, volume: Volume, key: str) -> Finding | None:
    named = parse_shard_key(key)
    if named is not None and _is_known(stores, volume.name, named):
        return None
    try:
        with volume.open(key) as reader:
            header = read_header(reader)
        detail = f"it says it is shard {header.shard} of package {header.package}"
        kind = FindingKind.MISPLACED if _is_package(stores, header.package) else FindingKind.EXTRA
    except (IntegrityError, StorageError):
        kind, detail = FindingKind.EXTRA, "it is not a shard that can be read"
    return Finding(kind, volume.name, subject=key, detail=detail)


def _is_known(stores: Stores, volume: str, named: tuple[str, int, int]) -> bool:
    package, number, generation = named
    if not _is_package(stores, PackageId(package)):
        return False
    shards = stores.catalog.shards_of(PackageId(package))
    return any((s.number, s.generation, s.volume) == (number, generation, volume) for s in shards)


def _is_package(stores: Stores, package: PackageId) -> bool:
    try:
        stores.catalog.shards_of(package)
    except NotFoundError:
        return False
    return True
