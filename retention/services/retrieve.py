"""Giving back: the instances of a study, or quarantined bytes, as they were received, each verified before it has its
name.

A file appears under its name only after all its digests matched; a damaged instance never stops the others.
"""

from __future__ import annotations

import filecmp
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from retention.catalog.records import (
    PackageKind,
    PackageSummary,
    StudyDetail,
    StudyFilter,
    StudySummary,
)
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import (
    IntegrityError,
    KeyUnavailableError,
    NotFoundError,
    NotReadyError,
    RetentionError,
    UsageError,
)
from retention.model.identifiers import PackageId, new_id
from retention.package.manifest import ROLE_CONFLICT, InstanceRow
from retention.services import events
from retention.services.access import KnownPackage, PackageAccess
from retention.services.disclosing import disclose
from retention.services.events import Names
from retention.services.progress import Progress
from retention.services.stores import Stores
from retention.storage.syscalls import rename_put_once

INSTANCES_A_SHARE = 16
"""What one thread does in one go: it opens the package once for them."""

SHARES_AHEAD = 4
STUDIES_A_COMMIT = 64


@dataclass(slots=True)
class ExportReport:
    """`failures` name what could not be given back; nothing wrong was written in its place."""

    studies: int = 0
    instances: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failures: list[RetentionError] = field(default_factory=list)

    def add(self, part: ExportReport) -> None:
        """Count in what was given back of a part."""
        self.instances += part.instances
        self.bytes += part.bytes
        self.failures += part.failures


@dataclass(frozen=True, slots=True)
class _Wanted:
    row: InstanceRow
    file_name: str


def export_study(
    stores: Stores, study: StudyDetail, out: Path, progress: Progress, jobs: int | None = None
) -> ExportReport:
    """Write every instance of one study to `out`, as `export_studies` does."""
    return export_studies(stores, [(study, out)], progress, study.summary.bytes_received, jobs)


def export_studies(
    stores: Stores,
    orders: Iterable[tuple[StudyDetail, Path]],
    progress: Progress,
    total_bytes: int | None = None,
    jobs: int | None = None,
) -> ExportReport:
    """Write every instance of each study to its folder as `<SOPInstanceUID>.dcm`, conflicts as `….2.dcm` and so on.

    What is there already is not overwritten: equal files are as good as written, others are failures. Raises UsageError
    when a folder is none or lies inside the archive, OSError when it cannot be written, and as `disclose`: that
    somebody is given a study is in the journal before the first byte of it is, and what came of it afterwards, also
    when the run is stopped.
    """
    started_s = stores.clock.monotonic_s()
    progress.begin("export", total_bytes)
    export = _Export(stores, progress, jobs)
    try:
        export.run(orders)
    finally:
        progress.end()
        export.note_aborted()
        export.record()
    export.report.seconds = stores.clock.monotonic_s() - started_s
    return export.report


def every_study(stores: Stores, institution: str | None, out: Path) -> Iterator[tuple[StudyDetail, Path]]:
    """Yield every study (of an institution) and its folder; two institutions may hold one of the same UID."""
    for summary in stores.catalog.studies(StudyFilter(institution)):
        study = stores.catalog.study(summary.study_uid, summary.institution)
        yield study, out / summary.institution / summary.study_uid


def export_quarantined(stores: Stores, item_id: str, out: Path) -> Path:
    """Write one quarantined item's bytes to `out` under a harmless name; return the file.

    Raises NotFoundError for an unknown id, PackageLostError.
    """
    package, ordinal = _find_item(stores, item_id)
    _refuse_inside(stores, out)
    _make_folder(out)
    access = PackageAccess(stores)
    with access.reader(package) as reader:
        row = next((row for row in reader.contents.instances if row.ordinal == ordinal), None)
        if row is None:
            raise _no_item(item_id)
        path = out / f"{item_id}.bin"
        entry = NewEntry(
            stores.clock.now(),
            stores.actor,
            events.QUARANTINE_EXPORT,
            package.institution_id,
            {"package": package.package_id},
            {"ordinal": ordinal, "bytes": row.size_bytes},
        )
        disclose(stores, [entry])  # before the first byte is given
        _write(path, reader.read_instance(row))
    return path


def _find_item(stores: Stores, item_id: str) -> tuple[PackageSummary, int]:
    package_id, _, ordinal = item_id.partition("-")
    try:
        package = stores.catalog.package(PackageId(package_id))
    except NotFoundError:
        raise _no_item(item_id) from None
    if package.kind is not PackageKind.QUARANTINE or not (ordinal.isascii() and ordinal.isdecimal()):
        raise _no_item(item_id)
    return package, int(ordinal)


