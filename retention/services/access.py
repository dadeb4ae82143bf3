"""Reaching the packages that are held: their shards opened, their keys found, their instances read.

The invariant: what cannot be read is told in full: which study, which shards are missing where and why, and what would
help. Nothing is read on the word of a shard that is not what the journal committed to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from retention.catalog.records import PackageSummary, ShardRecord, StudyDetail
from retention.model.clock import Clock, format_instant
from retention.model.digests import blake3_digest
from retention.model.errors import NotReadyError, PackageLostError, StorageError, VolumeUnavailableError
from retention.model.identifiers import PackageId
from retention.package.manifest import BlockRow, Contents, InstanceRow, read_contents
from retention.package.reader import PackageReader, find_reference
from retention.package.sealing import Sealer
from retention.package.shard import Reference
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import ObjectReader

MANIFEST_CACHE = 64
RECENT_PACKAGES = 16
RECENT = timedelta(seconds=30)
SWEEP_S = 5.0
WHAT_WOULD_HELP = (
    "put the missing files back from a backup of their volumes and audit again, or ingest the originals again"
)


@dataclass(slots=True)
class OpenShards:
    """The shards of a package that could be opened, by number, and why the others could not."""

    readers: dict[int, ObjectReader] = field(default_factory=dict)
    absent: dict[int, StorageError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownPackage:
    """What several readers of one package share: what it must be, its key at work, and what it holds."""

    reference: Reference
    sealer: Sealer
    contents: Contents


class RecentPackages:
    """What was known of packages a moment ago, for a process that is asked for one study again and again: a viewer
    reads it image by image. Used by many threads.

    A key that was destroyed meanwhile is in memory for no longer, asked for or not; the catalog does not have its
    package any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[PackageId, tuple[datetime, KnownPackage]] = {}
        self._sweeper: threading.Timer | None = None

    def get(self, package_id: PackageId) -> KnownPackage | None:
        with self._lock:
            until_at, known = self._known.get(package_id, (None, None))
        return known if until_at is not None and self._clock.now() < until_at else None

    def put(self, package_id: PackageId, known: KnownPackage) -> None:
        now = self._clock.now()
        with self._lock:
            self._known.pop(package_id, None)
            self._known = dict([*self._known.items()][-RECENT_PACKAGES + 1 :])
            self._known[package_id] = (now + RECENT, known)
            if self._sweeper is None:
                self._sweep_later()

    def sweep(self) -> None:
        """Forget what is not recent any more."""
        now = self._clock.now()
        with self._lock:
            self._known = {each: value for each, value in self._known.items() if now < value[0]}
            self._sweeper = None
            if self._known:
                self._sweep_later()

    def __len__(self) -> int:
        return len(self._known)

    def _sweep_later(self) -> None:
        self._sweeper = threading.Timer(SWEEP_S, self.sweep)
        self._sweeper.daemon = True
        self._sweeper.start()


class OpenPackage:
    """A package opened for reading; used by one thread at a time."""

    def __init__(
        self, package: PackageSummary, reader: PackageReader, absent: Mapping[int, StorageError]
    ) -> None:
        self._package = package
        self._reader = reader
        self._absent = absent

    @property
    def contents(self) -> Contents:
        return self._reader.contents

    def read_packed(self, number: int, block: BlockRow) -> bytes:
        """Return one block decrypted, not unpacked. Raises PackageLostError, KeyUnavailableError if it is not whole."""
        try:
            return self._reader.read_packed(number, block)
        except PackageLostError as error:
            raise lost(self._package, self._absent, error) from error

    def read_instance(self, row: InstanceRow) -> Iterator[bytes]:
        """Yield an instance's bytes, verified when the iterator ends. Raises PackageLostError, ShardDamagedError."""
        try:
            yield from self._reader.read_instance(row)
        except PackageLostError as error:
            raise lost(self._package, self._absent, error) from error


