"""Reading a package from whatever shards there are: every cell is checked before it is used (format §9).

A damaged shard still serves its good cells. Reading one instance touches only its stripes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blake3 import blake3

from retention.model.digests import blake3_digest
from retention.model.errors import IntegrityError, PackageLostError, ShardDamagedError, StorageError
from retention.package import erasure
from retention.package.manifest import BlockRow, Contents, InstanceRow, read_contents
from retention.package.sealing import Sealer, block_number
from retention.package.shard import ByteSource, Reference, read_reference


def find_reference(
    sources: Mapping[int, ByteSource], index_root: bytes | None = None, manifest_digest: bytes | None = None
) -> Reference:
    """Return the first whole reference among the shards, the committed one if its digests are given.

    Raises PackageLostError when no shard has it.
    """
    problems = []
    for shard, source in sorted(sources.items()):
        try:
            reference = read_reference(source)
        except (IntegrityError, StorageError) as error:
            problems.append(f"shard {shard}: {error.message}")
            continue
        entry = reference.entry
        if index_root not in (None, entry.index_root):
            problems.append(f"shard {shard}: not the index the journal committed to")
        elif manifest_digest not in (None, entry.manifest_digest):
            problems.append(f"shard {shard}: not the manifest the journal committed to")
        else:
            return reference
    raise PackageLostError(
        f"no shard has a whole index and manifest ({'; '.join(problems) or 'no shard was found'})",
        hint="bring back a volume that holds a shard of this package, then run retention audit run",
    )


class StripeReader:
    """Stripes of one package, from its good cells."""

    def __init__(self, reference: Reference, sources: Mapping[int, ByteSource]) -> None:
        self.reference = reference
        self._sources = dict(sources)
        self._last: tuple[int, bytes] | None = None

    def read(self, start: int, length: int) -> bytes:
        """Return a range of the stream. Raises PackageLostError when a stripe has too few good cells."""
        if start < 0 or start + length > self.reference.geometry.stream_bytes:
            raise ShardDamagedError("a block lies outside its package")
        pieces = [
            self.stripe(stripe)[first:stop]
            for stripe, first, stop in self.reference.geometry.stripes_of(start, length)
        ]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stripe(self, stripe: int) -> bytes:
        """Return one stripe, decoded if need be; the last one is remembered.

        What was decoded is compared with the index before it counts: bad memory or a broken library ends here.
        """
        if self._last is not None and self._last[0] == stripe:
            return self._last[1]
        geometry = self.reference.geometry
        cells = self.good_cells(stripe)
        try:
            data = erasure.decode(geometry.protection, cells, geometry.stripe_length(stripe))
        except PackageLostError as error:
            raise PackageLostError(
                f"package {self.reference.header.package}, stripe {stripe}: {error.message}",
                hint="bring back a missing volume, then run retention audit run",
                package=self.reference.header.package,
            ) from error
        self._check_decoded(stripe, data, cells)
        self._last = (stripe, data)
        return data

    def _check_decoded(self, stripe: int, data: bytes, given: Mapping[int, bytes]) -> None:
        """Compare the data cells that were not given to the decoder with their digests."""
        geometry = self.reference.geometry
        length = geometry.cell_length(stripe)
        for shard in range(geometry.protection.data):
            if shard in given or geometry.protection.is_copies:
                continue
            cell = data[shard * length : (shard + 1) * length].ljust(length, b"\0")
            if blake3_digest(cell) != self.reference.digest(stripe, shard):
                package = self.reference.header.package
                raise ShardDamagedError(
                    f"a rebuilt cell of package {package} is wrong: stripe {stripe}, shard {shard}",
                    hint="nothing of it was used; check this machine's memory and libraries",
                )

    def good_cells(self, stripe: int) -> dict[int, bytes]:
        """Return cells of a stripe that match their digests: as many as decoding needs, data cells first."""
        geometry = self.reference.geometry
        offset = self.reference.entry.cells_start + stripe * geometry.cell_bytes
        length = geometry.cell_length(stripe)
        cells: dict[int, bytes] = {}
        for shard in sorted(self._sources):
            try:
                cell = self._sources[shard].read_at(offset, length)
            except StorageError:
                continue
            if blake3_digest(cell) == self.reference.digest(stripe, shard):
                cells[shard] = cell
                if len(cells) == geometry.protection.data:
                    break
        return cells


class PackageReader:
    """Instances of one package, unpacked and verified."""

    def __init__(
        self,
        reference: Reference,
        sources: Mapping[int, ByteSource],
        sealer: Sealer,
        contents: Contents | None = None,
    ) -> None:
        """`contents` are those of the reference's manifest, if somebody has read them already."""
        self._stripes = StripeReader(reference, sources)
        self._sealer = sealer
        self.contents = contents if contents is not None else read_contents(reference.manifest, sealer)
        self._dictionaries: dict[int, bytes] = {}

    def read_instance(self, row: InstanceRow) -> Iterator[bytes]:
        """Yield the instance's bytes as received, block by block.

        Length and BLAKE3 are compared after the last block: a caller must not let the bytes go before the iterator
        ended. SHA-256 stands beside it for outsiders and for the day BLAKE3 is broken; computed here as well it would
        be a third of the work, and find nothing that BLAKE3 does not (docs/adr/0015). Raises PackageLostError,
        ShardDamagedError.
        """
        digest = blake3()
        size = 0
        for part, block in enumerate(row.blocks):
            plain = self._read_block(block_number(row.ordinal, part), block)
            digest.update(plain)
            size += len(plain)
            yield plain
        if (size, digest.digest()) != (row.size_bytes, row.blake3):
            package = self._stripes.reference.header.package
            raise ShardDamagedError(
                f"instance {row.ordinal} of package {package} does not match its digests",
                hint="run retention audit run on this study",
            )

    def read_packed(self, number: int, block: BlockRow) -> bytes:
        """Return one block as it was packed: decrypted, and so proven to be the one sealed under this number."""
        return self._sealer.open_block(
            number, block.packing, self._stripes.read(block.start, block.stored_bytes)
        )

    def _read_block(self, number: int, block: BlockRow) -> bytes:
        from retention.package import packing  # an audit unpacks nothing: it does not wait for codecs

        packed = self.read_packed(number, block)
        dictionary = None if block.dictionary is None else self._dictionary(block.dictionary)
        return packing.unpack(block.packing, packed, block.plain_bytes, dictionary)

    def _dictionary(self, number: int) -> bytes:
        if number not in self._dictionaries:
            ordinal, part = divmod(number, 1 << 32)
            row = next((row for row in self.contents.instances if row.ordinal == ordinal), None)
            if row is None or part >= len(row.blocks) or row.blocks[part].dictionary is not None:
                raise ShardDamagedError(f"block {number}, named as a dictionary, is none")
            self._dictionaries[number] = self._read_block(number, row.blocks[part])
        return self._dictionaries[number]
