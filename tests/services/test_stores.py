"""The stores: opened when first needed, closed together, and changed by one committer at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from retention.archive import open_archive
from retention.model.errors import ArchiveError, LockedError
from retention.services.stores import CommitLock
from tests.services.world import World


def test_what_a_use_case_does_not_touch_is_never_opened(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retention.journal.journal.Journal.open", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr("retention.keyring.keyring.Keyring.open", lambda *_, **__: pytest.fail("opened"))
    stores = open_archive(held.root)
    assert stores.catalog.counts().studies == 2
    assert stores.actor == "retention"
    stores.close()


def test_stores_are_opened_once_and_may_be_closed_twice(held: World):
    stores = open_archive(held.root)
    assert stores.journal is stores.journal
    assert stores.keyring is stores.keyring
    stores.close()
    stores.close()


def test_replicas_that_came_back_take_part_after_they_are_opened_again(held: World):
    held.volume("hot-a").rename(held.root / "away")
    stores = open_archive(held.root)
    assert "hot-a" not in stores.keyring.status().replicas
    (held.root / "away").rename(held.volume("hot-a"))
    stores.reopen_replicas()
    assert "hot-a" in stores.keyring.status().replicas
    assert stores.journal.size == stores.catalog.position().size
    stores.close()


def test_one_holds_the_lock_and_the_others_wait(tmp_path: Path):
    lock, inside, order = CommitLock(tmp_path / "lock"), threading.Event(), []

    def other() -> None:
        inside.wait(10)
        with CommitLock(tmp_path / "lock").hold():
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with lock.hold():
        inside.set()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


def test_the_lock_is_free_again_after_an_error(tmp_path: Path):
    lock = CommitLock(tmp_path / "lock")
    with pytest.raises(RuntimeError), lock.hold():
        raise RuntimeError
    with lock.hold(timeout_s=0):
        pass


def test_waiting_has_an_end_that_says_what_to_look_for(tmp_path: Path):
    lock = CommitLock(tmp_path / "lock")
    with lock.hold(), pytest.raises(LockedError) as refused, lock.hold(timeout_s=0.02):
        pass
    assert "hangs" in str(refused.value.hint)


def test_a_folder_that_takes_no_lock_is_told_in_our_words(tmp_path: Path):
    with (
        pytest.raises(ArchiveError, match="cannot be opened: No such file") as refused,
        CommitLock(tmp_path / "no" / "lock").hold(),
    ):
        pass
    assert refused.value.hint
