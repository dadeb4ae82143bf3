"""Sessions: whatever a killed run had on its list and the catalog does not know goes; nothing else ever does."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from retention.model.errors import ArchiveError
from retention.services import sessions
from retention.services.sessions import FOLDER, Session, recover, under_way
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Upload
from tests.services.world import World

PACKAGE = "3f" * 16
KEY = shard_key(PACKAGE, 0, 0)


def put(stores: Stores, volume: str, key: str, session: str = "0" * 16) -> Path:
    with stores.volumes[volume].begin(key, session) as upload:
        upload.write(b"bytes")
        upload.seal()
        upload.publish()
    return stores.root / volume / key


def begun(stores: Stores, volume: str, session: str) -> Upload:
    upload = stores.volumes[volume].begin(KEY, session)
    upload.write(b"half")
    return upload


def killed(session: Session) -> None:
    """Leave a session as a killed process does: its file stays, the lock is gone."""
    os.close(session._descriptor)


def clean(stores: Stores) -> list[str]:
    with stores.commit_lock.hold():
        return recover(stores.root, stores.volumes, stores.catalog)


def left(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / FOLDER).iterdir())


def test_what_was_published_and_never_committed_is_removed(held: World):
    with held.opened() as stores:
        session = Session(held.root)
        session.intend([("hot-a", KEY), ("hot-b", KEY)])
        orphans = [put(stores, name, KEY) for name in ("hot-a", "hot-b")]
        killed(session)
        assert clean(stores) == [session.name]
        assert [path for path in orphans if path.exists()] == []
        assert left(held) == []


def test_what_the_catalog_knows_is_never_touched(held: World):
    before = held.digest()
    session = Session(held.root)
    session.intend(
        (str(shard.volume), shard_key(package.package_id, shard.number, shard.generation))
        for package in held.packages()
        for shard in package.shards
    )
    killed(session)
    with held.opened() as stores:
        clean(stores)
    assert held.digest() == before
    assert left(held) == []


def test_a_known_shard_on_another_volume_or_of_an_older_generation_is_not_the_one_that_counts(held: World):
    package = held.packages()[0]
    shard = package.shards[0]
    elsewhere = (
        next(name for name in ("cold-1", "cold-6") if name != shard.volume),
        shard_key(package.package_id, 0, 0),
    )
    newer = (str(shard.volume), shard_key(package.package_id, 0, shard.generation + 1))
    with held.opened() as stores:
        session = Session(held.root)
        session.intend([elsewhere, newer])
        orphans = [put(stores, *each) for each in (elsewhere, newer)]
        killed(session)
        clean(stores)
    assert [path for path in orphans if path.exists()] == []
    assert held.shard(package, 0).exists()


def test_a_living_session_is_left_alone_with_all_it_listed(held: World):
    with held.opened() as stores, Session(held.root) as session:
        session.intend([("hot-a", KEY)])
        published = put(stores, "hot-a", KEY)
        upload = begun(stores, "hot-b", session.name)
        assert clean(stores) == []
        assert published.exists()
        assert stores.volumes["hot-b"].incoming_sessions() == {session.name}
        upload.abort()


def test_what_a_living_run_has_on_its_list_is_not_removed_for_a_dead_ones_sake(held: World):
    """Both were about to make the same generation of a shard; the one that lives may have published it."""
    with held.opened() as stores, Session(held.root) as alive:
        alive.intend([("hot-a", KEY)])
        dead = Session(held.root)
        dead.intend([("hot-a", KEY)])
        published = put(stores, "hot-a", KEY)
        killed(dead)
        assert clean(stores) == [dead.name]
        assert published.exists()


def test_unfinished_uploads_of_nobody_are_discarded_and_those_of_the_living_are_not(held: World):
    with held.opened() as stores, Session(held.root) as session:
        for name in ("hot-a", "cold-3"):
            begun(stores, name, "0123456789abcdef").start_write_out()
        mine = begun(stores, "hot-a", session.name)
        clean(stores)
        assert stores.volumes["hot-a"].incoming_sessions() == {session.name}
        assert stores.volumes["cold-3"].incoming_sessions() == set()
        mine.abort()


def test_an_upload_that_outlived_its_session_on_a_volume_that_was_away_goes_when_it_is_back(held: World):
    away = held.root / "away"
    with held.opened() as stores:
        session = Session(held.root)
        begun(stores, "hot-b", session.name)
        killed(session)
    held.volume("hot-b").rename(away)
    with held.opened():
        assert left(held) == []
    away.rename(held.volume("hot-b"))
    with held.opened() as stores:
        assert stores.volumes["hot-b"].incoming_sessions() == set()


def test_a_document_that_was_cut_off_while_it_was_replaced_is_discarded(held: World):
    (held.volume("hot-a") / "incoming" / "document-00").write_bytes(b"half")
    with held.opened():
        assert list(held.volume("hot-a").glob("incoming/*")) == []


def test_files_of_somebody_else_are_not_ours_to_remove(held: World):
    (held.root / FOLDER).mkdir(exist_ok=True)
    foreign = [held.volume("hot-a") / "incoming" / "notes.txt", held.root / FOLDER / "notes.txt"]
    for path in foreign:
        path.write_text(f"hot-a {KEY}\n")
    with held.opened() as stores:
        stray = put(stores, "hot-a", KEY)
    with held.opened():
        assert [path for path in (*foreign, stray) if not path.exists()] == []


def test_a_session_with_objects_on_a_volume_that_is_away_is_kept_until_it_is_back(held: World):
    away = held.root / "away"
    with held.opened() as stores:
        session = Session(held.root)
        session.intend([("hot-a", KEY), ("hot-b", KEY)])
        here, there = put(stores, "hot-a", KEY), put(stores, "hot-b", KEY)
        killed(session)
    held.volume("hot-b").rename(away)
    with held.opened():
        assert left(held) == [session.name]
        assert not here.exists()
    away.rename(held.volume("hot-b"))
    with held.opened():
        assert left(held) == []
        assert not there.exists()


def test_a_run_that_ends_well_takes_its_list_with_it_and_one_that_fails_leaves_it(held: World):
    with Session(held.root) as session:
        session.intend([("hot-a", KEY)])
    assert left(held) == []
    with pytest.raises(RuntimeError), Session(held.root) as session:
        raise RuntimeError
    assert left(held) == [session.name]


def test_a_list_with_something_in_doubt_is_left_to_the_next_start(held: World):
    with Session(held.root) as session:
        session.leave_open()
    assert left(held) == [session.name]
    with held.opened():
        assert left(held) == []


def test_a_line_that_was_cut_short_names_nothing_and_any_bytes_may_be_on_a_list(held: World):
    folder = held.root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / "0123456789abcdef").write_bytes(
        b"hot-a " + KEY.encode()[:-3] + b"\n\0\xff\xfe \n" + b"hot-a " + KEY.encode()
    )
    with held.opened() as stores:
        orphan = put(stores, "hot-a", KEY)
    assert left(held) == []
    assert orphan.exists()


def test_names_that_are_no_shards_are_never_removed_whatever_a_list_says(held: World):
    session = Session(held.root)
    session.intend(
        [("hot-a", "volume.json"), ("hot-a", "keyring/root.json"), ("hot-a", "FORMAT.md"), ("gone", KEY)]
    )
    killed(session)
    before = held.digest()
    with held.opened():
        assert left(held) == []
    assert held.digest() == before


def test_a_session_that_was_never_born_is_swept_up(held: World):
    folder = held.root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / "0123456789abcdef.new").touch()
    with held.opened():
        assert left(held) == []


def test_a_session_taken_for_a_dead_one_while_it_is_made_is_made_again(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    rename = Path.rename
    taken: list[str] = []

    def taken_away(path: Path, target: Path) -> Path:
        if not taken:
            taken.append(path.name)
            path.unlink()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", taken_away)
    with Session(held.root) as session:
        assert left(held) == [session.name]
    assert taken == [f"{session.name}.new"]


def test_a_session_that_ends_while_it_is_looked_at_is_no_error(held: World, monkeypatch: pytest.MonkeyPatch):
    with Session(held.root) as session:
        look = sessions._look

        def ended(path: Path, found: Any) -> list[int]:
            session._path.unlink()
            return look(path, found)

        monkeypatch.setattr(sessions, "_look", ended)
        assert under_way(held.root).objects == frozenset()


def test_what_is_under_way_is_what_living_sessions_list(held: World):
    assert under_way(held.root).objects == frozenset()
    dead = Session(held.root)
    dead.intend([("hot-b", KEY)])
    killed(dead)
    with Session(held.root) as session:
        session.intend([("hot-a", KEY)])
        found = under_way(held.root)
        assert found.objects == {("hot-a", KEY)}
        assert found.names == {session.name}


@pytest.mark.parametrize("call", ["open", "write", "fdatasync", "flock"])
def test_a_list_that_cannot_be_written_is_said_before_anything_is_published(
    held: World, call: str, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    (held.root / FOLDER).mkdir(exist_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl if call == "flock" else os, call, full)
        with pytest.raises(ArchiveError, match="No space left") as refused, Session(held.root) as session:
            session.intend([("hot-a", KEY)])
    assert refused.value.hint is not None
    with held.opened():
        assert left(held) == []


def test_a_write_that_takes_only_a_part_is_continued(held: World, monkeypatch: pytest.MonkeyPatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
    with Session(held.root) as session:
        session.intend([("hot-a", KEY), ("hot-b", KEY)])
        assert (held.root / FOLDER / session.name).read_text() == f"hot-a {KEY}\nhot-b {KEY}\n"