@dataclass(slots=True)
class _StudyUnderWay:
    """A study some of whose files may not be written yet; `done` counts the whole of it when they are."""

    study: StudyDetail
    done: ExportReport = field(default_factory=ExportReport)
    shares: deque[Future[ExportReport]] = field(default_factory=deque)


class _Export:
    """Giving back studies one after another: while files of one are unpacked and written, the next one's are found."""

    def __init__(self, stores: Stores, progress: Progress, jobs: int | None) -> None:
        self._stores = stores
        self._access = PackageAccess(stores)
        self._names = Names(stores.keyring.index_key.secret)
        self._progress = progress
        self._jobs = jobs or os.cpu_count() or 1
        self._under_way: deque[_StudyUnderWay] = deque()
        self._entries: list[NewEntry] = []
        self._zones = {
            record.spec.name: ZoneInfo(record.spec.timezone) for record in stores.catalog.institutions()
        }
        self.report = ExportReport()

    def run(self, orders: Iterable[tuple[StudyDetail, Path]]) -> None:
        pool = ThreadPoolExecutor(self._jobs, "export")
        try:
            waiting, refusal = iter(orders), None
            while refusal is None and (group := list(islice(waiting, STUDIES_A_COMMIT))):
                allowed, refusal = _allowed(self._stores, group)
                self._intend(study for study, _ in allowed)
                for study, out in allowed:
                    self._under_way.append(_StudyUnderWay(study))
                    self._begin(pool, self._under_way[-1], out)
                    self._finish(shares_left=SHARES_AHEAD * self._jobs)
            self._finish(shares_left=0)
        finally:
            pool.shutdown(cancel_futures=True)
        if refusal is not None:
            raise refusal

    def note_aborted(self) -> None:
        """Account for what was begun and not ended: those who have some of its files were given them."""
        for stopped in self._under_way:
            for share in stopped.shares:
                if share.done() and not share.cancelled() and share.exception() is None:
                    stopped.done.add(share.result())
            self._entries.append(self._entry(stopped.study, stopped.done, aborted=True))
        self._under_way.clear()

    def record(self) -> None:
        """Put into the journal who was given what since the last time."""
        if self._entries:
            disclose(self._stores, self._entries)
            self._entries = []

    def _intend(self, studies: Iterable[StudyDetail]) -> None:
        """Put into the journal that these studies are about to be given. Raises as `disclose`: then none is."""
        intents = [
            self._about(study.summary, {"intent": True, "instances": study.summary.instances})
            for study in studies
        ]
        if intents:
            disclose(self._stores, intents)

    def _begin(self, pool: Executor, begun: _StudyUnderWay, out: Path) -> None:
        names_taken: set[str] = set()
        try:
            forms = self._access.forms(begun.study)
        except NotReadyError as error:  # a part of a study is not what was asked for
            begun.done.failures.append(error)
            return
        for package in forms:
            try:
                known = self._access.known(package)
            except (IntegrityError, KeyUnavailableError, NotReadyError) as error:
                begun.done.failures.append(_told(package, error))
                continue
            rows = known.contents.instances
            if package.lost:
                rows = self._still_there(package, rows)
            wanted = [_Wanted(row, _file_name(row, names_taken)) for row in rows]
            for start in range(0, len(wanted), INSTANCES_A_SHARE):
                share = wanted[start : start + INSTANCES_A_SHARE]
                begun.shares.append(pool.submit(self._export_share, package, known, share, out))

    def _still_there(self, package: PackageSummary, rows: Sequence[InstanceRow]) -> tuple[InstanceRow, ...]:
        """Return those that nobody has brought again since the package was lost: the others lie elsewhere."""
        owner = package.institution_id
        digests = [self._names.instance(owner, row.sop_instance_uid or "") for row in rows]
        found = self._stores.catalog.find_instances(owner, digests)
        here = {
            place.ordinal
            for places in found.values()
            for place in places
            if place.package_id == package.package_id
        }
        return tuple(row for row in rows if row.ordinal in here)

    def _finish(self, shares_left: int) -> None:
        """Wait for the oldest work until no more than so many shares are left."""
        while self._under_way and (
            not self._under_way[0].shares or sum(len(s.shares) for s in self._under_way) > shares_left
        ):
            oldest = self._under_way[0]
            if oldest.shares:
                oldest.done.add(oldest.shares.popleft().result())
            else:
                self._under_way.popleft()
                self._note_done(oldest.study, oldest.done)

    def _note_done(self, study: StudyDetail, done: ExportReport) -> None:
        self.report.studies += 1
        self.report.add(done)
        self._entries.append(self._entry(study, done))
        if len(self._entries) >= STUDIES_A_COMMIT:
            self.record()

    def _entry(self, study: StudyDetail, done: ExportReport, *, aborted: bool = False) -> NewEntry:
        """Return what came of giving a study; if anything did, it names a package: that is an access to the study."""
        given = {"instances": done.instances, "bytes": done.bytes, "failed": len(done.failures)}
        data: dict[str, JsonValue] = {**given, "aborted": True} if aborted else {**given}
        if not done.instances:
            return self._about(study.summary, data)
        on = self._stores.clock.now().astimezone(self._zones[study.summary.institution]).date()
        package = {"package": str(study.packages[0].package_id)}
        return self._about(study.summary, data | {"on": on.isoformat()}, package)

    def _about(
        self, summary: StudySummary, data: dict[str, JsonValue], objects: Mapping[str, str] | None = None
    ) -> NewEntry:
        return NewEntry(
            at=self._stores.clock.now(),
            actor=self._stores.actor,
            action=events.STUDY_EXPORT,
            institution=summary.institution_id,
            objects={
                "study": self._names.study(summary.institution_id, summary.study_uid),
                **(objects or {}),
            },
            data=data,
        )

    def _export_share(
        self, package: PackageSummary, known: KnownPackage, wanted: Sequence[_Wanted], out: Path
    ) -> ExportReport:
        share = ExportReport()
        with self._access.reader(package, known) as opened:
            for each in wanted:
                try:
                    _write(out / each.file_name, opened.read_instance(each.row))
                except (IntegrityError, KeyUnavailableError, NotReadyError, UsageError) as error:
                    share.failures.append(error)
                else:
                    share.instances += 1
                    share.bytes += each.row.size_bytes
                self._progress.advance(each.row.size_bytes)
        return share


