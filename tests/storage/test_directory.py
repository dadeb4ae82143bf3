"""The directory driver keeps the contract, and does on the file system what it says it does."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retention.model.errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    VolumeUnavailableError,
)
from retention.storage.directory import DirectoryVolume
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.state import VolumeState
from tests.storage.conformance import ObjectConformance, Place
from tests.storage.conformance_documents import AppendConformance, DocumentConformance, SpaceConformance
from tests.storage.conformance_identity import IdentityConformance
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, sealed, spec

pytestmark = pytest.mark.usefixtures("unsynced")
EVERYTHING = 1 << 60


class DirectoryPlace(Place):
    def __init__(self, root: Path) -> None:
        self.root = root

    def open(
        self,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        full: bool = False,
    ) -> DirectoryVolume:
        reserve_bytes = EVERYTHING if full else 0
        return DirectoryVolume(
            spec(), self.root, expected=expected, recorded=recorded, reserve_bytes=reserve_bytes
        )

    def damage(self, key: str, data: bytes | None) -> None:
        if data is None:
            (self.root / key).unlink()
        else:
            (self.root / key).write_bytes(data)

    def vanish(self) -> None:
        shutil.rmtree(self.root)


@pytest.fixture
def place(tmp_path):
    return DirectoryPlace(tmp_path / "cold-1")


@pytest.fixture
def volume(place):
    volume = place.open()
    volume.initialise(identity())
    return volume


class TestObjects(ObjectConformance):
    pass


class TestDocuments(DocumentConformance):
    pass


class TestAppends(AppendConformance):
    pass


class TestSpace(SpaceConformance):
    pass


class TestIdentity(IdentityConformance):
    pass


def test_files_and_folders_are_for_their_owner_alone(place, volume):
    with sealed(volume, OTHER_KEY):
        put(volume)
        volume.append("journal/x", b"x")
        for path in [place.root, *place.root.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_unfinished_uploads_lie_on_the_same_file_system_under_their_session(place, volume):
    with sealed(volume):
        (unfinished,) = (place.root / "incoming").iterdir()
        assert unfinished.name.startswith(f"{SESSION}-")
    assert list((place.root / "incoming").iterdir()) == []


def test_a_volume_whose_folders_were_all_removed_takes_uploads_once_adopted(place, volume):
    record = volume.device()
    for entry in place.root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    volume = place.open(expected=identity(), recorded=record)
    assert volume.probe() is VolumeState.EMPTIED
    volume.adopt(identity())
    shutil.rmtree(place.root / "incoming")
    put(volume)
    assert content(volume) == b"bytes"


def test_links_folders_and_pipes_are_not_objects(place, volume, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (place.root / "packages").mkdir()
    (place.root / "packages" / "link").symlink_to(tmp_path / "elsewhere")
    (place.root / "packages" / "folder").mkdir()
    os.mkfifo(place.root / "packages" / "pipe")
    for key in ("packages/link", "packages/folder", "packages/pipe"):
        for use in (volume.open, volume.stat):
            with pytest.raises(ObjectNotFoundError):
                use(key)
    assert keys(volume) == []


def test_a_place_that_is_a_link_in_a_circle_is_missing(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert DirectoryPlace(tmp_path / "a").open().probe() is VolumeState.MISSING


def test_looking_at_the_size_and_appending_is_one_step(volume, monkeypatch):
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        time.sleep(0.01)
        return write(descriptor, data)

    def append(data: bytes) -> bool:
        try:
            volume.append("journal/x", data, 1)
        except ObjectChangedError:
            return False
        return True

    volume.append("journal/x", b"0", 0)
    monkeypatch.setattr(os, "write", slow)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(append, [b"1", b"2", b"3", b"4"])) == 1
    assert volume.stat("journal/x").size_bytes == 2


def test_an_object_absent_because_its_volume_went_away_is_not_reported_absent(place, volume, monkeypatch):
    put(volume)
    monkeypatch.setattr(volume, "_is_as_it_was", lambda: True)  # it goes just after it was looked at
    place.vanish()
    for use in (volume.open, volume.stat, lambda key: volume.begin(key, SESSION)):
        with pytest.raises(VolumeUnavailableError):
            use(KEY)
    with pytest.raises(VolumeUnavailableError):
        list(volume.list())


def test_a_file_system_without_locks_is_appended_to(volume, monkeypatch):
    def no_locks(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    volume.append("journal/x", b"one", 0)
    volume.truncate("journal/x", 1)
    assert content(volume, "journal/x") == b"o"


def test_what_is_not_named_as_an_object_is_not_listed(place, volume):
    put(volume)
    (place.root / "lost+found").mkdir()
    (place.root / "Thumbs.db").touch()
    (place.root / "packages" / ".nfs0001").touch()
    assert keys(volume, "") == [KEY, "volume.json"]


def test_a_mount_point_that_lost_its_volume_between_begin_and_publish_is_left_alone(place, volume):
    upload = sealed(volume)
    place.vanish()
    place.root.mkdir()
    with pytest.raises(VolumeUnavailableError), upload:
        upload.publish()
    assert list(place.root.iterdir()) == []


def test_an_object_whose_bytes_the_medium_cannot_read_is_unreadable_and_the_volume_is_not(
    volume, monkeypatch
):
    put(volume)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    for from_medium in (False, True):
        with (
            volume.open(KEY, from_medium=from_medium) as reader,
            pytest.raises(ObjectUnreadableError, match=KEY),
        ):
            reader.read_at(0, 1)
    assert volume.probe() is VolumeState.READY


def test_short_reads_and_writes_of_the_system_are_carried_on(volume, monkeypatch):
    write, writev, pread = os.write, os.writev, os.pread
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    monkeypatch.setattr(os, "writev", lambda fd, pieces: writev(fd, [pieces[0][:2]]))
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 4), offset))
    with volume.begin(KEY, SESSION) as upload:
        upload.write(b"one piece, ")
        upload.write(b"and two", b" more")
        upload.seal()
        upload.publish()
    assert content(volume) == b"one piece, and two more"
    with volume.open(KEY) as reader:
        assert reader.read_at(4, 100) == b"piece, and two more"


def test_where_the_file_system_cannot_rename_without_replacing_links_do_the_same(volume, monkeypatch):
    monkeypatch.setattr("retention.storage.syscalls._renameat2", None)
    put(volume)
    with sealed(volume, KEY, b"second") as upload, pytest.raises(Exception, match="exists already"):
        upload.publish()
    assert content(volume) == b"bytes"
    assert volume.incoming_sessions() == set()


def test_uploads_do_not_collect_open_files(volume):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(10):
        put(volume, f"packages/00/{number}")
        with sealed(volume, f"packages/01/{number}"):
            pass
        assert content(volume, f"packages/00/{number}") == b"bytes"
        volume.append("journal/x", b"x")
        volume.replace("note", b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
