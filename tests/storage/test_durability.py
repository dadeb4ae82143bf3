"""What the directory driver syncs, in which order, and what it does when a sync fails.

The system calls are watched, not trusted: each test sees which descriptors and directories were synced.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from retention.model.errors import VolumeSuspectError
from retention.storage import names as names_module
from retention.storage import syscalls
from retention.storage.directory import DirectoryVolume
from retention.storage.state import VolumeState
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, sealed, spec


@dataclass
class Watch:
    """What was done, as `sync PATH` and `rename PATH`, and which syncs are to fail (a part of their path)."""

    root: Path
    steps: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    failing: str | None = None

    def sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.descriptors.append(descriptor)
        self.steps.append(f"sync {self.name(path)}")
        if self.failing is not None and self.failing in f"{self.name(path)}/":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def rename(self, target: str) -> None:
        self.steps.append(f"rename {self.name(Path(target))}")

    def name(self, path: Path) -> str:
        name = path.relative_to(self.root).as_posix()
        return "incoming" if name.startswith("incoming/") else name


@pytest.fixture
def volume(tmp_path):
    volume = DirectoryVolume(spec(), tmp_path / "cold-1", reserve_bytes=0)
    volume.initialise(identity())
    return volume


@pytest.fixture
def watch(volume, tmp_path, monkeypatch):
    watch = Watch(tmp_path / "cold-1")
    rename, replace = syscalls.rename_put_once, Path.rename

    def put_once(source: str, target: str) -> None:
        rename(source, target)
        watch.rename(target)

    def renamed(source: Path, target: str) -> Path:
        moved = replace(source, target)
        watch.rename(target)
        return moved

    monkeypatch.setattr(os, "fsync", watch.sync)
    monkeypatch.setattr(names_module, "rename_put_once", put_once)
    monkeypatch.setattr(Path, "rename", renamed)
    return watch


# the order of things


def test_an_object_is_synced_before_it_is_named_and_every_folder_of_its_name_after(volume, watch):
    put(volume)
    assert watch.steps[:2] == ["sync incoming", f"rename {KEY}"]
    assert sorted(watch.steps[2:]) == ["sync .", "sync packages", "sync packages/3f"]


def test_a_flush_syncs_each_folder_once_and_the_next_one_nothing(volume, watch):
    uploads = [sealed(volume, f"packages/{number % 2:02}/{number}") for number in range(6)]
    for upload in uploads:
        upload.publish()
    watch.steps.clear()
    volume.flush()
    assert sorted(watch.steps) == ["sync .", "sync packages", "sync packages/00", "sync packages/01"]
    volume.flush()
    assert len(watch.steps) == 4


def test_folders_that_exist_already_are_not_synced_again(volume, watch):
    put(volume)
    watch.steps.clear()
    put(volume, "packages/3f/3f01.00.g0.shard")
    assert watch.steps[-1:] == ["sync packages/3f"]
    assert len(watch.steps) == 3


def test_a_document_is_synced_renamed_and_its_folder_synced(volume, watch):
    volume.replace("keyring/x", b"x")
    assert watch.steps[:2] == ["sync incoming", "rename keyring/x"]
    assert sorted(watch.steps[2:]) == ["sync .", "sync keyring"]


def test_the_name_of_an_appended_object_is_durable_before_its_first_bytes(volume, watch):
    volume.append("journal/x", b"one")
    assert sorted(watch.steps[:-1]) == ["sync .", "sync journal"]
    assert watch.steps[-1] == "sync journal/x"
    watch.steps.clear()
    volume.append("journal/x", b"two")
    assert watch.steps == ["sync journal/x"]


def test_a_deletion_is_synced_also_when_another_process_made_it(volume, watch, tmp_path):
    put(volume)
    watch.steps.clear()
    (tmp_path / "cold-1" / KEY).unlink()
    assert volume.delete_many([KEY, "packages/ff/x"]) == 0
    assert watch.steps == ["sync packages/3f"]


def test_a_cut_is_synced(volume, watch):
    volume.append("journal/x", b"whole torn")
    watch.steps.clear()
    volume.truncate("journal/x", 5)
    assert watch.steps == ["sync journal/x"]


def test_a_flush_waits_for_the_flush_that_took_its_folder(volume, monkeypatch):
    """Two committers share a folder: neither may confirm before it is really synced."""
    started, go_on = threading.Event(), threading.Event()
    synced: list[str] = []

    def slow(path: str) -> None:
        started.set()
        assert go_on.wait(timeout=10)
        synced.append(path)

    monkeypatch.setattr(names_module, "sync_directory", slow)
    sealed(volume, KEY).publish()
    sealed(volume, "packages/3f/other").publish()
    first = threading.Thread(target=volume.flush)
    first.start()
    assert started.wait(timeout=10)
    second = threading.Thread(target=volume.flush)
    second.start()
    second.join(timeout=0.05)
    assert second.is_alive()
    go_on.set()
    first.join(timeout=10)
    second.join(timeout=10)
    assert sum(path.endswith("packages/3f") for path in synced) == 1


# a sync that fails


def test_a_file_whose_sync_failed_is_discarded_and_its_volume_suspect(volume, watch):
    put(volume, OTHER_KEY)
    watch.failing = "incoming"
    watch.descriptors.clear()
    upload = volume.begin(KEY, SESSION)
    upload.write(b"condemned")
    with pytest.raises(VolumeSuspectError, match=KEY) as failure:
        upload.seal()
    assert failure.value.hint
    assert volume.is_suspect
    assert volume.probe() is VolumeState.SUSPECT
    assert volume.incoming_sessions() == set()
    assert content(volume, OTHER_KEY) == b"bytes"
    # Never again on that descriptor: it is closed, and the upload over.
    assert len(watch.descriptors) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(watch.descriptors[0])
    for step in (upload.seal, upload.publish, lambda: upload.write(b"more")):
        with pytest.raises(RuntimeError):
            step()


def test_a_suspect_volume_takes_no_writes_though_its_syncs_work_again(volume, watch):
    watch.failing = "incoming"
    other = volume.begin(OTHER_KEY, SESSION)
    with pytest.raises(VolumeSuspectError):
        sealed(volume)
    watch.failing = None
    other.seal()
    other.publish()
    uses = [
        volume.flush,
        lambda: volume.begin(KEY, SESSION),
        lambda: volume.replace("note", b"x"),
        lambda: volume.append("journal/x", b"x"),
        lambda: volume.delete(OTHER_KEY),
    ]
    for use in uses:
        with pytest.raises(VolumeSuspectError):
            use()


@pytest.mark.parametrize("folder", ["packages/3f", "packages/", "./"])
def test_names_in_a_folder_whose_sync_failed_are_not_confirmed(volume, watch, folder):
    sealed(volume).publish()
    watch.failing = folder
    with pytest.raises(VolumeSuspectError):
        volume.flush()
    watch.failing = None
    with pytest.raises(VolumeSuspectError):
        volume.flush()


@pytest.mark.parametrize("failing", ["incoming", "keyring"])
def test_a_document_whose_sync_failed_leaves_no_temporary_file(volume, watch, failing):
    volume.replace("keyring/x", b"old")
    watch.failing = failing
    with pytest.raises(VolumeSuspectError):
        volume.replace("keyring/x", b"new")
    assert volume.incoming_sessions() == set()
    assert content(volume, "keyring/x") == (b"old" if failing == "incoming" else b"new")


@pytest.mark.parametrize("failing", ["journal/", "journal/x"])
def test_an_append_whose_sync_failed_is_not_confirmed(volume, watch, failing):
    watch.failing = failing
    with pytest.raises(VolumeSuspectError):
        volume.append("journal/x", b"one", 0)


def test_an_error_that_shows_while_bytes_go_out_counts_as_a_failed_sync(volume, monkeypatch):
    def broken(*_: int) -> int:
        return -1

    monkeypatch.setattr(syscalls, "_sync_file_range", broken)
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    with volume.begin(KEY, SESSION) as upload:
        upload.write(b"x")
        with pytest.raises(VolumeSuspectError):
            upload.start_write_out()
    assert volume.is_suspect
    assert keys(volume) == []
    assert volume.incoming_sessions() == set()


# early write-out


def test_bytes_go_out_in_windows_while_an_upload_streams(volume, monkeypatch):
    windows: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "retention.storage.directory_objects.start_write_out",
        lambda _, offset, length: windows.append((offset, length)),
    )
    mebibyte = bytes(1 << 20)
    with volume.begin(KEY, SESSION) as upload:
        for _ in range(9):
            upload.write(mebibyte)
        assert windows == [(0, 4 << 20), (4 << 20, 4 << 20)]
        upload.start_write_out()
        upload.start_write_out()
    assert windows[2:] == [(8 << 20, 1 << 20)]


def test_a_system_without_these_calls_does_the_same_more_slowly(volume, monkeypatch):
    monkeypatch.setattr(syscalls, "_sync_file_range", None)
    monkeypatch.setattr(syscalls, "_renameat2", None)
    monkeypatch.delattr(os, "posix_fadvise")
    with volume.begin(KEY, SESSION) as upload:
        upload.write(bytes(5 << 20))
        upload.seal()
        upload.publish()
    volume.flush()
    with volume.open(KEY, from_medium=True) as reader:
        assert reader.read_at(0, reader.size_bytes) == bytes(5 << 20)


def test_what_is_read_from_the_medium_is_dropped_from_memory_before_and_after(volume, monkeypatch):
    steps: list[tuple[str, int]] = []
    pread = os.pread

    def read(descriptor: int, length: int, offset: int) -> bytes:
        steps.append(("read", offset))
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", read)
    monkeypatch.setattr(
        os, "posix_fadvise", lambda _, offset, length, advice: steps.append((f"drop {length}", offset))
    )
    put(volume)
    with volume.open(KEY, from_medium=True) as reader:
        assert reader.read_at(0, 5) == b"bytes"
    assert steps == [("drop 0", 0), ("read", 0), ("drop 5", 0)]
    steps.clear()
    assert content(volume) == b"bytes"
    assert steps == [("read", 0)]
