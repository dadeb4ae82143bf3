"""The first moments of an archive: volumes get their identities, and the journal its first entries.

The first entry says what the archive is and whether it is a rehearsal: not in an editable file, but where nobody can
change it unseen.
"""

from __future__ import annotations

from pathlib import Path

from retention.catalog.records import VolumeRecord
from retention.journal.envelope import NewEntry
from retention.model.clock import format_instant
from retention.model.identifiers import VolumeId, new_id
from retention.services import commit, documents, events, policies
from retention.services.audit.beside import volume_data
from retention.services.entries import config
from retention.services.entries.acting import Deed
from retention.services.entries.policies import apply_entry, record_of
from retention.services.stores import Stores
from retention.services.volumes import VolumeSet
from retention.settings.save import save_text
from retention.storage.identity import DeviceRecord, VolumeIdentity

POLICIES = "policies"
"""Where an archive keeps the files of its policies."""


def initialise_volumes(stores: Stores, volumes: VolumeSet) -> dict[VolumeId, DeviceRecord]:
    """Make every place its volume, and put the documents on it; return what was recorded, in order.

    Raises UsageError for a place that is not empty.
    """
    recorded: dict[VolumeId, DeviceRecord] = {}
    with stores.commit_lock.hold():
        for volume in volumes:
            volume_id = VolumeId(new_id())
            created_at = format_instant(stores.clock.now())
            identity = VolumeIdentity(stores.archive_id, volume_id, volume.name, created_at)
            recorded[volume_id] = volume.initialise(identity)
            documents.write_to(volume)
    return recorded


def record_beginning(
    stores: Stores, recorded: dict[VolumeId, DeviceRecord], settings_text: str, *, is_rehearsal: bool
) -> None:
    """Make the keyring and append the first entries: the archive itself, its volumes, its settings, the plan."""
    _ = stores.keyring  # opening it makes it
    at = stores.clock.now()
    entries = [
        NewEntry(
            at,
            stores.actor,
            events.ARCHIVE_CREATE,
            objects={"archive": stores.archive_id},
            data={"rehearsal": is_rehearsal},
        )
    ]
    for volume, (volume_id, device) in zip(stores.volumes, recorded.items(), strict=True):
        record = VolumeRecord(volume.spec, volume_id, device.device, device.is_mount, "ready", 0)
        data = volume_data(record, device.device, is_mount=device.is_mount)
        entries.append(NewEntry(at, stores.actor, events.VOLUME_ADD, data=data))
    key = stores.keyring.index_key
    entries.append(config.apply_entry(key, at, stores.actor, settings_text, is_loosening=False, reason=None))
    plan = record_of(policies.library_entry(policies.DEFAULT_PLAN))
    key = stores.keyring.index_key
    entries.append(
        apply_entry(key, Deed(at, stores.actor), plan, replaces=None, is_loosening=False, reason=None)
    )
    with stores.commit_lock.hold():
        commit.append_locked(stores, entries)


def copy_library(folder: Path) -> None:
    """Copy the library of policies and plans, with the schema editors complete from; nothing of it is in force."""
    folder.mkdir(mode=0o755)
    for name, text in policies.library_files():
        save_text(folder / name, text)


def is_rehearsal(stores: Stores) -> bool:
    """Whether the journal's first entry says so."""
    first = next(stores.journal.read(0), None)
    return (
        first is not None
        and first.envelope.action == events.ARCHIVE_CREATE
        and first.envelope.data.get("rehearsal") is True
    )
