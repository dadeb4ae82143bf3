"""The three guarded records of a shard: header, table entry, trailer (format §3.2 to §3.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from retention.model.errors import ShardDamagedError, UnsupportedFormatError
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId
from retention.model.layout import Protection
from retention.package import guard
from retention.package.erasure import protection_of, scheme_of

FORMAT_VERSION = 1
MAX_CELL_BYTES = 16 * 1024 * 1024
MAX_TABLE_ENTRIES = 4096

_HEADER = struct.Struct("<8sHBBBB2xII16s16s16s")
_ENTRY = struct.Struct("<16s16sQQQQQQ32s32s")
_TRAILER = struct.Struct("<8sHH4xQQ16s")
_HEADER_MAGIC = b"RETSHARD"
_TRAILER_MAGIC = b"RETTRAIL"


@dataclass(frozen=True, slots=True)
class ShardHeader:
    archive: ArchiveId
    institution: InstitutionId
    package: PackageId
    protection: Protection
    cell_bytes: int
    shard: int
    generation: int

    def of(self, shard: int, generation: int = 0) -> ShardHeader:
        """Return the header of another shard of the same package."""
        return replace(self, shard=shard, generation=generation)

    def encode(self) -> bytes:
        return guard.protect(
            _HEADER.pack(
                _HEADER_MAGIC,
                FORMAT_VERSION,
                scheme_of(self.protection),
                self.protection.data,
                self.protection.parity,
                self.shard,
                self.generation,
                self.cell_bytes,
                bytes.fromhex(self.archive),
                bytes.fromhex(self.institution),
                bytes.fromhex(self.package),
            )
        )

    @classmethod
    def decode(cls, record: bytes) -> tuple[ShardHeader, bool]:
        """Return the header and whether it was repaired. Raises ShardDamagedError, UnsupportedFormatError."""
        fields, repaired = guard.recover(record)
        magic, version, scheme, data, parity, shard, generation, cell_bytes, archive, institution, package = (
            _HEADER.unpack_from(fields)
        )
        _check_kind(magic, _HEADER_MAGIC, version)
        protection = protection_of(scheme, data, parity)
        if shard >= protection.shards or not 0 < cell_bytes <= MAX_CELL_BYTES:
            raise ShardDamagedError(
                f"a shard header is impossible: shard {shard}, cells of {cell_bytes} bytes"
            )
        header = cls(
            ArchiveId(archive.hex()),
            InstitutionId(institution.hex()),
            PackageId(package.hex()),
            protection,
            cell_bytes,
            shard,
            generation,
        )
        return header, repaired


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where one package lies in the shard file; offsets from the start of the file, lengths in bytes."""

    package: PackageId
    key: KeyId
    cells_start: int
    stream_bytes: int
    index_start: int
    index_bytes: int
    manifest_start: int
    manifest_bytes: int
    index_root: bytes
    manifest_digest: bytes

    def encode(self) -> bytes:
        return guard.protect(
            _ENTRY.pack(
                bytes.fromhex(self.package),
                bytes.fromhex(self.key),
                self.cells_start,
                self.stream_bytes,
                self.index_start,
                self.index_bytes,
                self.manifest_start,
                self.manifest_bytes,
                self.index_root,
                self.manifest_digest,
            )
        )

    @classmethod
    def decode(cls, record: bytes) -> tuple[TableEntry, bool]:
        fields, repaired = guard.recover(record)
        package, key, *numbers, index_root, manifest_digest = _ENTRY.unpack_from(fields)
        cells, stream, index, index_bytes, manifest, manifest_bytes = numbers
        entry = cls(
            PackageId(package.hex()),
            KeyId(key.hex()),
            cells,
            stream,
            index,
            index_bytes,
            manifest,
            manifest_bytes,
            index_root,
            manifest_digest,
        )
        return entry, repaired


@dataclass(frozen=True, slots=True)
class Trailer:
    package: PackageId
    entries: int
    table_start: int
    shard_bytes: int

    def encode(self) -> bytes:
        return guard.protect(
            _TRAILER.pack(
                _TRAILER_MAGIC,
                FORMAT_VERSION,
                self.entries,
                self.table_start,
                self.shard_bytes,
                bytes.fromhex(self.package),
            )
        )

    @classmethod
    def decode(cls, record: bytes) -> tuple[Trailer, bool]:
        fields, repaired = guard.recover(record)
        magic, version, entries, table_start, shard_bytes, package = _TRAILER.unpack_from(fields)
        _check_kind(magic, _TRAILER_MAGIC, version)
        if not 0 < entries <= MAX_TABLE_ENTRIES:
            raise ShardDamagedError(f"a shard trailer is impossible: {entries} packages")
        return cls(PackageId(package.hex()), entries, table_start, shard_bytes), repaired


def _check_kind(magic: bytes, expected: bytes, version: int) -> None:
    if magic != expected:
        raise ShardDamagedError("this is not a shard: wrong magic")
    if version != FORMAT_VERSION:
        raise UnsupportedFormatError(
            f"format version {version} is unknown to this program",
            hint="upgrade retention to read this shard",
        )
