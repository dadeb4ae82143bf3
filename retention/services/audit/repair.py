"""Repairing a package: damaged shards are made again beside the old ones, as a new generation (design §2.6).

Written, synced, read back and verified, committed by a journal entry; only then is the old shard dropped. Nothing is
ever repaired in place, and a rebuild that does not match the committed index is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from retention.catalog.records import PackageSummary
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import PlacementError, StorageError
from retention.package.check import rebuild
from retention.package.shard import Reference
from retention.services import commit, events
from retention.services.audit.examine import Examination, opened_shards
from retention.services.sessions import Session
from retention.services.stores import Stores
from retention.services.uploads import ShardUpload, seal_and_publish_shards
from retention.services.volumes import shard_key
from retention.storage.placement import place
from retention.storage.state import VolumeState


@dataclass(frozen=True, slots=True)
class _Target:
    number: int
    generation: int
    volume: str

    def key(self, package: str) -> str:
        return shard_key(package, self.number, self.generation)


class Repair:
    """Rebuilds shards of packages in one session."""

    def __init__(self, stores: Stores, session: Session, states: Mapping[str, VolumeState]) -> None:
        self._stores = stores
        self._session = session
        self._states = states

    def repair(self, found: Examination) -> list[int]:
        """Make the damaged and the unplaced shards again where a volume can take them; return the numbers made.

        Raises PackageLostError when too few good cells are left, ShardDamagedError when a rebuilt cell does not match
        the index: then nothing has changed.
        """
        reference, package = found.reference, found.package
        if reference is None:
            return []
        targets = self._targets(found)
        if not targets:
            return []
        self._session.intend(self._objects(package, targets))
        uploads: dict[int, ShardUpload] = {}
        try:
            uploads = self._write(package, reference, found, targets)
            made = self._publish(reference, uploads)
            made_targets = [target for target in targets if target.number in made]
            if made_targets:
                self._commit(package, reference, uploads, made_targets)
        finally:
            for upload in uploads.values():
                upload.abort()
        self._drop_old(package, made_targets)
        return made

    def _targets(self, found: Examination) -> list[_Target]:
        package = found.package
        wanted = sorted([*found.findings, *found.unplaced])
        held = {
            shard.number: shard.volume
            for shard in package.shards
            if shard.volume is not None
            and (shard.number not in wanted or self._states.get(shard.volume) is VolumeState.READY)
        }
        tier = self._stores.volumes.tier(package.tier)
        try:
            placement = place(
                [volume.spec for volume in self._stores.volumes.of_tier(tier)],
                self._states,
                package.protection,
                accept_single_domain=tier.accept_single_domain,
                rotate_by=int(package.package_id[:8], 16),
                spares=[volume.spec for volume in self._stores.volumes.spares()],
                held=held,
            )
        except PlacementError:
            return []
        generations = {shard.number: shard.generation for shard in package.shards}
        return [
            _Target(number, generations[number] + (number in found.findings), placement.shards[number])
            for number in wanted
            if number in placement.shards
        ]

    def _objects(self, package: PackageSummary, targets: list[_Target]) -> list[tuple[str, str]]:
        new = [(target.volume, target.key(package.package_id)) for target in targets]
        numbers = {target.number for target in targets}
        old = [
            (shard.volume, shard_key(package.package_id, shard.number, shard.generation))
            for shard in package.shards
            if shard.volume is not None and shard.number in numbers
        ]
        return new + old

    def _write(
        self, package: PackageSummary, reference: Reference, found: Examination, targets: list[_Target]
    ) -> dict[int, ShardUpload]:
        uploads: dict[int, ShardUpload] = {}
        for target in targets:
            key = target.key(package.package_id)
            try:
                upload = self._stores.volumes[target.volume].begin(key, self._session.name)
            except StorageError:
                continue
            uploads[target.number] = ShardUpload(upload, target.volume, key)
        generations = {target.number: target.generation for target in targets}
        with opened_shards(self._stores.volumes, package, Examination(package)) as opened:
            sources = {number: opened[number] for number in found.readers if number in opened}
            try:
                rebuild(
                    reference,
                    sources,
                    {number: (generations[number], upload) for number, upload in uploads.items()},
                )
            except BaseException:
                for begun in uploads.values():
                    begun.abort()
                raise
        return uploads

    def _publish(self, reference: Reference, uploads: Mapping[int, ShardUpload]) -> list[int]:
        volumes = self._stores.volumes
        seal_and_publish_shards(list(uploads.values()), volumes, volumes.pool())
        for number, upload in uploads.items():
            upload.read_back(volumes, reference, number)
        return [number for number, upload in uploads.items() if upload.failure is None]

    def _commit(
        self,
        package: PackageSummary,
        reference: Reference,
        uploads: Mapping[int, ShardUpload],
        targets: list[_Target],
    ) -> None:
        shards: list[JsonValue] = [
            {
                "number": target.number,
                "generation": target.generation,
                "volume": target.volume,
                "bytes": uploads[target.number].size_bytes,
            }
            for target in targets
        ]
        entry = NewEntry(
            at=self._stores.clock.now(),
            actor=self._stores.actor,
            action=events.SHARD_REPAIR,
            institution=package.institution_id,
            objects={"package": package.package_id},
            data={"index_root": reference.entry.index_root.hex(), "shards": shards},
        )
        commit.append(self._stores, [entry])

    def _drop_old(self, package: PackageSummary, targets: list[_Target]) -> None:
        made = {target.number: target for target in targets}
        for shard in package.shards:
            target = made.get(shard.number)
            if target is None or shard.volume is None:
                continue
            key = shard_key(package.package_id, shard.number, shard.generation)
            if (shard.volume, key) == (target.volume, target.key(package.package_id)):
                continue
            try:
                self._stores.volumes[shard.volume].delete_many([key])
            except StorageError:
                continue  # the session has it on its list: the next start drops it
