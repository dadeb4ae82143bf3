"""A catalog of many studies on three tiers, made without journal or bytes: for what only asks the catalog.

Run: python -m benchmarks.aged ARCHIVE --studies 1000000 --due 10000
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from retention.catalog.tables import PACKAGE, SERIES, SHARD, STUDY

_AT = 1_795_496_400_000_000
"""2026-11-24T05:00:00Z, as the catalog writes it."""
_TODAY = date(2026, 11, 24)
_HOT, _COLD = 3 * 366, 10 * 366
"""Ages in days from which the plan `standard` wants a CT on cold, and on glacier."""
_BATCH = 10_000


def fill(catalog: Path, studies: int, due: int) -> None:
    """Add studies of the one institution; the first `due` of them lie on hot and are wanted on cold."""
    connection = sqlite3.connect(catalog)
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        for numbers in _batches(range(1, studies + 1)):
            for table, rows in (
                (STUDY, [_study(number, due) for number in numbers]),
                (SERIES, [_series(number) for number in numbers]),
                (PACKAGE, [_package(number, due) for number in numbers]),
                (SHARD, [_shard(number) for number in numbers]),
            ):
                columns = list(rows[0])
                marks = ", ".join(f":{column}" for column in columns)
                connection.executemany(
                    f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608  # our names
                    rows,
                )
    connection.close()


def _batches(numbers: Iterable[int]) -> Iterator[Sequence[int]]:
    waiting = iter(numbers)
    while batch := list(itertools.islice(waiting, _BATCH)):
        yield batch


def _place(number: int, due: int) -> tuple[str, str | None, date | None, date]:
    """Return where the plan wants a study, what comes next and when, and the study's day."""
    if number <= due:
        return "cold", "glacier", _TODAY + timedelta(days=7 * 365), _TODAY - timedelta(days=_HOT)
    age = number * 37 % (20 * 365)
    on = _TODAY - timedelta(days=age)
    if age < _HOT - 10:
        return "hot", "cold", on + timedelta(days=_HOT), on
    if age < _COLD:
        return "cold", "glacier", on + timedelta(days=_COLD + 10), on
    return "glacier", None, None, on


def _study(number: int, due: int) -> dict[str, object]:
    tier, next_tier, move_on, on = _place(number, due)
    return {
        "id": number,
        "institution_row": 1,
        "study_uid": f"2.25.20261126.{number}",
        "patient_id": f"P{number // 2}",
        "birth_date": "19700101",
        "sex": "F",
        "study_date": on.strftime("%Y%m%d"),
        "modalities": "CT",
        "sop_classes": "1.2.840.10008.5.1.4.1.1.2",
        "instances": 200,
        "bytes_received": 105_000_000,
        "state": "PERMANENT",
        "reason": "no_policy",
        "next_change_on": None if move_on is None else move_on.isoformat(),
        "is_stale": 0,
        "holds": 0,
        "plan_tier": tier,
        "next_tier": next_tier,
        "move_on": None if move_on is None else move_on.isoformat(),
        "received_at": _AT,
    }


def _series(number: int) -> dict[str, object]:
    return {
        "id": number,
        "study_row": number,
        "series_uid": f"2.25.20261126.{number}.1",
        "modality": "CT",
        "instances": 200,
    }


def _package(number: int, due: int) -> dict[str, object]:
    tier = "hot" if number <= due else _place(number, due)[0]
    return {
        "id": number,
        "package_id": f"{number:032x}",
        "institution_row": 1,
        "study_row": number,
        "kind": "study",
        "tier": tier,
        "data": 1,
        "parity": 0,
        "format": 1,
        "instances": 200,
        "bytes_received": 105_000_000,
        "bytes_stored": 36_000_000,
        "index_root": bytes(32),
        "manifest_digest": bytes(32),
        "key_id": f"{number:032x}",
        "key_segment": 1,
        "sequence": number + 100,
        "created_at": _AT,
        "closed": 1,
        "verified_at": _AT,
        "read_at": _AT,
        "lost": 0,
        "replaced": 0,
        "replaced_bytes": 0,
    }


def _shard(number: int) -> dict[str, object]:
    return {
        "package_row": number,
        "number": 0,
        "generation": 0,
        "volume_row": 1,
        "size_bytes": 36_000_000,
        "state": "sound",
        "verified_at": _AT,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--studies", type=int, required=True)
    parser.add_argument("--due", type=int, required=True)
    given = parser.parse_args()
    fill(given.archive / "catalog.db", given.studies, given.due)


if __name__ == "__main__":
    main()
