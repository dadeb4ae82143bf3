"""Bad days of a directory volume: every system call failing in turn, a full medium, a read-only one, kill -9."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from retention.model.errors import StorageError, VolumeFullError, VolumeUnavailableError
from retention.storage import syscalls
from retention.storage.directory import DirectoryVolume
from retention.storage.state import VolumeState
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, spec

# What a volume asks of the system; reads and closes among them.
CALLS = ("open", "write", "writev", "fsync", "fstat", "pread", "ftruncate", "scandir", "posix_fadvise")
METHODS = ("rename", "unlink", "mkdir", "lstat", "stat")


def new_volume(root: Path) -> DirectoryVolume:
    volume = DirectoryVolume(spec(), root, reserve_bytes=0)
    volume.initialise(identity())
    return volume


class NthCall:
    """Lets the Nth call fail, of all that are counted."""

    def __init__(self, nth: int, code: int, *, forever: bool) -> None:
        self.left = nth
        self.code = code
        self.forever = forever
        self.struck = False

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def fail_or_call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 or (self.left < 0 and self.forever):
                self.struck = True
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **named)

        return fail_or_call


@contextmanager
def failing(nth: int, code: int, *, forever: bool) -> Iterator[NthCall]:
    fault = NthCall(nth, code, forever=forever)
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, fault.counted(getattr(os, name)))
        for name in METHODS:
            patch.setattr(Path, name, fault.counted(getattr(Path, name)))
        patch.setattr("retention.storage.names.rename_put_once", fault.counted(syscalls.rename_put_once))
        yield fault


def run(volume: DirectoryVolume, done: set[str]) -> None:
    """What an ingest does to a volume; notes what was confirmed."""
    for key in (KEY, OTHER_KEY):
        with volume.begin(key, SESSION) as upload:
            upload.write(key.encode())
            upload.write(b"!", b"!")
            upload.start_write_out()
            upload.seal()
            upload.publish()
        assert content(volume, key) == key.encode() + b"!!"
    volume.flush()
    done |= {KEY, OTHER_KEY}
    volume.append("journal/x", b"line\n", 0)
    done.add("journal/x")
    volume.replace("note", b"old")
    volume.replace("note", b"new")
    done.add("note")
    done.remove(KEY)
    volume.delete(KEY)


def refused(volume: DirectoryVolume, done: set[str]) -> StorageError | None:
    try:
        run(volume, done)
    except StorageError as error:
        return error
    return None


WHOLE = {
    KEY: [KEY.encode() + b"!!"],
    OTHER_KEY: [OTHER_KEY.encode() + b"!!"],
    "journal/x": [b"line\n"],
    "note": [b"new"],
}
# What may be seen of what was not confirmed. An append may be torn, and a new object of it still be empty.
UNCONFIRMED = WHOLE | {"journal/x": [b"", b"line\n"], "note": [b"old", b"new"]}


@pytest.mark.usefixtures("unsynced")
@pytest.mark.parametrize("forever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS], ids=["EIO", "ENOSPC", "EROFS"])
def test_whichever_system_call_fails_what_is_confirmed_is_whole_and_the_rest_whole_or_absent(
    tmp_path, code, forever
):
    nth, struck = 0, True
    while struck:
        nth += 1
        volume, done = new_volume(tmp_path / f"{nth}"), set[str]()
        with failing(nth, code, forever=forever) as fault:
            refusal = refused(volume, done)
        struck = fault.struck
        # Early write-out and dropping caches are hints, so not every fault needs to stop the run.
        assert struck or refusal is None
        assert refusal is None or volume.name in refusal.message
        volume = new_volume(tmp_path / f"{nth}")
        for session in volume.incoming_sessions():
            volume.discard_incoming(session)
        found = {key: content(volume, key) for key in keys(volume, "") if key != "volume.json"}
        assert set(found) >= done
        assert all(data in (WHOLE if key in done else UNCONFIRMED)[key] for key, data in found.items())
        assert list((tmp_path / f"{nth}" / "incoming").iterdir()) == []
    assert nth > 50  # so many system calls does it take


# media that are really full or read-only


@pytest.fixture
def small_medium(tmp_path):
    """A file system of two mebibytes of its own."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(options, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs the rights of root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(volume: DirectoryVolume) -> int:
    """Store objects until the volume is full; return how many fitted."""
    for number in range(100):
        with volume.begin(f"packages/00/{number}", SESSION) as upload:
            upload.write(bytes(100_000))
            upload.seal()
            upload.publish()
        volume.flush()
    return 100


