"""Repairing a package: damaged shards are made again beside the old ones, as a new generation (design §2.6).

Written, synced, read back and verified, committed by a journal entry; only then is the old shard dropped. Nothing is
ever repaired in place, and a rebuild that does not match the committed index is thrown away. What lies in a shard's
place and is another shard is not dropped here: it may be the only good one of its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retention.catalog.records import PackageSummary, ShardRecord
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import (
    IntegrityError,
    NotFoundError,
    ObjectLockedError,
    PackageLostError,
    StorageError,
)
from retention.package.check import rebuild
from retention.package.shard import Reference
from retention.services import commit, events, gate
from retention.services.audit.earlier import opened_earlier
from retention.services.audit.examine import Examination, opened_shards
from retention.services.locks import lock_new
from retention.services.sessions import Session
from retention.services.stores import Stores
from retention.services.uploads import ShardUpload, seal_and_publish
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


@dataclass(slots=True)
class Repaired:
    """What became of a repair: the numbers of the shards made, and why others were not.

    `is_lost`: too few good cells are left, with every volume answering. `misplaced` are (volume, key) of what still
    lies in a repaired shard's old place, and is another shard.
    """

    made: Sequence[int] = ()
    why_not: str = ""
    is_lost: bool = False
    misplaced: Sequence[tuple[str, str]] = ()


class Repair:
    """Rebuilds shards of packages in one session."""

    def __init__(self, stores: Stores, session: Session, states: Mapping[str, VolumeState]) -> None:
        self._stores = stores
        self._session = session
        self._states = states

    def repair(self, found: Examination) -> Repaired:
        """Make the damaged and the unplaced shards again where a volume can take them.

        Raises what a commit raises (then nothing is removed: the next start knows what counts), and ArchiveError when
        the session's list cannot be written; damage never raises.
        """
        reference, package = found.reference, found.package
        if reference is None or not found.repairable:
            return Repaired()
        uploads: dict[int, ShardUpload] = {}
        try:
            targets, refusals = self._build(found, reference, uploads)
        except (PackageLostError, StorageError, IntegrityError, NotFoundError) as error:
            is_lost = isinstance(error, PackageLostError) and self._is_all_there(package)
            return Repaired(why_not=error.message, is_lost=is_lost)
        else:
            return self._settle(found, reference, uploads, targets, refusals)
        finally:
            if any(upload.is_left for upload in uploads.values()):
                self._session.leave_open()

    def _build(
        self, found: Examination, reference: Reference, uploads: dict[int, ShardUpload]
    ) -> tuple[list[_Target], list[StorageError]]:
        """Make the shards, listed before; return what was to be made, and why some could not even be begun."""
        package, targets = found.package, self._targets(found)
        refusals: list[StorageError] = []
        self._session.intend(
            [*_new(package, targets), *_damaged(found, [target.number for target in targets])]
        )
        for target in targets:
            volume, key = self._stores.volumes[target.volume], target.key(package.package_id)
            try:
                uploads[target.number] = ShardUpload(volume, key, self._session.name)
            except StorageError as error:
                refusals.append(error)
        if uploads:
            self._write(found, reference, {t.number: t.generation for t in targets}, uploads)
        return targets, refusals

    def _settle(
        self,
        found: Examination,
        reference: Reference,
        uploads: Mapping[int, ShardUpload],
        targets: Sequence[_Target],
        refusals: Sequence[StorageError],
    ) -> Repaired:
        """Commit what was made, then drop what it replaces."""
        made = [number for number, upload in uploads.items() if upload.failure is None]
        if made and self._commit(found.package, reference, uploads, [t for t in targets if t.number in made]):
            _discard(uploads)
            return Repaired(why_not="another run changed the package meanwhile: audit again")
        failures_to_lock = lock_new(self._stores, [found.package.package_id]) if made else []
        self._drop_old(found, made)
        failures = [*refusals, *(upload.failure for upload in uploads.values() if upload.failure is not None)]
        failures += failures_to_lock
        why_not = "; ".join(dict.fromkeys(failure.message for failure in failures))
        return Repaired(made, why_not, misplaced=_misplaced(found, made))

    def _targets(self, found: Examination) -> list[_Target]:
        """Place what is to be made. Raises PlacementError."""
        package, wanted = found.package, found.repairable
        held = {
            shard.number: shard.volume
            for shard in package.shards
            if shard.volume is not None
            and (shard.number not in wanted or self._states.get(shard.volume) is VolumeState.READY)
        }
        tier = self._stores.volumes.tier(package.tier)
        placement = place(
            [volume.spec for volume in self._stores.volumes.of_tier(tier)],
            self._states,
            package.protection,
            accept_single_domain=tier.accept_single_domain,
            rotate_by=int(package.package_id[:8], 16),
            spares=[volume.spec for volume in self._stores.volumes.spares()],
            held=held,
        )
        generations = {shard.number: shard.generation for shard in package.shards}
        return [
            _Target(number, generations[number] + (number in found.findings), placement.shards[number])
            for number in wanted
            if number in placement.shards
        ]

    def _write(
        self,
        found: Examination,
        reference: Reference,
        generations: Mapping[int, int],
        uploads: Mapping[int, ShardUpload],
    ) -> None:
        """Rebuild, make durable, publish and read back; failures of a volume stay with its shards."""
        package = found.package
        try:
            volumes = self._stores.volumes
            with (
                opened_shards(volumes, package, Examination(package)) as opened,
                opened_earlier(volumes, found) as earlier,
            ):
                there = {**opened, **earlier}
                sources = {number: there[at] for number, at in found.sources.items() if at in there}
                rebuild(reference, sources, {n: (generations[n], upload) for n, upload in uploads.items()})
            seal_and_publish(uploads.values(), self._stores.volumes)
            for number, upload in uploads.items():
                upload.read_back(reference, number)
        except BaseException:
            _discard(uploads)
            raise

    def _commit(
        self,
        package: PackageSummary,
        reference: Reference,
        uploads: Mapping[int, ShardUpload],
        targets: Sequence[_Target],
    ) -> bool:
        """Commit what was made; return whether another run changed the package meanwhile, so that it was not."""
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
            data={
                "index_root": reference.entry.index_root.hex(),
                "tier": package.tier,
                "shards": shards,
            },
        )
        with self._stores.commit_lock.hold():
            commit.bring_up_to_date(self._stores)
            now = self._stores.catalog.package(package.package_id)
            if now.is_superseded or places(now.shards) != places(package.shards):
                return True
            commit.append_locked(self._stores, [entry])
        return False

    def _drop_old(self, found: Examination, made: Sequence[int]) -> None:
        for volume, key in _damaged(found, made):
            try:
                old = self._stores.volumes[volume]
                gate.remove(self._stores.catalog, old, [key], gate.Why.REPLACED)
            except StorageError as error:
                if not _is_hidden(error):
                    self._session.leave_open()  # it is on the list: the next start drops it

    def _is_all_there(self, package: PackageSummary) -> bool:
        """Whether nothing that is merely away could bring the package back."""
        states = self._stores.volumes.states()
        return all(
            shard.volume in states and states[shard.volume].is_readable
            for shard in package.shards
            if shard.volume is not None
        )


def _is_hidden(error: StorageError) -> bool:
    """Whether only a lock keeps what is to go: the volume hides it, and sweeps it away when that is over."""
    return isinstance(error, ObjectLockedError) and not error.context.get("is_on_hold")


def places(shards: Sequence[ShardRecord]) -> list[tuple[int, int, str | None]]:
    """Return what must not change between an examination and what is done on its word."""
    return [(shard.number, shard.generation, shard.volume) for shard in shards]


def _new(package: PackageSummary, targets: Sequence[_Target]) -> list[tuple[str, str]]:
    return [(target.volume, target.key(package.package_id)) for target in targets]


def _damaged(found: Examination, numbers: Sequence[int]) -> list[tuple[str, str]]:
    """Return (volume, key) of what is dropped once these shards are made again."""
    return [place for number, place in _old(found, numbers) if number not in found.found_as]


def _misplaced(found: Examination, numbers: Sequence[int]) -> list[tuple[str, str]]:
    """Return (volume, key) of what is not: it is another shard, and perhaps the only good one of its kind."""
    return [place for number, place in _old(found, numbers) if number in found.found_as]


def _old(found: Examination, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[str, str]]]:
    package = found.package
    for shard in package.shards:
        if shard.number in numbers and shard.number in found.findings and shard.volume is not None:
            yield shard.number, (shard.volume, shard_key(package.package_id, shard.number, shard.generation))


def _discard(uploads: Mapping[int, ShardUpload]) -> None:
    for upload in uploads.values():
        upload.discard()
