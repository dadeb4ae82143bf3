"""The history of audits on disk: a file a day below the archive's `history/audits`, for people's own questions.

The journal is the truth, the files are a view of it: each is made from the day's entries, written beside, synced and
renamed, and can be made again at any time. One that lacks entries of its day is behind; one that does not hold what the
journal commits to is damaged. Neither is ever asked for anything but to be looked at by people.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from retention.catalog.audit_records import AuditRunRecord
from retention.model.errors import ArchiveError, IntegrityError
from retention.reports import audit_history
from retention.reports.audit_history import Row
from retention.services.audit.days import Result, results_of, summed
from retention.services.stores import Stores

FOLDER = Path("history", "audits")
FILE = "results.parquet"


@dataclass(frozen=True, slots=True)
class HistoryProblem:
    """A day whose file is not what the journal says, and how."""

    day: date
    detail: str


def path_of(stores: Stores, day: date) -> Path:
    """Return where a day's file is: a partition by day, as Hive, DuckDB and Spark name them."""
    return stores.root / FOLDER / f"day={day.isoformat()}" / FILE


def bring_up_to_date(stores: Stores) -> list[date]:
    """Write the file of every day that has none, or that lacks something; return these days.

    Raises UsageError when pyarrow is not installed, ArchiveError when the folder cannot be written, JournalBrokenError.
    """
    behind = [day for day, last in _days(stores) if not _has(path_of(stores, day), last)]
    for day in behind:
        write_day(stores, day)
    return behind


def write_day(stores: Stores, day: date) -> Path:
    """Write a day's file anew, durably: it is the old one or the new one, whatever happens. Raises as above."""
    results = list(results_of(stores, day))
    last = max((result.entry for result in results), default=0)
    data = audit_history.day_file(map(_row, results), summed(results).digest, last)
    path = path_of(stores, day)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{FILE}.{os.getpid()}")
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise ArchiveError(
            f"the history of audits cannot be written: {error.strerror}: {path}",
            hint="free space, or look at the permissions; then retention audit history",
        ) from error
    return path


def check(stores: Stores) -> Iterator[HistoryProblem]:
    """Compare every file with what the journal commits to. Days that have no file yet are said, too."""
    committed = {record.day: record.digest for record in stores.catalog.audits.days()}
    for day, _ in _days(stores):
        path = path_of(stores, day)
        if not path.exists():
            yield HistoryProblem(day, "not written yet")
        elif day in committed:
            try:
                digest = summed(map(_result, audit_history.rows_of(path.read_bytes()))).digest
            except (IntegrityError, OSError) as error:
                yield HistoryProblem(day, str(error))
            else:
                if digest != committed[day]:
                    yield HistoryProblem(day, "its rows are not those that the journal commits to")


def _days(stores: Stores) -> Iterator[tuple[date, int]]:
    """Yield each day that has results, with the last entry that has some."""
    last: AuditRunRecord | None = None
    for run in stores.catalog.audits.runs():
        if run.shards == 0:
            continue
        if last is not None and last.at.date() != run.at.date():
            yield last.at.date(), last.sequence
        last = run
    if last is not None:
        yield last.at.date(), last.sequence


def _has(path: Path, last: int) -> bool:
    """Whether a day's file is there and goes up to its last entry."""
    try:
        return audit_history.written(path.read_bytes()).last_entry == last
    except (OSError, IntegrityError):
        return False


def _row(result: Result) -> Row:
    return Row(
        result.entry,
        result.package,
        result.shard,
        result.method,
        result.at,
        result.tier,
        result.volume,
        result.generation,
        result.read_bytes,
        result.result,
        result.repaired,
    )


def _result(row: Row) -> Result:
    return Result(*row)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