class PackageAccess:
    """Opens packages for reading (`from_medium`: past the page cache); remembers the manifests it read last."""

    def __init__(
        self, stores: Stores, *, from_medium: bool = False, recent: RecentPackages | None = None
    ) -> None:
        self._stores = stores
        self._from_medium = from_medium
        self._recent = recent
        self._cached = lru_cache(maxsize=MANIFEST_CACHE)(self._contents)
        self._found: dict[PackageId, KnownPackage] = {}
        self.package = lru_cache(maxsize=MANIFEST_CACHE)(stores.catalog.package)

    @contextmanager
    def shards(self, package: PackageSummary) -> Iterator[OpenShards]:
        """Open every shard of the package that can be opened."""
        with ExitStack() as stack:
            opened = OpenShards()
            for shard in package.shards:
                try:
                    reader = self._open(package.package_id, shard)
                except StorageError as error:
                    opened.absent[shard.number] = error
                else:
                    opened.readers[shard.number] = stack.enter_context(reader)
            yield opened

    def forms(self, study: StudyDetail) -> list[PackageSummary]:
        """Return the packages to read a study from: of each the recalled copy, if there is one and it is nearer.

        Raises NotReadyError when part of the study is on a tier that answers slowly, and was not recalled.
        """
        copies = recalled_copies(self._stores, study.packages)
        forms = []
        for package in study.packages:
            if package.copy_of is None and not package.is_superseded:
                form = copies.get(package.package_id, package)
                self._require_ready(form)
                forms.append(form)
        return forms

    def _require_ready(self, package: PackageSummary) -> None:
        """Raise NotReadyError when too few shards of a package can be read before it is recalled."""
        tier = self._stores.settings.tiers.get(package.tier)
        if tier is None or not tier.is_slow:
            return
        with self.shards(package) as opened:
            if len(opened.readers) < package.protection.data and _waiting(opened.absent):
                raise not_recalled(package, opened.absent)

    def known(self, package: PackageSummary) -> KnownPackage:
        """Return what must be known of a package to read it. Raises PackageLostError, KeyUnavailableError."""
        found = self._found.get(package.package_id)
        if found is None and self._recent is not None:
            found = self._recent.get(package.package_id)
        if found is None:
            with self.shards(package) as opened:
                reference = _reference(package, opened)
            sealer = self._sealer(package)
            found = KnownPackage(reference, sealer, read_contents(reference.manifest, sealer))
            if self._recent is not None:
                self._recent.put(package.package_id, found)
        return found

    @contextmanager
    def reader(self, package: PackageSummary, known: KnownPackage | None = None) -> Iterator[OpenPackage]:
        """Open a package to read its instances; `known` if that was found out already.

        Raises PackageLostError, KeyUnavailableError.
        """
        if known is None:
            known = self.known(package)
        with self.shards(package) as opened:
            if len(opened.readers) < package.protection.data and _waiting(opened.absent):
                raise not_recalled(package, opened.absent)
            reader = PackageReader(known.reference, opened.readers, known.sealer, known.contents)
            yield OpenPackage(package, reader, opened.absent)

    def contents(self, package_id: PackageId) -> Contents:
        """Return the sealed part of a package's manifest. Raises PackageLostError, KeyUnavailableError."""
        return self._cached(package_id)

    def _contents(self, package_id: PackageId) -> Contents:
        package = self.package(package_id)
        try:
            known = self.known(package)
        except NotReadyError:
            return read_contents(self._journaled_manifest(package), self._sealer(package))
        if len(self._found) >= MANIFEST_CACHE:
            self._found.clear()
        self._found[package_id] = known  # who asks what it holds is about to read it
        return known.contents

    def _journaled_manifest(self, package: PackageSummary) -> bytes:
        """Return the manifest as the journal has it: nothing is recalled to know what a package holds."""
        entry = next(iter(self._stores.journal.read(package.sequence)))
        if entry.payload is None or blake3_digest(entry.payload) != package.manifest_digest:
            raise PackageLostError(
                f"the journal's manifest of package {package.package_id} is not the one it committed to",
                hint="retention journal verify",
                package=package.package_id,
            )
        return entry.payload

    def _open(self, package: PackageId, shard: ShardRecord) -> ObjectReader:
        if shard.volume is None:
            raise StorageError("it lies on no volume yet (write debt)")
        key = shard_key(package, shard.number, shard.generation)
        return self._stores.volumes[shard.volume].open(key, from_medium=self._from_medium)

    def _sealer(self, package: PackageSummary) -> Sealer:
        key = self._stores.keyring.package_key(package.key_id, package.key_segment)
        return Sealer.of(key, package.package_id, package.institution_id)


