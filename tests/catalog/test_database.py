"""Opening, locking, and what goes wrong with a database: an error of ours with a way out, never a guess."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.database import database_file
from retention.model.errors import (
    ArchiveNotFoundError,
    CatalogError,
    CatalogMissingError,
    LockedError,
    SettingsError,
    WriteOnceError,
)
from tests.catalog.making import ARCHIVE, URL, furnish, keep, package, study_uid


def test_a_missing_catalog_is_an_error_and_stays_missing(tmp_path: Path):
    with pytest.raises(CatalogMissingError) as caught:
        Catalog.open(URL, root=tmp_path)
    assert "catalog rebuild" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_that_goes_missing_later_is_not_made_again(catalog: Catalog, file: Path):
    catalog.close()
    for left in file.parent.iterdir():
        left.unlink()
    with pytest.raises(CatalogError):
        catalog.counts()
    assert not file.exists()


def test_create_never_touches_an_existing_catalog(catalog: Catalog, url: str):
    keep(catalog, package(1))
    with pytest.raises(WriteOnceError):
        Catalog.create(url, ARCHIVE)
    assert catalog.counts().packages == 1


def test_a_catalog_is_its_owners_alone(catalog: Catalog, file: Path):
    keep(catalog, package(1))
    for left in file.parent.iterdir():
        assert stat.S_IMODE(left.stat().st_mode) == 0o600, left.name


def test_a_catalog_needs_its_directory(tmp_path: Path):
    with pytest.raises(ArchiveNotFoundError):
        Catalog.create(URL, ARCHIVE, root=tmp_path / "nowhere")


def test_what_was_committed_is_there_after_closing(catalog: Catalog, url: str):
    keep(catalog, package(1))
    catalog.close()
    with Catalog.open(url) as again:
        assert again.study(study_uid(1)).summary.instances == 1


@pytest.mark.parametrize("name", ["with space", "100%", "a?b#c", "é"])
def test_any_directory_may_hold_a_catalog(tmp_path: Path, name):
    (tmp_path / name).mkdir()
    Catalog.create(URL, ARCHIVE, root=tmp_path / name).close()
    with Catalog.open(URL, root=tmp_path / name) as catalog:
        assert catalog.archive_id() == ARCHIVE
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert [entry.name for entry in (tmp_path / name).iterdir()] == ["catalog.db"]


def test_the_log_of_an_earlier_catalog_is_not_taken_for_the_new_ones(tmp_path: Path):
    for suffix in ("-wal", "-shm", "-journal"):
        (tmp_path / f"catalog.db{suffix}").write_bytes(b"left behind")
    with Catalog.create(URL, ARCHIVE, root=tmp_path) as catalog:
        assert catalog.check() == []


@pytest.mark.parametrize("content", [b"", b"this is no database, it is a letter\n" * 100])
def test_a_file_that_is_no_catalog_is_refused(tmp_path: Path, content):
    (tmp_path / "catalog.db").write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        Catalog.open(URL, root=tmp_path)
    assert "catalog rebuild" in str(caught.value.hint)


def test_damage_is_an_error_that_says_so(catalog: Catalog, file: Path, url: str):
    keep(catalog, *(package(number) for number in range(200)))
    catalog.close()
    pages = bytearray(file.read_bytes())
    pages[8192:] = b"\xff" * (len(pages) - 8192)
    file.write_bytes(pages)
    with pytest.raises(CatalogError) as caught, Catalog.open(url) as damaged:
        list(damaged.studies())
    assert "catalog rebuild" in str(caught.value.hint)


def test_a_full_disk_is_an_error_and_undoes_the_step(catalog: Catalog, file: Path):
    keep(catalog, package(1))
    with catalog._database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CatalogError, match="no space"):
        keep(catalog, *(package(number) for number in range(2, 500)))
    assert catalog.counts().packages == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_file_that_may_not_be_written_is_an_error(catalog: Catalog, file: Path, url: str):
    catalog.close()
    file.chmod(0o400)
    with pytest.raises(CatalogError, match="permissions"), Catalog.open(url) as readable:
        furnish(readable)


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=rwc"]
)
def test_an_address_must_name_a_file_or_a_server(url):
    with pytest.raises(SettingsError):
        Catalog.open(url)


def test_a_relative_address_is_below_the_root():
    assert database_file("sqlite:///catalog.db", Path("/archive")) == Path("/archive/catalog.db")
    assert database_file("sqlite:////elsewhere/c.db", Path("/archive")) == Path("/elsewhere/c.db")


READ = "from retention.catalog.catalog import Catalog; import sys; c = Catalog.open(sys.argv[1], busy_timeout_s=0.05);"


def run(code: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", READ + code, url], capture_output=True, text=True, check=False
    )


def test_another_process_reads_while_the_committer_writes(catalog: Catalog, url: str):
    keep(catalog, package(1))
    with catalog.transaction() as tx:
        tx.record_packages([package(number) for number in range(2, 400)])
        seen = run("print(len(list(c.studies())), c.counts().packages)", url)
    assert (seen.stdout.split(), seen.stderr) == (["1", "1"], "")
    assert run("print(c.counts().packages)", url).stdout.split() == ["399"]


def test_a_second_committer_in_another_process_is_told_that_it_is_locked(catalog: Catalog, url: str):
    code = """
from retention.model.errors import LockedError
try:
    with c.transaction(): print("in")
except LockedError as error: print(error.code)
"""
    with catalog.transaction():
        locked = run(code, url)
    assert (locked.stdout.split(), locked.stderr) == ([LockedError.code], "")
    assert run(code, url).stdout.split() == ["in"]


def test_a_committer_that_dies_leaves_no_lock_and_nothing_half_done(catalog: Catalog, url: str):
    code = """
import os
from tests.catalog.making import package
with c.transaction() as tx:
    tx.record_package(package(1))
    os._exit(9)
"""
    assert run(code, url).returncode == 9
    assert catalog.counts().packages == 0
    assert keep(catalog, package(1)) == 1


def test_a_list_under_way_neither_blocks_the_committer_nor_is_disturbed(catalog: Catalog):
    keep(catalog, *(package(number) for number in range(600)))
    lines = catalog.studies()
    first = next(lines)
    keep(catalog, package(600))
    rest = [line.study_uid for line in lines]
    assert [first.study_uid, *rest] == [study_uid(number) for number in range(601)]


def test_threads_share_one_catalog(catalog: Catalog):
    def commit(start: int) -> list[int]:
        seen = []
        for number in range(start, start + 10):
            keep(catalog, package(number))
            seen.append(catalog.study(study_uid(number)).summary.instances)
        return seen

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(commit, (0, 100, 200))) == [[1] * 10] * 3
    assert catalog.counts().packages == 30


def test_every_connection_is_durable_and_checks_references(catalog: Catalog, file: Path):
    with catalog._database.read() as one, catalog._database.read() as other:
        for connection in (one, other):
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
            assert settings == ["wal", 2, 1]
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)
