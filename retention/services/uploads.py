"""The shards of one package on their way to their volumes: placed, written, sealed, published, read back.

A volume that fails on the way does not stop the package while enough shards remain; what it should have got becomes
write debt. Below that the package is refused, and nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress

from retention.model.errors import PlacementError, ReadBackError, StorageError
from retention.model.identifiers import PackageId
from retention.model.layout import Protection, TierSpec
from retention.package.check import ShardCheck, check_shard
from retention.package.shard import Reference
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.placement import place, required_shards
from retention.storage.state import VolumeState
from retention.storage.volume import Upload


class ShardUpload:
    """One shard: a sink that remembers its failure instead of raising it."""

    def __init__(self, upload: Upload, volume: str, key: str) -> None:
        self._upload = upload
        self.volume = volume
        self.key = key
        self.failure: StorageError | None = None

    def write(self, data: bytes | memoryview) -> None:
        if self.failure is None:
            try:
                self._upload.write(data)
            except StorageError as error:
                self.fail(error)

    def start_write_out(self) -> None:
        if self.failure is None:
            self._upload.start_write_out()

    def seal(self) -> None:
        if self.failure is None:
            try:
                self._upload.seal()
            except StorageError as error:
                self.fail(error)

    def publish(self) -> None:
        if self.failure is None:
            try:
                self._upload.publish()
            except StorageError as error:
                self.fail(error)

    def fail(self, error: StorageError) -> None:
        self.failure = error
        self.abort()

    def abort(self) -> None:
        with suppress(StorageError):  # else the next start discards what this session left
            self._upload.abort()

    def read_back(self, volumes: VolumeSet, reference: Reference, shard: int) -> None:
        """Compare the published shard, read from the medium, with what was meant; if it differs it is removed and
        counts as failed."""
        if self.failure is not None:
            return
        try:
            with volumes[self.volume].open(self.key, from_medium=True) as reader:
                found = check_shard(reader, reference, shard)
            self.failure = None if found.is_sound else _differs(self, found)
        except StorageError as error:
            self.failure = error
        if self.failure is not None:
            self.remove(volumes)

    def remove(self, volumes: VolumeSet) -> None:
        """Remove the published shard of a package that will not be committed."""
        with suppress(StorageError):  # else the next start removes it: the session has it on its list
            volumes[self.volume].delete_many([self.key])

    @property
    def size_bytes(self) -> int:
        return self._upload.size_bytes


class PackageUploads:
    """All shards of one package."""

    def __init__(
        self, volumes: VolumeSet, package: PackageId, protection: Protection, uploads: Mapping[int, ShardUpload]
    ) -> None:
        self._volumes = volumes
        self._package = package
        self._protection = protection
        self.uploads = dict(uploads)

    @classmethod
    def begin(
        cls, volumes: VolumeSet, tier: TierSpec, states: Mapping[str, VolumeState], package: PackageId, session: str
    ) -> PackageUploads:
        """Place the package's shards on the tier and start an upload for each. Raises PlacementError."""
        placement = place(
            [volume.spec for volume in volumes.of_tier(tier)],
            states,
            tier.protection,
            accept_single_domain=tier.accept_single_domain,
            rotate_by=int(package[:8], 16),
            spares=[volume.spec for volume in volumes.spares()],
        )
        uploads: dict[int, ShardUpload] = {}
        for shard, name in placement.shards.items():
            key = shard_key(package, shard, 0)
            try:
                uploads[shard] = ShardUpload(volumes[name].begin(key, session), name, key)
            except StorageError:
                continue
        begun = cls(volumes, package, tier.protection, uploads)
        begun.require_enough()
        return begun

    def sound(self) -> dict[int, ShardUpload]:
        """Return the uploads that have not failed, by shard number."""
        return {shard: upload for shard, upload in self.uploads.items() if upload.failure is None}

    def require_enough(self) -> None:
        """Raise PlacementError, having aborted the rest, when too few shards are left to accept the package."""
        sound = self.sound()
        needed = required_shards(self._protection)
        if len(sound) >= needed:
            return
        self.abort()
        reasons = {str(upload.failure) for upload in self.uploads.values() if upload.failure is not None}
        raise PlacementError(
            f"only {len(sound)} of {self._protection.shards} shards could be written, {needed} are needed"
            + (f" ({'; '.join(sorted(reasons))})" if reasons else ""),
            hint="free space on the volumes or bring the missing ones back (retention volume list), then run it again",
            package=self._package,
        )

    def abort(self) -> None:
        for upload in self.uploads.values():
            upload.abort()

    def objects(self) -> list[tuple[str, str]]:
        """Return (volume, key) of every shard to be published."""
        return [(upload.volume, upload.key) for upload in self.sound().values()]

    def read_back(self, reference: Reference) -> None:
        """Compare every published shard with what was meant. Raises PlacementError when too few are left."""
        for shard, upload in self.sound().items():
            upload.read_back(self._volumes, reference, shard)
        self.require_enough()

    def remove(self) -> None:
        """Remove the published shards of a package that will not be committed."""
        for upload in self.uploads.values():
            upload.remove(self._volumes)


def seal_and_publish(groups: Iterable[PackageUploads], volumes: VolumeSet, pool: Executor) -> None:
    """Make all shards of several packages durable under their names, syncing many files at once.

    Failures stay with the shards they belong to; `require_enough` says what they come to.
    """
    seal_and_publish_shards([upload for group in groups for upload in group.sound().values()], volumes, pool)


def seal_and_publish_shards(uploads: Sequence[ShardUpload], volumes: VolumeSet, pool: Executor) -> None:
    """Make these shards durable under their names; failures stay with them."""
    for upload in uploads:
        upload.start_write_out()
    list(pool.map(ShardUpload.seal, uploads))
    for upload in uploads:
        upload.publish()
    by_volume: dict[str, list[ShardUpload]] = {}
    for upload in uploads:
        if upload.failure is None:
            by_volume.setdefault(upload.volume, []).append(upload)

    def flush(name: str) -> None:
        try:
            volumes[name].flush()
        except StorageError as error:
            for upload in by_volume[name]:
                upload.failure = error

    list(pool.map(flush, by_volume))


def _differs(upload: ShardUpload, found: ShardCheck) -> StorageError:
    what = ", ".join(found.parts) or f"{len(found.bad_cells)} cells"
    return ReadBackError(
        f"volume {upload.volume} does not give back what was written to {upload.key}: {what}",
        hint="check the medium and this machine's memory; retention volume check",
    )
