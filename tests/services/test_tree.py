"""Proofs out of kept hashes: never trusted over the lines, made again when they do not agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.journal.envelope import NewEntry
from retention.journal.merkle import leaf_hash, verify_consistency, verify_inclusion
from retention.model.errors import ArchiveError, JournalBrokenError
from retention.services import commit
from retention.services.stores import Stores
from retention.services.tree import FOLDER, keep_hashes, open_tree
from tests.services.memory_world import MemoryWorld


@pytest.fixture
def stores(tmp_path: Path):
    world = MemoryWorld.make(tmp_path / "archive")
    with world.opened() as opened:
        commit.append(opened, [NewEntry(opened.clock.now(), "retention", "test.note") for _ in range(600)])
        yield opened


def prove(stores: Stores, seq: int = 17, first: int = 300) -> None:
    """Make both kinds of proof, and verify them as an outsider does."""
    size, root = stores.journal.size, stores.journal.root()
    with open_tree(stores) as tree:
        line, old = tree.line(seq), tree.root(first)
        assert verify_inclusion(leaf_hash(line), seq, size, tree.inclusion(seq, size, root), root)
        assert verify_consistency(first, size, tree.consistency(first, old, size, root), old, root)
        assert line == next(stores.journal.read(seq)).line


def test_a_proof_is_made_from_kept_hashes_and_what_came_since(stores: Stores):
    keep_hashes(stores)
    kept = (stores.root / FOLDER / "0").stat().st_size // 32
    assert kept == stores.journal.size
    commit.append(stores, [NewEntry(stores.clock.now(), "retention", "test.note")])
    prove(stores, seq=kept)
    assert (stores.root / FOLDER / "0").stat().st_size // 32 == kept + 1


@pytest.mark.parametrize("level", ["0", "1"])
def test_hashes_that_were_changed_are_made_again_from_the_lines(stores: Stores, level: str):
    keep_hashes(stores)
    path = stores.root / FOLDER / level
    right = path.read_bytes()
    path.write_bytes(bytes(byte ^ 1 for byte in right))
    prove(stores)
    assert path.read_bytes() == right


def test_hashes_may_be_lost_or_have_no_place_to_be_kept(stores: Stores, tmp_path: Path, monkeypatch):
    prove(stores)
    for path in (stores.root / FOLDER).iterdir():
        path.unlink()
    (stores.root / FOLDER).rmdir()
    (stores.root / FOLDER).write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep_hashes(stores)
    prove(stores)
    assert (tmp_path / "cache" / "retention" / stores.archive_id / FOLDER / "0").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(stores.root / FOLDER))
    with pytest.raises(ArchiveError, match="no place"):
        prove(stores)


def test_a_root_that_is_not_the_journals_is_not_proven(stores: Stores):
    with open_tree(stores) as tree, pytest.raises(JournalBrokenError, match="nothing is proven"):
        tree.inclusion(3, stores.journal.size, bytes(32))
    with open_tree(stores) as tree, pytest.raises(JournalBrokenError):
        tree.root(stores.journal.size + 1)
