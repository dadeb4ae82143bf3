"""Opening one shard: its header, trailer, table, index and manifest, each checked before it is believed (format §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from retention.model.digests import blake3_digest
from retention.model.errors import ShardDamagedError
from retention.package import manifest as manifests
from retention.package.geometry import Geometry
from retention.package.guard import RECORD_BYTES
from retention.package.records import ShardHeader, TableEntry, Trailer


class ByteSource(Protocol):
    """A shard file as something to read at offsets; short reads only at the end."""

    @property
    def size_bytes(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Reference:
    """What all shards of a package must agree on, from one whole index and manifest."""

    header: ShardHeader
    entry: TableEntry
    geometry: Geometry
    index: bytes
    manifest: bytes
    public: manifests.PublicPart

    def digest(self, stripe: int, shard: int) -> bytes:
        """Return the BLAKE3 the cell of this stripe and shard must have."""
        offset = self.geometry.digest_offset(stripe, shard)
        return self.index[offset : offset + 32]


def read_header(source: ByteSource) -> ShardHeader:
    """Return the header, repaired if need be. Raises ShardDamagedError, UnsupportedFormatError."""
    return ShardHeader.decode(_exactly(source, 0, RECORD_BYTES))[0]


def read_reference(source: ByteSource) -> Reference:
    """Read what one shard says of its package, and check that it is consistent in itself.

    Whether it is what the journal committed to is for the caller to compare. Raises ShardDamagedError,
    UnsupportedFormatError.
    """
    header = read_header(source)
    entry = read_entry(source)
    if header.package != entry.package:
        raise ShardDamagedError("header and table of a shard name different packages")
    geometry = Geometry(header.protection, header.cell_bytes, entry.stream_bytes)
    if entry.index_bytes != geometry.index_bytes or entry.manifest_bytes > manifests.MAX_MANIFEST_BYTES:
        raise ShardDamagedError("the table of a shard does not fit its geometry")
    index = _exactly(source, entry.index_start, entry.index_bytes)
    if blake3_digest(index) != entry.index_root:
        raise ShardDamagedError("the index of a shard does not match its digest")
    manifest_bytes = _exactly(source, entry.manifest_start, entry.manifest_bytes)
    if blake3_digest(manifest_bytes) != entry.manifest_digest:
        raise ShardDamagedError("the manifest of a shard does not match its digest")
    public = manifests.read_public(manifest_bytes)
    if (
        (public.archive, public.institution, public.package)
        != (header.archive, header.institution, header.package)
        or (public.key, public.index_root) != (entry.key, entry.index_root)
        or public.geometry != geometry
    ):
        raise ShardDamagedError("the manifest of a shard disagrees with its header or table")
    return Reference(header, entry, geometry, index, manifest_bytes, public)


def read_entry(source: ByteSource) -> TableEntry:
    """Return the table entry of the shard's one package. Raises ShardDamagedError, UnsupportedFormatError."""
    if source.size_bytes < 3 * RECORD_BYTES:
        raise ShardDamagedError(f"a shard of {source.size_bytes} bytes is cut short")
    trailer, _ = Trailer.decode(_exactly(source, source.size_bytes - RECORD_BYTES, RECORD_BYTES))
    if trailer.shard_bytes != source.size_bytes:
        raise ShardDamagedError(
            f"a shard has {source.size_bytes} bytes, its trailer says {trailer.shard_bytes}"
        )
    for number in range(trailer.entries):
        entry, _ = TableEntry.decode(
            _exactly(source, trailer.table_start + number * RECORD_BYTES, RECORD_BYTES)
        )
        if entry.package == trailer.package:
            return entry
    raise ShardDamagedError("the table of a shard does not list its package")


def _exactly(source: ByteSource, offset: int, length: int) -> bytes:
    """Read a range that the shard itself named: it is compared with the file's size before memory is asked for it."""
    data = source.read_at(offset, length) if offset + length <= source.size_bytes else b""
    if len(data) != length:
        raise ShardDamagedError(
            f"a shard of {source.size_bytes} bytes ends before the {length} bytes wanted at {offset}"
        )
    return data
