"""Another form of a package for another tier: the packed blocks under a new key, in the target's protection.

Nothing is unpacked: each block is decrypted, which proves it (its tag binds package, place and packing), and encrypted
again under a key made for this attempt. Numbers of instances and blocks stay; memory is a few blocks, for any size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from retention.catalog.records import PackageSummary
from retention.model.clock import format_instant
from retention.model.errors import NotReadyError
from retention.model.identifiers import PackageId, new_id
from retention.model.layout import TierSpec
from retention.package.geometry import default_cell_bytes
from retention.package.manifest import BlockRow, Contents
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer, block_number
from retention.package.writer import PackageWriter
from retention.services.access import OpenPackage, PackageAccess, is_in_time
from retention.services.making import MadePackage
from retention.services.move.budget import Budget
from retention.services.stores import Stores
from retention.services.uploads import PackageUploads
from retention.storage.state import VolumeState

BATCH_BYTES = 4 * 1024 * 1024
AHEAD = 2


@dataclass(frozen=True, slots=True)
class _Block:
    """One block of the stream: whose it is (position in the list of instances), and where it lies."""

    instance: int
    number: int
    row: BlockRow


class Recoder:
    """Makes other forms of packages in one session; used by one thread, reading in another: `pool` has just one."""

    def __init__(
        self,
        stores: Stores,
        states: Mapping[str, VolumeState],
        session: str,
        pool: Executor,
        budget: Budget,
    ) -> None:
        self._stores = stores
        self._states = states
        self._session = session
        self._pool = pool
        self._budget = budget
        self._access = PackageAccess(stores)

    def recode(self, package: PackageSummary, tier: TierSpec, *, supersedes: bool) -> MadePackage:
        """Write the package's shards for `tier`, not yet durable.

        Raises PlacementError or StorageError when the tier cannot take it, PackageLostError or NotReadyError when it
        cannot be read now, KeyUnavailableError.
        """
        new, key = PackageId(new_id()), self._stores.keyring.new_package_key(package.institution_id)
        protection = tier.protection
        header = ShardHeader(
            self._stores.archive_id,
            package.institution_id,
            new,
            protection,
            default_cell_bytes(protection),
            0,
            0,
        )
        sealer = Sealer.of(key.secret, new, package.institution_id)
        with self._opened(package) as opened:
            uploads = PackageUploads.begin(
                self._stores.volumes,
                tier,
                self._states,
                new,
                self._session,
            )
            try:
                writer = PackageWriter(header, key.key_id, sealer, uploads.uploads)
                contents = self._copy(opened, sealer, writer, uploads)
                older = (package.package_id,) if supersedes else ()
                tail = writer.finish(
                    package.kind.value, format_instant(self._stores.clock.now()), contents, older
                )
                uploads.require_enough()
            except BaseException:
                uploads.discard()
                raise
        return MadePackage(
            new, package.institution_id, tier, package.kind.value, key, uploads, header, tail, contents
        )

    @contextmanager
    def _opened(self, package: PackageSummary) -> Iterator[OpenPackage]:
        """Open a package, or a recalled copy of it if it cannot be read now itself."""
        source = package
        try:
            known = self._access.known(package)
        except NotReadyError:
            found = self._stores.catalog.copies_of(package.package_id)
            copies = [copied for copied in found if is_in_time(self._stores, copied)]
            if not copies:
                raise
            source = copies[0]
            known = self._access.known(source)
        with self._access.reader(source, known) as opened:
            yield opened

    def _copy(
        self, opened: OpenPackage, sealer: Sealer, writer: PackageWriter, uploads: PackageUploads
    ) -> Contents:
        """Write every block again, in the order of the stream; return the contents with the blocks' new places."""
        instances = opened.contents.instances
        rows: list[list[BlockRow | None]] = [[None] * len(row.blocks) for row in instances]
        for batch, sealed in self._sealed(opened, sealer):
            for block, data in zip(batch, sealed, strict=True):
                moved = replace(block.row, start=writer.append(data))
                rows[block.instance][block.number & 0xFFFFFFFF] = moved
            self._budget.spend(sum(map(len, sealed)))
            uploads.require_enough()
        again = [
            replace(instance, blocks=tuple(row for row in blocks if row is not None))
            for instance, blocks in zip(instances, rows, strict=True)
        ]
        return replace(opened.contents, instances=again)

    def _sealed(
        self, opened: OpenPackage, sealer: Sealer
    ) -> Iterator[tuple[Sequence[_Block], Sequence[bytes]]]:
        """Yield batches of blocks sealed anew, the next ones read while one is written."""
        batches = _batches(opened.contents)

        def submitted() -> Iterator[tuple[Sequence[_Block], Future[list[bytes]]]]:
            for batch in batches:
                yield batch, self._pool.submit(_reseal, opened, sealer, batch)

        waiting = submitted()
        window = deque(islice(waiting, AHEAD))
        try:
            while window:
                batch, future = window.popleft()
                sealed = future.result()
                window.extend(islice(waiting, 1))
                yield batch, sealed
        finally:
            for _, future in window:
                future.cancel()
            wait([future for _, future in window])  # nothing reads a package that is closed


def _reseal(opened: OpenPackage, sealer: Sealer, batch: Sequence[_Block]) -> list[bytes]:
    return [
        sealer.seal_block(block.number, block.row.packing, opened.read_packed(block.number, block.row))
        for block in batch
    ]


def _batches(contents: Contents) -> Iterator[list[_Block]]:
    """Yield the blocks in the order in which they lie, a few megabytes at a time."""
    blocks = [
        _Block(position, block_number(instance.ordinal, part), row)
        for position, instance in enumerate(contents.instances)
        for part, row in enumerate(instance.blocks)
    ]
    blocks.sort(key=lambda block: block.row.start)
    batch: list[_Block] = []
    size_bytes = 0
    for block in blocks:
        batch.append(block)
        size_bytes += block.row.stored_bytes
        if size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
