"""The commit: the journal decides, the catalog is asked first and follows, and nothing half done is ever taken back."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from retention.archive import rebuild_archive_catalog
from retention.catalog.catalog import Catalog
from retention.catalog.records import JournalPosition
from retention.journal.envelope import Entry, Envelope, NewEntry
from retention.journal.journal import Journal
from retention.keyring.institutions import OpenKey
from retention.model.errors import CatalogError, LockedError, NotFoundError, VolumeUnavailableError
from retention.model.layout import InstitutionSpec
from retention.services import commit, events, institutions, payloads, projection
from retention.services.entries import ACTIONS
from retention.services.progress import NoProgress
from retention.services.projection import in_batches
from retention.services.stores import Stores
from tests.services.world import REPLICAS, World

AT = datetime(2026, 11, 24, 5, 32, 3, 250, tzinfo=UTC)


def stored(number: int = 1) -> NewEntry:
    return NewEntry(AT, "retention", events.RECOVERY_STORED, data={"recovery_key": str(number)})


def known(stores: Stores) -> tuple[int, int]:
    return stores.catalog.position().size, stores.journal.size


def test_an_entry_is_in_the_journal_and_in_the_catalog_when_the_call_returns(held: World):
    with held.opened() as stores:
        size = stores.journal.size
        (envelope,) = commit.append(stores, [stored()])
        assert (envelope.seq, envelope.action) == (size, events.RECOVERY_STORED)
        assert known(stores) == (size + 1, size + 1)
        assert stores.catalog.state(events.RECOVERY_STORED) == "2026-11-24T05:32:03.000250Z"


def test_several_entries_are_one_step(held: World):
    with held.opened() as stores:
        size = stores.journal.size
        assert [e.seq for e in commit.append(stores, [stored(n) for n in range(5)])] == list(
            range(size, size + 5)
        )
        assert known(stores) == (size + 5, size + 5)


def test_what_the_catalog_cannot_take_never_gets_into_the_journal(held: World):
    """An entry that no catalog can apply would stop every start and every rebuild for ever."""
    unknown = NewEntry(
        AT, "retention", events.SHARD_REPAIR, objects={"package": "00" * 16}, data={"shards": []}
    )
    unreadable = NewEntry(AT, "retention", events.VOLUME_ADD, data={"name": 5})
    with held.opened() as stores:
        before = known(stores)
        with pytest.raises(NotFoundError):
            commit.append(stores, [stored(), unknown])
        with pytest.raises(CatalogError, match=r"volume\.add.*cannot be understood"):
            commit.append(stores, [unreadable])
        assert known(stores) == before
        assert stores.catalog.state(events.RECOVERY_STORED) is None
    with held.opened() as stores:
        assert known(stores) == before


def test_without_enough_replicas_nothing_counts_in_either(held: World):
    for name in REPLICAS[:4]:
        (held.volume(name) / "volume.json").unlink()
    with held.opened(to_write=False) as stores:
        before = known(stores)
        with pytest.raises(VolumeUnavailableError):
            commit.append(stores, [stored()])
        assert known(stores) == before
        assert stores.catalog.state(events.RECOVERY_STORED) is None


def test_a_catalog_that_fails_after_the_journal_has_it_catches_up_at_the_next_start(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    """The disk with the catalog is full: the entry counts all the same, and nothing is undone."""
    transaction = Catalog.transaction

    @contextmanager
    def full(catalog: Catalog):
        with transaction(catalog) as step:
            yield step
            raise CatalogError("no space is left for the catalog")

    with held.opened() as stores:
        size = stores.journal.size
        with monkeypatch.context() as patch:
            patch.setattr(Catalog, "transaction", full)
            with pytest.raises(CatalogError, match="no space"):
                commit.append(stores, [stored()])
        assert known(stores) == (size, size + 1)
    with held.opened() as stores:
        assert known(stores) == (size + 1, size + 1)
        assert stores.catalog.state(events.RECOVERY_STORED) is not None


def test_an_interrupt_after_the_journal_has_it_changes_nothing(held: World, monkeypatch: pytest.MonkeyPatch):
    append = Journal.append

    def interrupted(journal: Journal, entries: list[NewEntry]) -> list[Envelope]:
        append(journal, entries)
        raise KeyboardInterrupt

    with held.opened() as stores:
        size = stores.journal.size
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", interrupted)
            with pytest.raises(KeyboardInterrupt):
                commit.append(stores, [stored()])
        assert known(stores) == (size, size + 1)
        commit.append(stores, [stored(2)])
        assert known(stores) == (size + 2, size + 2)


def test_what_another_process_appended_is_applied_first(held: World):
    with held.opened() as mine, held.opened() as other:
        commit.append(other, [stored()])
        commit.append(mine, [stored(2)])
        assert known(mine) == (mine.journal.size, mine.journal.size)
        assert other.catalog.position().size == mine.journal.size
        assert [e.envelope.data["recovery_key"] for e in mine.journal.read(mine.journal.size - 2)] == [
            "1",
            "2",
        ]


def test_two_who_commit_wait_for_each_other_and_one_that_never_ends_is_told(held: World):
    with (
        held.opened() as stores,
        stores.commit_lock.hold(),
        pytest.raises(LockedError, match="more than 0 s") as refused,
        stores.commit_lock.hold(timeout_s=0),
    ):
        pass
    assert refused.value.retryable


def test_a_catalog_that_knows_more_than_the_journal_is_refused_and_nothing_is_appended(held: World):
    with held.opened() as stores:
        size = stores.journal.size
        with stores.catalog.transaction() as step:
            step.advance(JournalPosition(size + 3, b""))
        with pytest.raises(
            CatalogError, match=f"applied {size + 3} journal entries, the journal has {size}"
        ) as refused:
            commit.append(stores, [stored()])
        assert "retention catalog rebuild" in str(refused.value.hint)
        assert stores.journal.size == size


def test_catching_up_gives_the_catalog_that_committing_gave(empty: World):
    with empty.opened() as stores:
        for name in ("necker", "cochin"):
            institutions.add(stores, InstitutionSpec(name))
        expected = stores.catalog.institutions()
        commit.append(stores, [stored()])
        said = stores.catalog.state(events.RECOVERY_STORED)
    (empty.root / "catalog.db").unlink()
    rebuild_archive_catalog(empty.root, NoProgress())
    with empty.opened() as stores:
        assert stores.catalog.institutions() == expected
        assert stores.catalog.state(events.RECOVERY_STORED) == said


def test_replays_are_cut_by_entries_and_by_bytes(monkeypatch: pytest.MonkeyPatch):
    """A thousand manifests of a large study each would otherwise be in memory at once."""
    monkeypatch.setattr(projection, "BATCH_ENTRIES", 4)
    monkeypatch.setattr(projection, "BATCH_BYTES", 100)
    envelope = Envelope(0, AT, "retention", "x", None, {}, {}, None, b"")
    entries = [
        Entry(envelope, b"l" * 10, payload) for payload in (None, None, b"p" * 80, b"p" * 40, *[None] * 5)
    ]
    assert [len(batch) for batch in in_batches(entries)] == [3, 4, 2]
    assert list(in_batches([])) == []


def test_a_sealed_payload_is_read_by_the_commit_as_it_will_be_by_a_rebuild(held: World, monkeypatch):
    read: list[object] = []
    monkeypatch.setattr(
        projection,
        "ACTIONS",
        {
            **ACTIONS,
            "test.note": lambda applying, entry: read.append(applying.payloads.read(entry)),
        },
    )
    with held.opened() as stores:
        key = stores.keyring.index_key
        entry = NewEntry(
            AT, "retention", "test.note", payload=payloads.seal({"text": "é"}, key), payload_key=key.key_id
        )
        commit.append(stores, [entry])
    rebuild_archive_catalog(held.root, NoProgress())
    assert read == [{"text": "é"}, {"text": "é"}]


def test_a_patients_key_that_is_at_hand_is_not_looked_up(held: World, monkeypatch):
    read: list[object] = []
    monkeypatch.setattr(
        projection,
        "ACTIONS",
        {
            **ACTIONS,
            "test.note": lambda applying, entry: read.append(applying.payloads.read(entry)),
        },
    )
    with held.opened() as stores:
        institution = stores.catalog.institutions()[0].institution_id
        key = stores.keyring.new_patient_key(institution)
        sealed = payloads.seal({"n": 1}, OpenKey(key.key_id, key.secret))
        entry = NewEntry(AT, "retention", "test.note", institution, payload=sealed, payload_key=key.key_id)
        with stores.commit_lock.hold():
            commit.append_locked(stores, [entry], {key.key_id: key.secret})
    assert read == [{"n": 1}]
