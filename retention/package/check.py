"""Checking and rebuilding shards, without any key (format §3 to §5).

A check compares every byte of a shard with what the package's reference says must stand there. A rebuild makes the
shard again from good cells of others, and compares every cell it made with the index before it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from retention.model.digests import blake3_digest
from retention.model.errors import ShardDamagedError, StorageError
from retention.package import erasure
from retention.package.guard import RECORD_BYTES
from retention.package.reader import StripeReader
from retention.package.records import ShardHeader
from retention.package.shard import ByteSource, Reference
from retention.package.writer import Sink, make_tail

_READ_BYTES = 256 * 1024


@dataclass(slots=True)
class ShardCheck:
    """What a check found: which parts are not as they must be, which cells, how many bytes were read.

    `misplaced` says what the shard is if it is another one, `header` is what it says itself.
    """

    parts: list[str] = field(default_factory=list)
    bad_cells: list[int] = field(default_factory=list)
    read_bytes: int = 0
    misplaced: str | None = None
    header: ShardHeader | None = None

    @property
    def is_sound(self) -> bool:
        return not self.parts and not self.bad_cells


class _Whole:
    """A small shard, read in one go: on a medium the number of readings is what costs."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


def check_shard(source: ByteSource, reference: Reference, shard: int) -> ShardCheck:
    """Read every byte of the shard that should be number `shard` of the package.

    Raises UnsupportedFormatError for a shard of an unknown version or protection: it may be whole, and what it is
    cannot be said.
    """
    if source.size_bytes <= _READ_BYTES:
        with suppress(StorageError):  # a place that cannot be read is met again below, and said as what it is
            source = _Whole(source.read_at(0, source.size_bytes + 1))
    found = ShardCheck()
    _check_header(source, reference, shard, found)
    if found.misplaced is None:
        _check_cells(source, reference, shard, found)
        _check_tail(source, reference, found)
    return found


def check_some(source: ByteSource, reference: Reference, shard: int, stripes: Sequence[int]) -> ShardCheck:
    """Read a shard's header and tail, and the cells of these stripes only. Raises as `check_shard`."""
    found = ShardCheck()
    _check_header(source, reference, shard, found)
    if found.misplaced is None:
        for stripe in stripes:
            _check_run(source, reference, shard, range(stripe, stripe + 1), found)
        _check_tail(source, reference, found)
    return found


def expected_tail(reference: Reference) -> bytes:
    """Return the bytes every shard of the package must end with."""
    return make_tail(
        reference.geometry, reference.index, reference.manifest, reference.header.package, reference.entry.key
    ).encode()


def _check_header(source: ByteSource, reference: Reference, shard: int, found: ShardCheck) -> None:
    record = source.read_at(0, RECORD_BYTES)
    found.read_bytes += len(record)
    try:
        header, was_repaired = ShardHeader.decode(record)
    except ShardDamagedError:
        found.parts.append("header")
        return
    found.header = header
    if header != reference.header.of(shard, header.generation):
        found.parts.append("header")
        found.misplaced = _what_it_is(header, reference.header)
    elif was_repaired:
        found.parts.append("header")


def _what_it_is(header: ShardHeader, expected: ShardHeader) -> str:
    what = f"it is shard {header.shard} of package {header.package}"
    if header.institution != expected.institution:
        what += f" of institution {header.institution}"
    if header.archive != expected.archive:
        what += f" of archive {header.archive}"
    if header.package == expected.package and header.protection != expected.protection:
        what += f" with protection {header.protection}"
    return what


def _check_cells(source: ByteSource, reference: Reference, shard: int, found: ShardCheck) -> None:
    geometry = reference.geometry
    cells_a_read = max(1, _READ_BYTES // geometry.cell_bytes)
    for first in range(0, geometry.stripes, cells_a_read):
        run = range(first, min(first + cells_a_read, geometry.stripes))
        _check_run(source, reference, shard, run, found)


def _check_run(source: ByteSource, reference: Reference, shard: int, run: range, found: ShardCheck) -> None:
    """Check the cells of a run of stripes, by one reading."""
    geometry, cell_bytes = reference.geometry, reference.geometry.cell_bytes
    offset = run.start * cell_bytes
    length = min(len(run) * cell_bytes, geometry.cells_bytes - offset)
    data = memoryview(source.read_at(reference.entry.cells_start + offset, length))
    found.read_bytes += len(data)
    for stripe in run:
        inside = (stripe - run.start) * cell_bytes
        cell = data[inside : inside + geometry.cell_length(stripe)]
        if blake3_digest(cell) != reference.digest(stripe, shard):
            found.bad_cells.append(stripe)


def _check_tail(source: ByteSource, reference: Reference, found: ShardCheck) -> None:
    start = reference.entry.index_start
    expected = expected_tail(reference)
    actual = source.read_at(start, len(expected) + 1)  # one more: bytes after the end are damage too
    found.read_bytes += len(actual)
    if actual == expected:
        return
    index_end = len(reference.index)
    manifest_end = index_end + len(reference.manifest)
    bounds = {
        "index": (0, index_end),
        "manifest": (index_end, manifest_end),
        "table": (manifest_end, manifest_end + RECORD_BYTES),
        "trailer": (manifest_end + RECORD_BYTES, max(len(actual), len(expected))),
    }
    found.parts += [name for name, (low, high) in bounds.items() if actual[low:high] != expected[low:high]]


def rebuild(
    reference: Reference, sources: Mapping[int, ByteSource], targets: Mapping[int, tuple[int, Sink]]
) -> None:
    """Write the target shards anew: `targets` maps shard number to its new generation and sink.

    Raises PackageLostError when a stripe has too few good cells, ShardDamagedError when a rebuilt cell is not what the
    index says (bad memory, a broken library): then nothing written counts.
    """
    for shard, (generation, sink) in targets.items():
        sink.write(reference.header.of(shard, generation).encode())
    stripes = StripeReader(reference, sources)
    for stripe in range(reference.geometry.stripes):
        cells = erasure.encode(reference.geometry.protection, stripes.stripe(stripe))
        for shard, (_, sink) in targets.items():
            if blake3_digest(cells[shard]) != reference.digest(stripe, shard):
                raise ShardDamagedError(
                    f"a rebuilt cell of package {reference.header.package} is wrong: stripe {stripe}, shard {shard}",
                    hint="nothing was replaced; check this machine's memory and libraries",
                )
            sink.write(cells[shard])
    tail = expected_tail(reference)
    for _, sink in targets.values():
        sink.write(tail)