def recalled_copies(stores: Stores, packages: Iterable[PackageSummary]) -> dict[PackageId, PackageSummary]:
    """Return the recalled copies among packages of a study, by the package that now stands for what was copied.

    One whose time is over counts no more: it may lie there, and its key be destroyed.
    """
    return {
        stores.catalog.successor_of(package.copy_of).package_id: package
        for package in packages
        if package.copy_of is not None and is_in_time(stores, package)
    }


def is_in_time(stores: Stores, copied: PackageSummary) -> bool:
    """Whether a recalled copy can still be read."""
    return copied.drop_at is not None and copied.drop_at > stores.clock.now()


def not_recalled(package: PackageSummary, absent: Mapping[int, StorageError]) -> NotReadyError:
    """Return the error that says that a package has to be recalled before it is read, or is being recalled."""
    waiting = _waiting(absent)
    times = [error.ready_at for error in waiting if error.ready_at is not None]
    where = f"study {package.study_uid} of {package.institution} lies on {package.tier}, which answers slowly"
    if times:
        return NotReadyError(
            f"{where}; it was recalled and is expected at {format_instant(min(times))}",
            hint="run it again then; retention recall list shows how far it is",
            ready_at=min(times),
            package=package.package_id,
        )
    return NotReadyError(
        f"{where}, and was not recalled",
        hint=f"retention recall request {package.study_uid} --institution {package.institution} --reason TEXT",
        package=package.package_id,
    )


def _waiting(absent: Mapping[int, StorageError]) -> list[NotReadyError]:
    return [error for error in absent.values() if isinstance(error, NotReadyError)]


def lost(
    package: PackageSummary, absent: Mapping[int, StorageError], error: PackageLostError
) -> PackageLostError:
    """Return the error that says of a package that cannot be read what people need to know.

    `absent` are the shards that could not be opened, by number; others are there, and damaged, as `error` says.
    """
    what = "quarantined files" if package.study_uid is None else f"study {package.study_uid}"
    missing = "; ".join(
        f"shard {number} on {package.shards[number].volume or 'no volume'}: {why.message}"
        for number, why in sorted(absent.items())
    )
    away = sorted({str(why.context["volume"]) for why in absent.values() if _may_come_back(why)})
    protection = package.protection
    message = (
        f"{what} of {package.institution} cannot be read whole: {error.message}; "
        f"{protection.shards - len(absent)} of {protection.shards} shards can be opened, {protection.data} whole ones"
        f" are needed" + (f" ({missing})" if missing else "")
    )
    hint = f"bring back {' or '.join(away)}, then run it again" if away else WHAT_WOULD_HELP
    return PackageLostError(message, hint=hint, package=package.package_id)


def _may_come_back(error: StorageError) -> bool:
    return isinstance(error, VolumeUnavailableError) and "volume" in error.context


def _reference(package: PackageSummary, opened: OpenShards) -> Reference:
    try:
        return find_reference(opened.readers, package.index_root, package.manifest_digest)
    except PackageLostError as error:
        if _waiting(opened.absent):
            raise not_recalled(package, opened.absent) from error
        raise lost(package, opened.absent, error) from error