def _told(package: PackageSummary, error: RetentionError) -> RetentionError:
    """Return the error with how many instances it is about, where a package is lost and cannot even say which."""
    if package.lost:
        error.message = f"{package.instances - package.replaced} instances are lost: {error.message}"
    return error


def _allowed(
    stores: Stores, orders: Sequence[tuple[StudyDetail, Path]]
) -> tuple[Sequence[tuple[StudyDetail, Path]], Exception | None]:
    """Make the folders; return the orders up to the first that has none, and why."""
    for number, (_, out) in enumerate(orders):
        try:
            _refuse_inside(stores, out)
            _make_folder(out)
        except (UsageError, OSError) as error:
            return orders[:number], error
    return orders, None


def _file_name(row: InstanceRow, names_taken: set[str]) -> str:
    """Return the name of an instance's file. A UID is digits and dots (checked at ingest); it is no path.

    What came in conflict with another never gets that one's name, also where the other cannot be given back; and a UID
    that looks like such a name (`X.2` beside a conflict of `X`) gets the next free one.
    """
    uid = row.sop_instance_uid or ""
    candidates = chain([] if row.role == ROLE_CONFLICT else [uid], (f"{uid}.{nth}" for nth in count(2)))
    stem = next(candidate for candidate in candidates if candidate not in names_taken)
    names_taken.add(stem)
    return f"{stem}.dcm"


def _refuse_inside(stores: Stores, out: Path) -> None:
    """Refuse a folder of the archive itself: what is given back lies there in clear, and outlives its key."""
    if out.resolve().is_relative_to(stores.root.resolve()):
        raise UsageError(f"{out} lies inside the archive", hint="name a folder outside of it")


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder", hint="name a folder for the files")
    out.mkdir(parents=True, exist_ok=True)


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    """Write a file that has its name only when it is whole and verified.

    Raises UsageError when another file has that name already; the same bytes there are as good as written.
    """
    unverified = path.with_name(f".{new_id()}.unverified")
    try:
        with open(unverified, "xb") as file:
            file.writelines(blocks)
        rename_put_once(str(unverified), str(path))
    except FileExistsError:
        is_same = filecmp.cmp(unverified, path, shallow=False)
        unverified.unlink()
        if not is_same:
            raise UsageError(
                f"{path} is there already, with other content",
                hint="export into a new folder, or move it away",
            ) from None
    except OSError as error:
        unverified.unlink(missing_ok=True)
        if error.filename is None:  # a write that failed does not say where
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except BaseException:
        unverified.unlink(missing_ok=True)
        raise


def _no_item(item_id: str) -> NotFoundError:
    return NotFoundError(f"nothing in quarantine is called {item_id}", hint="retention quarantine list")
