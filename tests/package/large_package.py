"""Writes, checks, reads and rebuilds a large package in files, and says how far memory grew. Run by test_writer.py.

A program of its own, because a process never gives its high-water mark back: `large_package.py FOLDER MEGABYTES`.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from retention.model.digests import ReceivedDigests
from retention.package.check import check_shard, rebuild
from retention.package.manifest import Contents
from retention.package.packing import BLOCK_BYTES
from retention.package.reader import PackageReader
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer
from retention.package.shard import read_reference
from retention.package.writer import PackageWriter
from tests.package.conftest import (
    ARCHIVE,
    CREATED_AT,
    DATA_KEY,
    FOUR_PLUS_TWO,
    INSTITUTION,
    KEY,
    PACKAGE,
    write_instance,
)

LOST = (1, 2)


class FileShard:
    """A shard in a file without a name, which goes when the program ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        path.unlink()

    def write(self, data: bytes | memoryview) -> None:
        if os.write(self._file, data) != len(data):
            raise OSError("a short write")

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._file).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)


def noise(megabytes: int) -> Iterator[bytes]:
    """Yield blocks that do not pack and are all different."""
    base = random.Random(1).randbytes(BLOCK_BYTES - 8)
    for number in range(megabytes):
        yield number.to_bytes(8, "big") + base


def peak_bytes() -> int:
    """Return the process's own high-water mark; `ru_maxrss` would inherit the parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise OSError("this system does not tell a process's peak memory")
    return int(found[1]) * 1024


def exercise(folder: Path, megabytes: int) -> tuple[int, bool]:
    """Take one package through its life; return the length of its stream, and whether all of it was as it should."""
    header = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, FOUR_PLUS_TWO, 64 * 1024, 0, 0)
    sealer = Sealer.of(DATA_KEY, PACKAGE, INSTITUTION)
    shards = {n: FileShard(folder / f"{n}.g0") for n in range(FOUR_PLUS_TWO.shards) if n not in LOST}
    writer = PackageWriter(header, KEY, sealer, shards)
    row = write_instance(writer, sealer, 0, noise(megabytes))
    writer.finish("study", CREATED_AT, Contents(None, [], [row]))

    reference = read_reference(shards[0])
    reader = PackageReader(reference, shards, sealer)
    digests = ReceivedDigests()
    for block in reader.read_instance(reader.contents.instances[0]):
        digests.update(block)

    rebuilt = FileShard(folder / "1.g1")
    rebuild(reference, shards, {1: (1, rebuilt)})
    is_sound = all(check_shard(shard, reference, n).is_sound for n, shard in ((0, shards[0]), (1, rebuilt)))
    return reference.geometry.stream_bytes, is_sound and digests.blake3() == row.blake3


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "small").mkdir()
    exercise(folder / "small", 1)  # everything is loaded and every table made
    before = peak_bytes()
    stream_bytes, equal = exercise(folder, int(sys.argv[2]))
    said = {"stream_bytes": stream_bytes, "equal": equal, "growth_bytes": peak_bytes() - before}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
