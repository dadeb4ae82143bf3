"""Giving back: the instances of a study, or quarantined bytes, as they were received, each verified before it has its
name.

A file appears under its name only after all its digests matched; a damaged instance never stops the others.
"""

from __future__ import annotations

import filecmp
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from retention.catalog.records import PackageKind, PackageSummary, StudyDetail
from retention.journal.envelope import NewEntry
from retention.model.errors import (
    IntegrityError,
    KeyUnavailableError,
    NotFoundError,
    RetentionError,
    UsageError,
)
from retention.model.identifiers import PackageId, new_id
from retention.package.manifest import ROLE_CONFLICT, InstanceRow
from retention.services import commit, events
from retention.services.access import OpenPackage, PackageAccess
from retention.services.events import Names
from retention.services.progress import Progress
from retention.services.stores import Stores

INSTANCES_A_WORKER = 16
"""Fewer are not worth another thread."""


@dataclass(slots=True)
class ExportReport:
    """`failures` name what could not be given back; nothing wrong was written in its place."""

    instances: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failures: list[RetentionError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    row: InstanceRow
    file_name: str


def export_study(
    stores: Stores, study: StudyDetail, out: Path, progress: Progress, jobs: int | None = None
) -> ExportReport:
    """Write every instance of the study to `out` as `<SOPInstanceUID>.dcm`, conflicts as `….2.dcm` and so on.

    What is there already is not overwritten: equal files are as good as written, others are failures. Raises UsageError
    when `out` is no folder, OSError when it cannot be written, and as `commit.append`: who was given what is recorded
    in the journal, after the files are there.
    """
    _refuse_inside(stores, out)
    access = PackageAccess(stores)
    names_taken: set[str] = set()
    started_s = stores.clock.monotonic_s()
    report = ExportReport()
    progress.begin("export", study.summary.bytes_received)
    _make_folder(out)
    try:
        for package in study.packages:
            if not package.is_superseded:
                _export_package(access, package, out, names_taken, report, progress, jobs)
    finally:
        progress.end()
    report.seconds = stores.clock.monotonic_s() - started_s
    names = Names(stores.keyring.index_key.secret)
    summary = study.summary
    entry = NewEntry(
        at=stores.clock.now(),
        actor=stores.actor,
        action=events.STUDY_EXPORT,
        institution=summary.institution_id,
        objects={"study": names.study(summary.institution_id, summary.study_uid)},
        data={"instances": report.instances, "bytes": report.bytes, "failed": len(report.failures)},
    )
    commit.append(stores, [entry])
    return report


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
        _write(path, reader.read_instance(row))
    data = {"ordinal": ordinal, "bytes": row.size_bytes}
    entry = NewEntry(
        stores.clock.now(),
        stores.actor,
        events.QUARANTINE_EXPORT,
        package.institution_id,
        {"package": package.package_id},
        data,
    )
    commit.append(stores, [entry])
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


def _export_package(
    access: PackageAccess,
    package: PackageSummary,
    out: Path,
    names_taken: set[str],
    report: ExportReport,
    progress: Progress,
    jobs: int | None,
) -> None:
    try:
        contents = access.contents(package.package_id)
    except (IntegrityError, KeyUnavailableError) as error:
        report.failures.append(error)
        return
    waiting = deque(_Wanted(row, _file_name(row, names_taken)) for row in contents.instances)
    workers = min(jobs or os.cpu_count() or 1, 1 + len(waiting) // INSTANCES_A_WORKER)
    with ThreadPoolExecutor(workers, "export") as pool:
        shares = list(
            pool.map(lambda _: _export_share(access, package, waiting, out, progress), range(workers))
        )
    for share in shares:
        report.instances += share.instances
        report.bytes += share.bytes
        report.failures += share.failures


def _export_share(
    access: PackageAccess, package: PackageSummary, waiting: deque[_Wanted], out: Path, progress: Progress
) -> ExportReport:
    """Export instances as long as any wait: each thread opens the package once, however many instances it has."""
    share = ExportReport()
    try:
        with access.reader(package) as opened:
            while (wanted := _next(waiting)) is not None:
                _export_instance(opened, wanted, out, share, progress)
    except (IntegrityError, KeyUnavailableError) as error:
        share.failures.append(error)
    return share


def _next(waiting: deque[_Wanted]) -> _Wanted | None:
    try:
        return waiting.popleft()
    except IndexError:  # another thread took the last one
        return None


def _export_instance(
    opened: OpenPackage, wanted: _Wanted, out: Path, share: ExportReport, progress: Progress
) -> None:
    try:
        _write(out / wanted.file_name, opened.read_instance(wanted.row))
    except (IntegrityError, KeyUnavailableError, UsageError) as error:
        share.failures.append(error)
    else:
        share.instances += 1
        share.bytes += wanted.row.size_bytes
    progress.advance(wanted.row.size_bytes)


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
        if not path.exists():
            os.replace(unverified, path)
        elif not filecmp.cmp(unverified, path, shallow=False):
            raise UsageError(
                f"{path} is there already, with other content",
                hint="export into a new folder, or move it away",
            )
    finally:
        unverified.unlink(missing_ok=True)


def _no_item(item_id: str) -> NotFoundError:
    return NotFoundError(f"nothing in quarantine is called {item_id}", hint="retention quarantine list")
