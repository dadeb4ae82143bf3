"""The first moments: identities, documents, first entries, and nothing that looks like an archive before it is one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retention.archive import create_archive, open_archive
from retention.model.errors import ArchiveNotFoundError, ClockRefusedError, SettingsError, UsageError
from retention.services import documents, events, initialise, root_key_file
from retention.services.entries.config import CONFIG_APPLY
from retention.services.entries.policies import POLICY_APPLY
from retention.services.policies import library_files
from retention.storage.syscalls import sync_directory
from tests.services.world import COLD, GLACIER, HOT, REPLICAS, VOLUMES, World

AT = datetime(2046, 1, 1, tzinfo=UTC)


def test_every_volume_has_its_identity_and_the_two_documents(empty: World):
    with empty.opened() as stores:
        recorded = {record.spec.name: record for record in stores.catalog.volumes()}
        assert list(recorded) == list(VOLUMES)
        for volume in stores.volumes:
            identity = volume.identity()
            assert identity is not None
            assert (identity.archive_id, identity.name) == (stores.archive_id, volume.name)
            assert identity.volume_id == recorded[volume.name].volume_id
            assert documents.missing_on(volume) == []
    assert len({record.volume_id for record in recorded.values()}) == 10


def test_journal_and_keyring_lie_on_both_hot_and_the_first_three_cold_volumes(empty: World):
    assert [name for name in VOLUMES if (empty.volume(name) / "journal").is_dir()] == list(REPLICAS)
    assert [name for name in VOLUMES if (empty.volume(name) / "keyring" / "root.json").is_file()] == list(
        REPLICAS
    )


def test_the_first_entries_say_what_the_archive_is(empty: World):
    with empty.opened() as stores:
        entries = [entry.envelope for entry in stores.journal.read()]
        actions = [entry.action for entry in entries]
        assert actions == [events.ARCHIVE_CREATE, *[events.VOLUME_ADD] * 10, CONFIG_APPLY, POLICY_APPLY]
        assert entries[0].objects == {"archive": stores.archive_id}
        assert entries[0].data == {"rehearsal": False}
        assert not initialise.is_rehearsal(stores)
        assert stores.catalog.position().size == 13


def test_the_default_tiers_are_copies_a_code_and_slow_copies(empty: World):
    with empty.opened() as stores:
        tiers = stores.settings.tiers
        assert {name: (str(tier.protection), tier.volumes) for name, tier in tiers.items()} == {
            "hot": ("2 copies", HOT), "cold": ("4+2", COLD), "glacier": ("2 copies", GLACIER)
        }  # fmt: skip


def test_the_root_key_is_its_owners_alone_and_on_no_volume(empty: World):
    key = empty.root / "secrets" / "root.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    secret = key.read_text().split()[1]
    for path in empty.files():
        assert secret.encode() not in path.read_bytes()
        assert bytes.fromhex(secret) not in path.read_bytes()


def test_the_root_keys_name_is_durable_before_anything_is_under_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: list[str] = []

    def noted(path: Path) -> None:
        synced.append(str(path))
        sync_directory(path)

    monkeypatch.setattr(root_key_file, "sync_directory", noted)
    create_archive(folder / "A", "test", is_rehearsal=False).stores.close()
    assert synced[:2] == [str(folder / "A" / "secrets"), str(folder / "A")]


def test_a_folder_that_is_not_empty_is_refused_and_untouched(folder: Path):
    (folder / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        create_archive(folder, "test", is_rehearsal=False)
    assert os.listdir(folder) == ["mine"]


def test_an_archive_that_is_not_finished_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(initialise, "record_beginning", killed)
        with pytest.raises(KeyboardInterrupt):
            create_archive(folder / "A", "test", is_rehearsal=False)
    assert not (folder / "A" / "archive.yaml").exists()
    with pytest.raises((ArchiveNotFoundError, SettingsError)):
        open_archive(folder / "A")


def test_only_a_rehearsal_takes_its_time_from_somebody(empty: World, folder: Path):
    with pytest.raises(ClockRefusedError):
        open_archive(empty.root, as_of=AT)
    create_archive(folder / "R", "rehearsal", is_rehearsal=True).stores.close()
    stores = open_archive(folder / "R", as_of=AT)
    assert stores.clock.now() == AT
    assert initialise.is_rehearsal(stores)
    stores.close()


@pytest.mark.parametrize("was_there", [True, False])
def test_what_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch, was_there: bool):
    root, key = tmp_path / "A", tmp_path / "elsewhere" / "root.key"
    monkeypatch.setenv("RETENTION_ROOT_KEY_FILE", str(key))
    if was_there:
        root.mkdir()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(initialise, "record_beginning", fail)
    with pytest.raises(OSError, match="No space"):
        create_archive(root, "test", is_rehearsal=False)
    assert not key.exists()
    assert root.exists() == was_there
    assert not was_there or list(root.iterdir()) == []
    monkeypatch.undo()
    create_archive(root, "test", is_rehearsal=False).stores.close()


def test_the_library_lies_beside_the_archive_and_only_the_standard_plan_is_in_force(empty: World):
    files = {path.name: path.read_text() for path in (empty.root / "policies").iterdir()}
    assert files == dict(library_files())
    with empty.opened() as stores:
        in_force = [(force.policy.kind, force.policy.name) for force in stores.catalog.policies.in_force()]
        assert in_force == [("StoragePlan", "standard")]
