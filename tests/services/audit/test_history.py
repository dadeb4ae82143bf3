"""The history on disk: what the journal says, a file a day, whole at any moment, made again when it is not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.clock import RehearsalClock
from retention.model.errors import ArchiveError, ShardDamagedError
from retention.reports import audit_history
from retention.services.audit import history
from retention.services.audit.days import results_of, summed
from retention.services.audit.rounds import run_due
from retention.services.audit.selection import audit
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.instances import OTHER_STUDY, STUDY
from tests.services.world import EVERYTHING, World, flip

DAY = timedelta(days=1)
AUDITORS = Path(__file__).parents[3] / "docs" / "audits.md"


@pytest.fixture
def audited(held: World) -> Iterator[Stores]:
    """Two days of audits, the first of which is over: damage was found, and repaired, on the first."""
    with held.opened() as stores:
        (cold,) = stores.catalog.packages_of(OTHER_STUDY)
        flip(held.shard(cold, 2), 300)
        stores.clock = RehearsalClock(stores.clock.now() + 100 * DAY)
        audit(stores, EVERYTHING, NoProgress(), repair=True)
        stores.clock = RehearsalClock(stores.clock.now() + 100 * DAY)
        run_due(stores)
        yield stores


def days(stores: Stores) -> list[date]:
    return sorted(date.fromisoformat(path.name[4:]) for path in (stores.root / history.FOLDER).iterdir())


def asked(query: str) -> list[Any]:
    found = duckdb.sql(query)
    assert found is not None
    return found.fetchall()


def test_each_day_is_a_file_that_says_what_the_journal_says(audited: Stores):
    first, last = days(audited)
    results = list(results_of(audited, first))
    assert [(r.method, r.result, r.repaired) for r in results if r.shard == 2] == [
        ("repair", "sound", True),
        ("full", "corrupt", True),
    ]
    assert len(results) == 2 + 6 + 1
    data = history.path_of(audited, first).read_bytes()
    assert [tuple(row) for row in audit_history.rows_of(data)] == [history._row(result) for result in results]
    (record,) = audited.catalog.audits.days()
    assert (record.day, record.digest) == (first, summed(results).digest)
    assert audit_history.written(data).digest == record.digest
    assert {r.method for r in results_of(audited, last)} == {"full"}
    assert list(history.check(audited)) == []
    assert history.bring_up_to_date(audited) == []


def test_the_same_results_make_the_same_file(audited: Stores):
    path = history.path_of(audited, days(audited)[0])
    before = path.read_bytes()
    path.unlink()
    assert history.bring_up_to_date(audited) == [days(audited)[0]]
    assert path.read_bytes() == before


def test_a_file_that_lacks_the_last_entries_is_written_again(audited: Stores):
    today = days(audited)[-1]
    audit(audited, EVERYTHING, NoProgress(), repair=True)
    assert history.bring_up_to_date(audited) == [today]


def test_an_edited_or_damaged_file_is_noticed(audited: Stores):
    first, last = (history.path_of(audited, day) for day in days(audited))
    rows = [row._replace(result="sound") for row in audit_history.rows_of(first.read_bytes())]
    first.write_bytes(audit_history.day_file(rows, bytes(32), 1))
    ((day, detail),) = [(problem.day, problem.detail) for problem in history.check(audited)]
    assert (day, "journal" in detail) == (days(audited)[0], True)
    last.write_bytes(b"PAR1")
    assert sorted(history.bring_up_to_date(audited)) == days(audited)
    first.write_bytes(b"garbage")
    assert [problem.day for problem in history.check(audited)] == [days(audited)[0]]
    with pytest.raises(ShardDamagedError):
        audit_history.rows_of(b"garbage")


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_stops_no_audit(
    audited: Stores, monkeypatch: pytest.MonkeyPatch, call: str
):
    path = history.path_of(audited, days(audited)[-1])
    before = path.read_bytes()

    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr(history, "open", failing, raising=False)
        else:
            patch.setattr(os, call, failing)
        with pytest.raises(ArchiveError, match="No space"):
            history.write_day(audited, days(audited)[-1])
    assert path.read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(history, "write_day", lambda *_: (_ for _ in ()).throw(ArchiveError("full")))
        audited.clock = RehearsalClock(audited.clock.now() + 200 * DAY)
        report = run_due(audited)
    assert report.checked == 2
    assert report.not_checked == ["history: full"]
    assert len(history.bring_up_to_date(audited)) == 1


def test_a_killed_write_leaves_nothing_that_is_read(audited: Stores, monkeypatch: pytest.MonkeyPatch):
    today = days(audited)[-1]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        history.write_day(audited, today)
    assert list(history.check(audited)) == []
    monkeypatch.chdir(audited.root)
    ((count,),) = asked("SELECT count(*) FROM read_parquet('history/audits/*/*.parquet')")
    assert count == sum(len(list(results_of(audited, day))) for day in days(audited))


def test_a_rebuilt_catalog_says_the_same_of_audits(audited: Stores, held: World):
    before = (
        list(audited.catalog.audits.runs()),
        audited.catalog.audits.days(),
        [package.verified_at for package in audited.catalog.packages_of(STUDY)],
    )
    rebuild_archive_catalog(held.root, NoProgress())
    with held.opened(to_write=False) as again:
        assert before == (
            list(again.catalog.audits.runs()),
            again.catalog.audits.days(),
            [package.verified_at for package in again.catalog.packages_of(STUDY)],
        )


def test_the_queries_that_the_documentation_shows_can_be_asked(
    audited: Stores, monkeypatch: pytest.MonkeyPatch
):
    queries = re.findall(r"```sql\n(.*?)```", AUDITORS.read_text(), re.DOTALL)
    assert len(queries) >= 5
    monkeypatch.chdir(audited.root)
    for query in queries:
        assert asked(query), query


def test_nobody_else_can_read_the_history(audited: Stores):
    folder = history.path_of(audited, days(audited)[0]).parent
    assert os.stat(folder).st_mode & 0o077 == 0
