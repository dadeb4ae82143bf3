"""Writing a package: sealed blocks in, shards out, one pass (format §3 to §5).

Memory is bounded by a stripe and the index, whatever the size of the study. The writer knows nothing of volumes: a sink
is anything that takes bytes; durability, reading back and publishing are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from retention.model.digests import blake3_digest
from retention.model.identifiers import KeyId, PackageId
from retention.package import erasure, manifest
from retention.package.geometry import Geometry
from retention.package.guard import RECORD_BYTES
from retention.package.manifest import Contents, PublicPart
from retention.package.records import ShardHeader, TableEntry, Trailer
from retention.package.sealing import Sealer


class Sink(Protocol):
    """Where the bytes of one shard go, in order."""

    def write(self, data: bytes | memoryview) -> None: ...


@dataclass(frozen=True, slots=True)
class Tail:
    """Everything of a shard after its cells: the same in all shards of a package."""

    index: bytes
    manifest: bytes
    entry: TableEntry
    shard_bytes: int

    def encode(self) -> bytes:
        trailer = Trailer(self.entry.package, 1, self.shard_bytes - 2 * RECORD_BYTES, self.shard_bytes)
        return self.index + self.manifest + self.entry.encode() + trailer.encode()


def make_tail(
    geometry: Geometry, index: bytes, manifest_bytes: bytes, package: PackageId, key: KeyId
) -> Tail:
    """Lay out index, manifest, table and trailer of a one-package shard."""
    index_start = RECORD_BYTES + geometry.cells_bytes
    manifest_start = index_start + len(index)
    entry = TableEntry(
        package,
        key,
        RECORD_BYTES,
        geometry.stream_bytes,
        index_start,
        len(index),
        manifest_start,
        len(manifest_bytes),
        blake3_digest(index),
        blake3_digest(manifest_bytes),
    )
    return Tail(index, manifest_bytes, entry, manifest_start + len(manifest_bytes) + 2 * RECORD_BYTES)


class PackageWriter:
    """Writes one package to one sink a shard. Shards without a sink are left out: a write debt of the caller's."""

    def __init__(self, header: ShardHeader, key: KeyId, sealer: Sealer, sinks: Mapping[int, Sink]) -> None:
        self._header = header
        self._key = key
        self._sealer = sealer
        self._sinks = dict(sinks)
        self._stripe_bytes = header.protection.data * header.cell_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._stream_bytes = 0
        self._index = bytearray()
        for shard, sink in self._sinks.items():
            sink.write(header.of(shard).encode())

    @property
    def stream_bytes(self) -> int:
        """Bytes of the stream so far: where the next block will start."""
        return self._stream_bytes

    def append(self, sealed: bytes) -> int:
        """Add one sealed block to the stream; return where it starts."""
        start = self._stream_bytes
        self._pending.append(sealed)
        self._pending_bytes += len(sealed)
        self._stream_bytes += len(sealed)
        if self._pending_bytes >= self._stripe_bytes:
            self._write_stripes()
        return start

    def finish(
        self, kind: str, created_at: str, contents: Contents, supersedes: tuple[PackageId, ...] = ()
    ) -> Tail:
        """Write the rest, index, manifest, table and trailer; return them."""
        self._write_stripes()
        if self._pending_bytes:
            self._write_stripe(b"".join(self._pending))
        index = bytes(self._index)
        geometry = Geometry(self._header.protection, self._header.cell_bytes, self._stream_bytes)
        public = PublicPart(
            kind,
            self._header.archive,
            self._header.institution,
            self._header.package,
            self._key,
            geometry,
            blake3_digest(index),
            created_at,
            supersedes,
        )
        manifest_bytes = manifest.build(public, contents, self._sealer)
        tail = make_tail(geometry, index, manifest_bytes, self._header.package, self._key)
        encoded = tail.encode()
        for sink in self._sinks.values():
            sink.write(encoded)
        return tail

    def _write_stripes(self) -> None:
        if self._pending_bytes < self._stripe_bytes:
            return
        joined = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        whole = len(joined) - len(joined) % self._stripe_bytes
        for start in range(0, whole, self._stripe_bytes):
            self._write_stripe(joined[start : start + self._stripe_bytes])
        self._pending = [joined[whole:]] if whole < len(joined) else []
        self._pending_bytes = len(joined) - whole

    def _write_stripe(self, stripe: bytes) -> None:
        cells = erasure.encode(self._header.protection, stripe)
        if self._header.protection.is_copies:
            self._index += blake3_digest(stripe)
        else:
            for cell in cells:
                self._index += blake3_digest(cell)
        for shard, sink in self._sinks.items():
            sink.write(cells[shard])
