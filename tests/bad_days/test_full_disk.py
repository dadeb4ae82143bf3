"""Full and read-only disks: a clear error, no wrong acknowledgement, other volumes untouched, and it goes on after."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from retention.journal.journal import Journal
from retention.model.errors import ArchiveError, CatalogError, PlacementError, RetentionError, VolumeFullError
from retention.services.audit.selection import Selection
from retention.storage.space import Space
from retention.storage.state import VolumeState
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.disks import Disk, disk
from tests.services.instances import instance
from tests.services.world import COLD, HOT, World, contents


def send(world: World, count: int = 4) -> None:
    for number in range(count):
        study = f"1.2.9.{number}"
        data = instance(1, study=study) + os.urandom(200_000)  # what follows the pixels is kept too
        world.send(f"{study}/1.dcm", data)


def test_a_study_too_large_for_what_is_left_is_refused_and_those_before_are_kept(empty: World):
    send(empty)
    with disk(empty.volume("hot-a"), 1500) as one, disk(empty.volume("hot-b"), 1500) as other:
        one.fill(500_000)
        other.fill(500_000)
        before = empty.digest(*COLD)
        with pytest.raises(
            PlacementError, match="only 0 of 2 shards could be written, 1 are needed"
        ) as refused:
            empty.ingest()
        assert "volume hot-a" in refused.value.message
        assert "volume hot-b" in refused.value.message
        assert "free space" in str(refused.value.hint)
        held = require_whole_or_absent(empty)
        assert 1 <= len(held) < 4
        touched = {n for n, d in empty.digest(*COLD).items() if before.get(n) != d}
        assert all("/journal/" in name or "/keyring/" in name for name in touched)
        for each in (one, other):
            each.resize(8192)
        assert empty.ingest().stored == 4 - len(held)
        require_sound(empty)


def test_one_full_volume_of_two_is_a_debt_that_an_audit_settles_later(empty: World):
    send(empty, 2)
    with disk(empty.volume("hot-b"), 700) as full:
        filler = full.fill(60_000)
        report = empty.ingest()
        assert (report.stored, report.write_debt) == (2, 2)
        assert require_whole_or_absent(empty) == {"1.2.9.0", "1.2.9.1"}
        filler.unlink()
        assert empty.audit(Selection(tier="hot")).settled == 2
        require_sound(empty)


def test_a_full_volume_still_takes_the_journal_for_there_is_a_reserve(empty: World):
    send(empty, 1)
    with disk(empty.volume("cold-1"), 1024) as full:
        full.fill(40_000)
        assert empty.ingest().stored == 1
        with empty.opened() as stores:
            size = stores.journal.size
            assert all(
                r.size("journal/000000000000.envelopes")
                for r in stores.volumes.replicas(stores.volumes.states())
            )
        assert size == len(
            (empty.volume("cold-1") / "journal" / "000000000000.envelopes").read_bytes().splitlines()
        )


@pytest.mark.parametrize("full", [("hot-a",), ("hot-b",), HOT], ids="-".join)
def test_the_same_where_nobody_may_mount_a_disk(
    empty: World, full: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    """No space, said by the volume's own count of it."""
    send(empty, 2)
    spend = Space.spend

    def spending(self: Space, size_bytes: int) -> None:
        if self._volume in full and size_bytes > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        spend(self, size_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(Space, "spend", spending)
        if full == HOT:
            with pytest.raises(PlacementError, match="No space left"):
                empty.ingest()
        else:
            assert empty.ingest().write_debt == 2
    assert len(require_whole_or_absent(empty)) == (0 if full == HOT else 2)
    empty.ingest()
    require_sound(empty)


def test_a_disk_that_fills_up_while_a_shard_is_made_again_changes_nothing(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    damaged = held.shards("hot-a")[0]
    data = bytearray(damaged.read_bytes())
    data[300] ^= 1
    damaged.write_bytes(bytes(data))

    def full(*_: object) -> None:
        raise VolumeFullError("volume hot-a: only the reserve is left")

    with monkeypatch.context() as patch:
        patch.setattr(Space, "spend", full)
        report = held.audit()
    assert (report.damaged, report.repaired) == (1, 0)
    assert "only the reserve" in report.findings[0].detail
    assert contents(held.export()) == sorted(held.sent.values())
    assert held.audit().repaired == 1
    assert held.leftovers() == []


def test_a_read_only_volume_is_read_and_not_written(held: World):
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    with disk(held.volume("hot-b")) as frozen:
        frozen.be_read_only()
        before = held.digest("hot-b")
        with held.opened() as stores:
            assert stores.volumes["hot-b"].probe() is VolumeState.READ_ONLY
        report = held.ingest()
        assert (report.stored, report.write_debt) == (1, 1)
        assert held.digest("hot-b") == before
        assert contents(held.export()) == sorted(held.sent.values())
        frozen.be_writable()
        assert held.audit().settled == 1
        assert held.audit().findings == []


def test_a_damaged_shard_on_a_read_only_volume_is_found_and_said_not_to_be_repaired(held: World):
    with disk(held.volume("hot-b")) as frozen:
        shard = held.shards("hot-b")[0]
        data = bytearray(shard.read_bytes())
        data[300] ^= 1
        shard.write_bytes(bytes(data))
        frozen.be_read_only()
        report = held.audit()
        (finding,) = [finding for finding in report.findings if finding.shard is not None]
        assert not finding.repaired
        assert contents(held.export()) == sorted(held.sent.values())
        frozen.be_writable()
        assert held.audit().repaired == 1


def own_catalog_folder(world: World) -> Path:
    """Let the catalog lie in a folder of its own, which can be full while the archive's is not."""
    folder = world.root / "index"
    folder.mkdir()
    (world.root / "catalog.db").rename(folder / "catalog.db")
    settings = world.root / "archive.yaml"
    settings.write_text(settings.read_text().replace("sqlite:///catalog.db", "sqlite:///index/catalog.db"))
    return folder


def fails_with(kind: type[RetentionError], world: World) -> RetentionError:
    with pytest.raises(kind) as refused:
        world.ingest()
    assert refused.value.message
    assert refused.value.hint
    return refused.value


def test_a_full_catalog_loses_nothing_and_goes_on_when_there_is_space(empty: World):
    send(empty, 3)
    with disk(own_catalog_folder(empty), 2048) as index:
        empty.ingest(empty.source / "1.2.9.0")
        filler = index.fill()
        error = fails_with(CatalogError, empty)
        assert "no space is left" in error.message or "cannot be used" in error.message
        filler.unlink()
        held = require_whole_or_absent(empty, {"1.2.9.0"})
        assert empty.ingest().stored == 3 - len(held)
        require_sound(empty)


def test_a_catalog_that_fills_up_at_the_commit_itself_removes_nothing_that_is_in_the_journal(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    """The journal has it, the catalog has no room: the package is there at the next start, whole."""
    send(empty, 2)
    with disk(own_catalog_folder(empty), 2048) as index:
        append = Journal.append

        def appending(self: Journal, entries: Any) -> Any:
            written = append(self, entries)
            if any(entry.action == "package.ingest" for entry in entries):
                index.fill()
            return written

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", appending)
            fails_with(CatalogError, empty)
        (index.path / "filler").unlink()
        assert require_whole_or_absent(empty) == {"1.2.9.0", "1.2.9.1"}
        require_sound(empty)


def test_a_read_only_catalog_is_refused_clearly(held: World):
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    with disk(own_catalog_folder(held)) as index:
        with held.opened():
            pass
        index.be_read_only()
        fails_with(CatalogError, held)
        index.be_writable()
        held.ingest()
        require_sound(held)


def test_a_folder_that_takes_no_session_is_told_before_anything_is_written(held: World):
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    before = held.digest()
    with disk(held.root / "sessions", 64) as small:
        small.fill()
        fails_with(ArchiveError, held)
        assert held.digest() == before


def test_disks_here_are_what_they_are_called(empty: World):
    with disk(empty.volume("cold-6"), 1024) as small:
        assert isinstance(small, Disk)
        small.fill()
        with pytest.raises(OSError, match="No space left"):
            (small.path / "more").write_bytes(bytes(10_000))
