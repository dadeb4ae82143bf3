"""Looking after volumes: what each holds and bears, and putting another place in a lost one's stead."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from retention.catalog.records import VolumeRecord
from retention.journal.envelope import NewEntry
from retention.model.clock import format_instant
from retention.model.errors import NotFoundError, PlacementError, StorageError, UsageError
from retention.model.identifiers import VolumeId, new_id
from retention.model.layout import VolumeSpec
from retention.services import commit, documents, events
from retention.services.audit.beside import volume_data
from retention.services.stores import Stores
from retention.storage.identity import VolumeIdentity
from retention.storage.open import open_volume
from retention.storage.placement import tier_tolerance
from retention.storage.state import VolumeState
from retention.storage.volume import Volume


@dataclass(frozen=True, slots=True)
class VolumeStatus:
    """One volume as it is now. `tiers` is empty for a spare; sizes are None when it does not answer."""

    spec: VolumeSpec
    state: VolumeState
    tiers: tuple[str, ...]
    carries_journal: bool
    shards: int
    flawed: int
    free_bytes: int | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class TierStatus:
    """What a tier's packages survive: losses of any volumes, and of any domains."""

    name: str
    protection: str
    volume_losses: int
    domain_losses: int
    problem: str | None = None


def volume_statuses(stores: Stores) -> list[VolumeStatus]:
    """Return every volume's status, in the order of archive.yaml."""
    usage = stores.catalog.volume_usage()
    replicas = set(stores.volumes.replica_names())
    statuses = []
    for volume in stores.volumes:
        state = volume.probe()
        free = total = None
        if state.is_readable:
            try:
                free, total = volume.free_bytes(), volume.total_bytes()
            except StorageError:
                state = VolumeState.MISSING
        used = usage.get(volume.name)
        statuses.append(
            VolumeStatus(
                volume.spec,
                state,
                tuple(t.name for t in stores.settings.tiers.values() if volume.name in t.volumes),
                volume.name in replicas,
                used.shards if used else 0,
                used.flawed if used else 0,
                free,
                total,
            )
        )
    return statuses


def tier_statuses(stores: Stores) -> list[TierStatus]:
    """Return the true tolerance of every tier."""
    statuses = []
    for tier in stores.settings.tiers.values():
        specs = [stores.settings.volumes[name] for name in tier.volumes]
        try:
            borne = tier_tolerance(specs, tier.protection, accept_single_domain=tier.accept_single_domain)
            statuses.append(TierStatus(tier.name, str(tier.protection), borne.volumes, borne.domains))
        except PlacementError as error:
            statuses.append(TierStatus(tier.name, str(tier.protection), 0, 0, error.message))
    return statuses


def replace_volume(stores: Stores, name: str, url: str | None) -> VolumeRecord:
    """Make another place (or the same one, vouched for by the operator) the volume `name`.

    One that stands in archive.yaml and is new to the archive (a spare, say) is made there. An empty place becomes it
    anew: its shards count as missing until an audit has made them again. A place that is that
    volume already, on whatever device, stays it with all that is on it. Raises NotFoundError for an unknown volume,
    UsageError for a place that is taken, StorageError.
    """
    records = {record.spec.name: record for record in stores.catalog.volumes()}
    if name not in stores.settings.volumes:
        raise NotFoundError(f"there is no volume {name}", hint="retention volume list shows the volumes")
    spec = stores.settings.volumes[name]
    if url is not None:
        spec = replace(spec, url=url)
    place = open_volume(spec, stores.root, stores.ticking)
    at = stores.clock.now()
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        identity = VolumeIdentity(stores.archive_id, VolumeId(new_id()), name, format_instant(at))
        known = replace(identity, volume_id=records[name].volume_id) if name in records else None
        if known is not None and _is_there(place, known):
            action, identity = events.VOLUME_ADOPT, known
            device = place.adopt(identity, on_this_device=True)
        else:
            action = events.VOLUME_ADD if known is None else events.VOLUME_REPLACE
            identity = _begun(place, identity, records.values()) or identity
            device = place.initialise(identity)
        documents.write_to(place)
        record = VolumeRecord(spec, identity.volume_id, device.device, device.is_mount, "ready", 0)
        data = volume_data(record, device.device, is_mount=device.is_mount)
        commit.append_locked(stores, [NewEntry(at, stores.actor, action, data=data)])
    stores.volumes.put(place)
    stores.settings.volumes[name] = spec
    stores.reopen_replicas()
    return record


def add_volume(stores: Stores, name: str) -> VolumeRecord:
    """Make the place of a volume that stands in archive.yaml, and is new to the archive, that volume.

    Raises NotFoundError for an unknown name, UsageError for one that is a volume already and for a place that is not
    empty or cannot be what archive.yaml says, StorageError.
    """
    if any(record.spec.name == name for record in stores.catalog.volumes()):
        raise UsageError(
            f"{name} is a volume of this archive already",
            hint="to put another place in its stead: retention volume replace",
        )
    return replace_volume(stores, name, None)


def record_moved(stores: Stores) -> list[str]:
    """Note which ready volumes lie on another device than recorded, and return their names. The lock must be held.

    An identity that matches makes a volume ready wherever it lies: a disk was exchanged, the archive was copied to
    another machine. Unless that is recorded, the old device would pass for the volume when the new one is away.
    """
    moved = []
    for record in stores.catalog.volumes():
        name = record.spec.name
        if name not in stores.volumes or stores.volumes[name].probe() is not VolumeState.READY:
            continue
        volume = stores.volumes[name]
        identity, device = volume.identity(), volume.device()
        is_recorded = (device.device, device.is_mount) == (record.device, record.is_mount)
        if is_recorded or identity is None or identity.volume_id != record.volume_id:
            continue
        data = volume_data(record, device.device, is_mount=device.is_mount)
        entry = NewEntry(stores.clock.now(), stores.actor, events.VOLUME_ADOPT, data=data)
        commit.append_locked(stores, [entry])
        moved.append(name)
    return moved


def adopt_emptied(stores: Stores) -> list[str]:
    """Give emptied volumes their identity back, that they may carry journal and keyring again; return their names.

    For when too few replicas are left to write to, so that nothing can be put right any more; the commit lock must be
    held. It is recorded by whoever can write then (`record_moved`), and the audit fills them.
    """
    adopted = []
    for record in stores.catalog.volumes():
        name = record.spec.name
        if name in stores.volumes and stores.volumes[name].probe() is VolumeState.EMPTIED:
            at = format_instant(stores.clock.now())
            with suppress(StorageError):
                stores.volumes[name].adopt(VolumeIdentity(stores.archive_id, record.volume_id, name, at))
                adopted.append(name)
    if adopted:
        stores.reopen_replicas()
    return adopted


def _is_there(place: Volume, known: VolumeIdentity) -> bool:
    found = _found(place)
    return found is not None and found.is_same(known)


def _begun(place: Volume, wanted: VolumeIdentity, records: Iterable[VolumeRecord]) -> VolumeIdentity | None:
    """Return the identity that a run gave this place and died before it was recorded: nothing else lies there yet."""
    found, known = _found(place), {record.volume_id for record in records}
    if (
        found is None
        or found.volume_id in known
        or not replace(found, volume_id=wanted.volume_id).is_same(wanted)
    ):
        return None
    return None if any(place.list("packages/")) else found


def _found(place: Volume) -> VolumeIdentity | None:
    try:
        return place.identity()
    except StorageError:
        return None
