"""The use case: keep every DICOM file below some paths.

Files are grouped by study from their heads; studies are built one after another while the group before them is made
durable, read back and committed. Interrupted, every acknowledged study is whole, the others are absent, and running it
again completes what is missing.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from retention.dicom.rejection import KEY_OBJECT_SELECTION
from retention.model.errors import LockedError, RetentionError, StorageError
from retention.model.identifiers import InstitutionId
from retention.package.manifest import KIND_QUARANTINE, KIND_STUDY, ROLE_CONFLICT
from retention.services import decisions, locks
from retention.services.events import Names
from retention.services.ingest.build import BuiltPackage, NothingBuilt, PackageBuilder, PackageUnderWay
from retention.services.ingest.finish import FinishedPackage, finish
from retention.services.ingest.pack import FileRefused
from retention.services.ingest.recognise import Recognised, Recogniser
from retention.services.ingest.rejections import obey
from retention.services.ingest.scan import ScannedFile, Scanner, SkippedFile, UnreadableFile
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores

GROUP_PACKAGES = 64
GROUP_BYTES = 64 * 1024 * 1024
GROUP_SHARDS = 384
LOOKED_UP_FILES = 256

Files = tuple[str, list[ScannedFile]]
"""The kind of a package to be, and its files."""


@dataclass(slots=True)
class Refusal:
    """A file that is not, or not as sent, among the readable studies."""

    path: str
    reason: str


@dataclass(slots=True)
class IngestReport:
    """What became of the files. `stored` counts new instances; conflicts and quarantined ones are stored too, and
    counted apart. Bytes are as received, `bytes_stored` as they lie on the volumes. `unlocked`: why volumes with Object
    Lock have not locked what was stored yet; their next renewal does."""

    studies: int = 0
    stored: int = 0
    duplicates: int = 0
    reencoded: int = 0
    conflicts: int = 0
    quarantined: int = 0
    skipped: int = 0
    unreadable: int = 0
    bytes_in: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0
    write_debt: int = 0
    refused: list[Refusal] = field(default_factory=list)
    failures: list[RetentionError] = field(default_factory=list)
    unlocked: list[StorageError] = field(default_factory=list)


class Ingest:
    """One run of ingest into one tier, for one institution."""

    def __init__(
        self,
        stores: Stores,
        institution: InstitutionId,
        tier: str,
        progress: Progress,
        jobs: int | None = None,
    ) -> None:
        self._stores = stores
        self._institution = institution
        self._tier = stores.volumes.tier(tier)
        self._progress = progress
        # One more than cores: while one waits for Python's lock another has work.
        self._jobs = jobs or (os.cpu_count() or 1) + 1
        self._names = Names(stores.keyring.index_key.secret)
        self._report = IngestReport()
        self._studies: set[str] = set()
        self._notes: list[ScannedFile] = []

    def run(self, paths: Sequence[Path]) -> IngestReport:
        """Ingest. Raises NotFoundError for a missing path, and the first storage error once what could be committed is.

        A file's own fault never raises: it is in the report, and so is what went wrong with one package alone.
        """
        clock = self._stores.clock
        started_s = clock.monotonic_s()
        scanned = self._scan(paths)
        report = self.keep(scanned, sum(file.stamp.size_bytes for _, files in scanned for file in files))
        report.seconds = clock.monotonic_s() - started_s
        return report

    def keep(self, scanned: Iterable[Files], size_bytes: int = 0) -> IngestReport:
        """Ingest what is scanned, each when its turn comes; `size_bytes` for who watches. Raises as `run`."""
        clock = self._stores.clock
        started_s = clock.monotonic_s()
        self._progress.begin("ingest", size_bytes)
        try:
            with (
                Session(self._stores.root) as session,
                ThreadPoolExecutor(self._jobs, "pack") as pool,
                ThreadPoolExecutor(1, "finish") as finisher,
            ):
                builder = PackageBuilder(
                    self._stores, self._tier, self._stores.volumes.states(), session.name, pool
                )
                overtaken = self._build_and_finish(builder, finisher, session, scanned)
                while overtaken:
                    overtaken = self._build_and_finish(builder, finisher, session, overtaken)
        finally:
            self._progress.end()
        obey(self._stores, self._institution, self._notes)
        with suppress(
            LockedError
        ):  # what came in is kept; its decisions are marked stale, and made at the next call
            decisions.refresh(self._stores)
        self._report.studies = len(self._studies)
        self._report.seconds = clock.monotonic_s() - started_s
        return self._report

    def _scan(self, paths: Sequence[Path]) -> list[Files]:
        """Return (kind, files) of each package to be: one a study, and one for all that goes to quarantine."""
        studies: dict[str, list[ScannedFile]] = {}
        quarantine: list[ScannedFile] = []
        for found in Scanner().scan(paths):
            if isinstance(found, SkippedFile):
                self._report.skipped += 1
            elif isinstance(found, UnreadableFile):
                self._refuse_unreadable(found)
            elif found.head is None:
                quarantine.append(found)
            else:
                studies.setdefault(found.head.identity.study_uid, []).append(found)
        groups = [(KIND_STUDY, files) for files in studies.values()]
        return groups + ([(KIND_QUARANTINE, quarantine)] if quarantine else [])

    def _build_and_finish(
        self,
        builder: PackageBuilder,
        finisher: ThreadPoolExecutor,
        session: Session,
        scanned: Iterable[Files],
    ) -> list[Files]:
        """Build one group while the one before is finished; return what was overtaken and is to be done again."""
        under_way: Future[list[FinishedPackage]] | None = None
        overtaken: list[Files] = []
        with closing(self._built(builder, scanned)) as built:
            groups = _grouped(built)
            while True:
                group, failure = _next(groups)
                if under_way is not None:
                    overtaken += self._finished(under_way, group)
                if failure is not None:
                    raise failure
                if not group:
                    return overtaken
                under_way = finisher.submit(finish, self._stores, self._names, session, group)

    def _finished(
        self, under_way: Future[list[FinishedPackage]], following: Sequence[BuiltPackage]
    ) -> Iterator[Files]:
        """Wait for a group and account for it; the one built meanwhile goes with it if that fails."""
        try:
            finished = under_way.result()
        except BaseException:
            for built in following:
                built.uploads.discard()
            raise
        mine = [each.built.package for each in finished if each.error is None and not each.is_overtaken]
        self._report.unlocked += locks.lock_new(self._stores, mine)
        for package in finished:
            if package.is_overtaken:
                yield package.built.kind, [keep.file for keep in package.built.files]
            else:
                self._account(package)

    def _built(
        self, builder: PackageBuilder, scanned: Iterable[Files]
    ) -> Generator[BuiltPackage, None, None]:
        """Yield the packages, each written while the files of the next are being packed."""
        begun = self._begun(builder, scanned)
        ahead, failure = _next_begun(begun)
        try:
            while ahead is not None:
                ready = ahead
                ahead, failure = _next_begun(begun)
                yield from self._written(ready)
        finally:
            if ahead is not None:
                ahead.uploads.discard()
        if failure is not None:
            raise failure

    def _begun(self, builder: PackageBuilder, scanned: Iterable[Files]) -> Iterator[PackageUnderWay]:
        for kind, files, found in self._recognised(scanned):
            self._account_recognised(found)
            if found.keep:
                yield builder.begin(self._institution, kind, found.keep, found.known, found.replaces)
            self._progress.advance(sum(file.stamp.size_bytes for file in files))

    def _recognised(self, scanned: Iterable[Files]) -> Iterator[tuple[str, list[ScannedFile], Recognised]]:
        recogniser = Recogniser(self._stores, self._institution, self._names)
        for batch in _in_batches(scanned):
            held = recogniser.look_up(file for kind, files in batch if kind == KIND_STUDY for file in files)
            for kind, files in batch:
                if kind == KIND_STUDY:
                    yield kind, files, recogniser.recognise(files, held)
                else:
                    yield kind, files, recogniser.recognise_unidentified(files)

    def _written(self, begun: PackageUnderWay) -> Iterator[BuiltPackage]:
        built = begun.finish()
        if isinstance(built, NothingBuilt):
            self._account_refused(built.refused)
        else:
            yield built

    def _account_recognised(self, found: Recognised) -> None:
        self._report.duplicates += len(found.duplicates)
        self._report.reencoded += len(found.reencoded)
        for file in found.unreadable:
            self._refuse_unreadable(file)

    def _account(self, package: FinishedPackage) -> None:
        built = package.built
        self._account_refused(built.refused)
        if package.error is not None:
            self._report.failures.append(package.error)
            return
        placed = len(built.uploads.sound())
        self._report.bytes_in += built.received_bytes
        self._report.bytes_stored += built.tail.shard_bytes * placed
        self._report.write_debt += built.tier.protection.shards - placed
        self._account_instances(built)

    def _account_instances(self, built: BuiltPackage) -> None:
        paths = {ordinal: keep.file.path for ordinal, keep in enumerate(built.files)}
        if built.contents.study is not None:
            self._studies.add(built.contents.study.study_uid)
        for row in built.contents.instances:
            if built.kind == KIND_QUARANTINE:
                self._report.quarantined += 1
                self._report.refused.append(Refusal(paths[row.ordinal], f"quarantined: {row.reason}"))
            elif row.role == ROLE_CONFLICT:
                self._report.conflicts += 1
                self._report.refused.append(
                    Refusal(paths[row.ordinal], "conflict: kept beside the first of its UID")
                )
            else:
                self._report.stored += 1
                if row.sop_class_uid == KEY_OBJECT_SELECTION:
                    self._notes.append(built.files[row.ordinal].file)

    def _account_refused(self, refused: Iterable[FileRefused]) -> None:
        for each in refused:
            self._refuse_unreadable(UnreadableFile(each.file.path, each.reason))

    def _refuse_unreadable(self, file: UnreadableFile) -> None:
        self._report.unreadable += 1
        self._report.refused.append(Refusal(file.path, file.reason))


def _in_batches(scanned: Iterable[Files]) -> Iterator[list[Files]]:
    """Cut into batches that are looked up together: many small studies, few large ones."""
    batch: list[Files] = []
    count = 0
    for item in scanned:
        batch.append(item)
        count += len(item[1])
        if count >= LOOKED_UP_FILES:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _next(groups: Iterator[list[BuiltPackage]]) -> tuple[list[BuiltPackage], BaseException | None]:
    """Return the next group, or why there is none: what is under way is finished before that is raised."""
    try:
        return next(groups, []), None
    except BaseException as error:  # noqa: BLE001  # an interrupt too: raised again by the caller
        return [], error


def _next_begun(begun: Iterator[PackageUnderWay]) -> tuple[PackageUnderWay | None, Exception | None]:
    """Return the next package, or why there is none: the one before is written before that is raised."""
    try:
        return next(begun, None), None
    except Exception as error:  # noqa: BLE001  # raised again by the caller
        return None, error


def _grouped(built: Iterator[BuiltPackage]) -> Iterator[list[BuiltPackage]]:
    """Collect packages into groups that are synced and committed together; a large one is a group by itself.

    An error while one is built is raised after those before it were handed out.
    """
    group: list[BuiltPackage] = []
    size_bytes = shards = 0
    shards_limit = min(GROUP_SHARDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
    failure: BaseException | None = None
    while failure is None:
        try:
            package = next(built, None)
        except BaseException as error:  # noqa: BLE001  # raised below
            package, failure = None, error
        if package is not None:
            group.append(package)
            size_bytes += package.tail.shard_bytes
            shards += len(package.uploads.uploads)
        is_full = len(group) >= GROUP_PACKAGES or size_bytes >= GROUP_BYTES or shards >= shards_limit
        if group and (package is None or is_full):
            yield group
            group, size_bytes, shards = [], 0, 0
        if package is None and failure is None:
            return
    raise failure
