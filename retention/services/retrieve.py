"""Giving back: the instances of a study, or quarantined bytes, as they were received, each verified before it has its
name.

A file appears under its name only after all its digests matched; a damaged instance never stops the others.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from retention.catalog.records import PackageSummary, StudyDetail
from retention.journal.envelope import NewEntry
from retention.model.errors import (
    IntegrityError,
    KeyUnavailableError,
    NotFoundError,
    RetentionError,
    UsageError,
)
from retention.model.identifiers import PackageId, new_id
from retention.package.manifest import InstanceRow
from retention.package.reader import PackageReader
from retention.services import commit, events
from retention.services.access import PackageAccess
from retention.services.events import Names
from retention.services.progress import Progress
from retention.services.stores import Stores

CHUNK_INSTANCES = 16


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

    Raises UsageError when `out` holds other files of these names, OSError when it cannot be written.
    """
    access = PackageAccess(stores)
    names_taken: Counter[str] = Counter()
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
    package_id, _, ordinal_text = item_id.partition("-")
    try:
        package, ordinal = stores.catalog.package(PackageId(package_id)), int(ordinal_text)
    except ValueError:
        raise _no_item(item_id) from None
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


def _export_package(
    access: PackageAccess,
    package: PackageSummary,
    out: Path,
    names_taken: Counter[str],
    report: ExportReport,
    progress: Progress,
    jobs: int | None,
) -> None:
    try:
        contents = access.contents(package.package_id)
    except (IntegrityError, KeyUnavailableError) as error:
        report.failures.append(error)
        return
    wanted = [_Wanted(row, _file_name(row, names_taken)) for row in contents.instances]
    chunks = [wanted[start : start + CHUNK_INSTANCES] for start in range(0, len(wanted), CHUNK_INSTANCES)]

    def export_chunk(chunk: Sequence[_Wanted]) -> list[RetentionError]:
        with access.reader(package) as reader:
            return list(_export_instances(reader, chunk, out, progress))

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1, "export") as pool:
        failures = [error for errors in pool.map(export_chunk, chunks) for error in errors]
    report.failures += failures
    report.instances += len(wanted) - len(failures)
    failed = {error.context.get("ordinal") for error in failures}
    report.bytes += sum(each.row.size_bytes for each in wanted if each.row.ordinal not in failed)


def _export_instances(
    reader: PackageReader, wanted: Iterable[_Wanted], out: Path, progress: Progress
) -> Iterator[RetentionError]:
    for each in wanted:
        try:
            _write(out / each.file_name, reader.read_instance(each.row))
        except IntegrityError as error:
            error.context["ordinal"] = each.row.ordinal
            yield error
        progress.advance(each.row.size_bytes)


def _file_name(row: InstanceRow, names_taken: Counter[str]) -> str:
    """Return the name of an instance's file. A UID is digits and dots (checked at ingest); it is no path."""
    uid = row.sop_instance_uid or ""
    names_taken[uid] += 1
    nth = names_taken[uid]
    return f"{uid}.dcm" if nth == 1 else f"{uid}.{nth}.dcm"


def _make_folder(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not out.is_dir():
        raise UsageError(f"{out} is not a folder", hint="name a folder for the files")


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    """Write a file that has its name only when it is whole and verified."""
    unverified = path.with_name(f".{new_id()}.unverified")
    try:
        with open(unverified, "xb", buffering=0) as file:
            for block in blocks:
                file.write(block)
        os.replace(unverified, path)
    finally:
        unverified.unlink(missing_ok=True)


def _no_item(item_id: str) -> NotFoundError:
    return NotFoundError(f"nothing in quarantine is called {item_id}", hint="retention quarantine list")
