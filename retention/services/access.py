"""Reaching the packages that are held: their shards opened, their keys found, their instances read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from retention.catalog.records import PackageSummary, ShardRecord
from retention.model.errors import PackageLostError, StorageError
from retention.model.identifiers import PackageId
from retention.package.manifest import Contents, read_contents
from retention.package.reader import PackageReader, find_reference
from retention.package.sealing import Sealer
from retention.package.shard import Reference
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import ObjectReader

MANIFEST_CACHE = 64


class PackageAccess:
    """Opens packages for reading; remembers the manifests it read last."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._cached = lru_cache(maxsize=MANIFEST_CACHE)(self._contents)

    @contextmanager
    def shards(self, package: PackageSummary, *, from_medium: bool = False) -> Iterator[dict[int, ObjectReader]]:
        """Open every shard of the package that can be opened, by shard number."""
        with ExitStack() as stack:
            opened: dict[int, ObjectReader] = {}
            for shard in package.shards:
                try:
                    opened[shard.number] = stack.enter_context(self._open(package.package_id, shard, from_medium))
                except StorageError:
                    continue
            yield opened

    @contextmanager
    def reader(self, package: PackageSummary) -> Iterator[PackageReader]:
        """Open a package to read its instances. Raises PackageLostError, KeyUnavailableError."""
        with self.shards(package) as opened:
            yield PackageReader(self._reference(package, opened), opened, self._sealer(package))

    def contents(self, package_id: PackageId) -> Contents:
        """Return the sealed part of a package's manifest. Raises PackageLostError, KeyUnavailableError."""
        return self._cached(package_id)

    def _contents(self, package_id: PackageId) -> Contents:
        package = self._stores.catalog.package(package_id)
        with self.shards(package) as opened:
            return read_contents(self._reference(package, opened).manifest, self._sealer(package))

    def _open(self, package: PackageId, shard: ShardRecord, from_medium: bool) -> ObjectReader:
        if shard.volume is None:
            raise StorageError(f"shard {shard.number} of package {package} lies on no volume yet")
        key = shard_key(package, shard.number, shard.generation)
        return self._stores.volumes[shard.volume].open(key, from_medium=from_medium)

    def _reference(self, package: PackageSummary, opened: dict[int, ObjectReader]) -> Reference:
        try:
            return find_reference(opened, package.index_root, package.manifest_digest)
        except PackageLostError as error:
            error.context["package"] = package.package_id
            raise

    def _sealer(self, package: PackageSummary) -> Sealer:
        key = self._stores.keyring.package_key(package.key_id, int(package.key_segment or 0) or None)
        return Sealer.of(key, package.package_id, package.institution_id)