def test_a_full_medium_refuses_and_keeps_what_it_has(small_medium):
    volume = new_volume(small_medium)
    with pytest.raises(VolumeFullError) as full:
        fill(volume)
    assert full.value.hint
    assert not volume.is_suspect
    assert volume.probe() is VolumeState.READY
    assert volume.incoming_sessions() == set()
    found = keys(volume)
    assert 10 <= len(found) <= 21
    assert all(content(volume, key) == bytes(100_000) for key in found)
    volume.delete(found[0])
    put(volume, "packages/00/again", bytes(50_000))


def test_a_reserve_leaves_room_for_the_journal(small_medium):
    new_volume(small_medium)
    volume = DirectoryVolume(spec(), small_medium, reserve_bytes=500_000)
    with pytest.raises(VolumeFullError, match="reserve"):
        fill(volume)
    assert volume.free_bytes() >= 500_000
    for _ in range(4):
        volume.append("journal/x", bytes(100_000))
    assert volume.stat("journal/x").size_bytes == 400_000


def test_an_append_that_found_no_room_leaves_the_object_as_it_was(small_medium):
    volume = new_volume(small_medium)
    volume.append("journal/x", b"whole\n", 0)
    with pytest.raises(VolumeFullError):
        volume.append("journal/x", bytes(4 << 20), 6)
    assert content(volume, "journal/x") == b"whole\n"
    volume.append("journal/x", b"next\n", 6)
    with pytest.raises(VolumeFullError):
        volume.replace("journal/x", bytes(4 << 20))
    assert content(volume, "journal/x") == b"whole\nnext\n"


def test_a_read_only_medium_is_read_and_not_written(small_medium):
    volume = new_volume(small_medium)
    put(volume)
    upload = volume.begin(OTHER_KEY, SESSION)
    upload.abort()
    subprocess.run(["mount", "-o", "remount,ro", str(small_medium)], check=True)
    with pytest.raises(VolumeUnavailableError):
        volume.begin(OTHER_KEY, SESSION)
    assert volume.probe() is VolumeState.READ_ONLY
    with pytest.raises(VolumeUnavailableError, match="read-only"):
        volume.append("journal/x", b"x")
    assert content(volume) == b"bytes"
    assert not volume.is_suspect


def test_an_empty_mount_point_is_not_written(small_medium):
    record = new_volume(small_medium).device()
    assert record.is_mount
    subprocess.run(["umount", str(small_medium)], check=True)
    try:
        volume = DirectoryVolume(spec(), small_medium, expected=identity(), recorded=record)
        assert volume.probe() is VolumeState.UNMOUNTED
        with pytest.raises(VolumeUnavailableError, match="mounted"):
            volume.begin(KEY, SESSION)
        assert list(small_medium.iterdir()) == []
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(small_medium)], check=True)
    assert volume.probe() is VolumeState.UNMOUNTED  # another, empty file system in its place
    with pytest.raises(VolumeUnavailableError):
        volume.begin(KEY, SESSION)


def test_a_file_larger_than_the_process_may_write_is_refused_as_full(tmp_path):
    new_volume(tmp_path / "cold-1")
    code = (
        "import resource, sys; from pathlib import Path; from tests.storage.test_faults import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "volume = new_volume(Path(sys.argv[1]))\n"
        "with volume.begin(KEY, SESSION) as upload, pytest.raises(VolumeFullError):\n"
        "    upload.write(bytes(200_000))\n"
        "assert volume.incoming_sessions() == set()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "cold-1")], check=True)


# kill -9

WRITER = """
import sys
from pathlib import Path
from tests.storage.test_faults import new_volume
from tests.storage.places import sealed
volume = new_volume(Path(sys.argv[1]))
for number in range(1_000_000):
    key = f"packages/{number % 7:02}/{sys.argv[2]}{number}"
    upload = sealed(volume, key, key.encode() * 999, sys.argv[2])
    upload.publish()
    volume.flush()
    print(key, flush=True)
"""


def test_a_killed_writer_leaves_whole_objects_and_files_to_discard(tmp_path):
    root = tmp_path / "cold-1"
    new_volume(root)
    confirmed: list[str] = []
    for session, wait_s in (("a", 0.0), ("b", 0.01), ("c", 0.03), ("d", 0.1)):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), session], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        confirmed.append(writer.stdout.readline().strip())
        time.sleep(wait_s)
        writer.send_signal(signal.SIGKILL)
        # A last line may be cut off by the kill.
        confirmed += [
            line.strip() for line in writer.communicate()[0].splitlines(keepends=True) if "\n" in line
        ]
    volume = new_volume(root)
    for session in volume.incoming_sessions():
        volume.discard_incoming(session)
    found = keys(volume)
    assert set(confirmed) <= set(found)
    assert all(content(volume, key) == key.encode() * 999 for key in found)
    assert list((root / "incoming").iterdir()) == []
