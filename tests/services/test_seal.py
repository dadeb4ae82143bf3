"""Sealing, end to end: on every volume, timestamped by a real authority, verified against what was kept outside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from retention.archive import create_archive, rebuild_archive_catalog
from retention.journal.check import JournalProblem
from retention.journal.merkle import leaf_hash, verify_consistency, verify_inclusion
from retention.journal.seals import Seal, seal_key, timestamp_key
from retention.journal.trust import Trust, checkpoint_block
from retention.model.errors import InputError, NotFoundError, UsageError
from retention.services import proving
from retention.services.progress import NoProgress
from retention.services.seal import MadeSeal, add_signatures, find_seals, seal_journal
from retention.services.signing import known_key
from retention.services.verifying import Verification, verify_journal
from tests.journal.tsa import authority
from tests.services.instances import instance
from tests.services.world import REPLICAS, VOLUMES, World, flip


def sealed(world: World, url: str | None = None) -> MadeSeal:
    with world.opened() as stores:
        object.__setattr__(stores.settings, "timestamp_url", url)
        return seal_journal(stores)


def verified(world: World, trust: Trust | None = None) -> Verification:
    with world.opened(to_write=False) as stores:
        return verify_journal(stores, trust)


def kept(world: World, seal: Seal, *certificates: bytes) -> Trust:
    """What an auditor keeps."""
    with world.opened(to_write=False) as stores:
        key = known_key(stores)
    assert key is not None
    return Trust([key], list(certificates), [seal])


def more(world: World, number: int) -> None:
    world.send(f"more-{number}.dcm", instance(number, study=f"1.2.840.99.{number}"))
    world.ingest(world.source / f"more-{number}.dcm")


def details(found: list[JournalProblem]) -> str:
    return "; ".join(f"{problem.key} {problem.detail}" for problem in found)


def test_a_seal_lies_on_every_volume_and_the_next_one_continues_it(held: World):
    first = sealed(held)
    assert [name for name in VOLUMES if (held.volume(name) / seal_key(first.seal.size)).is_file()] == list(
        VOLUMES
    )
    assert first.why_not is not None
    assert "no timestamp authority" in first.why_not
    more(held, 11)
    second = sealed(held)
    assert second.seal.links["previous"].digest == first.seal.digest
    found = verified(held)
    assert (found.problems, found.seals, found.sealed, found.trusted) == ([], 2, second.seal.size, False)
    assert any("2 seals on hot-a" in what for what in found.compared_with)
    trusted = verified(held, kept(held, first.seal))
    assert (trusted.problems, trusted.trusted) == ([], True)


def test_a_real_authority_stamps_it_and_what_was_missed_is_stamped_later(held: World, tmp_path: Path):
    first = sealed(held, "http://127.0.0.1:9")
    assert first.timestamped == 0
    assert first.why_not is not None
    with authority(tmp_path / "tsa") as tsa:
        second = sealed(held, tsa.url)
        assert (second.timestamped, second.why_not) == (2, None)
        found = verified(held, kept(held, first.seal, tsa.root))
    assert (found.problems, found.timestamps, found.trusted) == ([], 2, True)
    with held.opened() as stores:
        actions = [entry.envelope.action for entry in stores.journal.read()]
    assert actions[-2:] == ["journal.timestamp", "journal.timestamp"]
    assert actions.count("journal.timestamp-failed") == 1
    flip(held.volume("cold-4") / timestamp_key(first.seal.size), 60)
    assert not verified(held).valid


def test_a_volume_that_was_away_gets_its_seals_with_the_next(held: World):
    held.volume("cold-5").rename(held.root / "away")
    first = sealed(held)
    (held.root / "away").rename(held.volume("cold-5"))
    assert "this seal is missing" in details(verified(held).problems)
    sealed(held)
    assert (held.volume("cold-5") / seal_key(first.seal.size)).is_file()
    assert verified(held).problems == []


@pytest.mark.parametrize("name", ["hot-a", "cold-6"])
def test_a_changed_seal_is_found_wherever_it_lies(held: World, name: str):
    made = sealed(held)
    path = held.volume(name) / seal_key(made.seal.size)
    for at in range(0, path.stat().st_size, 17):
        flip(path, at, 1)
        assert not verified(held).valid, at
        flip(path, at, 1)
    assert verified(held).valid


def test_seals_that_were_deleted_everywhere_are_missed(held: World):
    first = sealed(held)
    more(held, 11)
    second = sealed(held)
    for size, said in ((first.seal.size, "is missing"), (second.seal.size, "is on no volume")):
        for name in VOLUMES:
            path = held.volume(name) / seal_key(size)
            path.rename(path.with_suffix(".away"))
        assert said in details(verified(held).problems)
        for name in VOLUMES:
            path = held.volume(name) / seal_key(size)
            path.with_suffix(".away").rename(path)


def listed(hashes: object) -> list[bytes]:
    assert isinstance(hashes, list)
    return [bytes.fromhex(one) for one in hashes]


def cut_off(world: World, size: int) -> None:
    """What a malicious administrator does: cut the journal's end off everywhere, and the catalog with it."""
    for name in REPLICAS:
        folder = world.volume(name) / "journal"
        lines = (folder / "000000000000.envelopes").read_bytes().splitlines(keepends=True)[:size]
        (folder / "000000000000.envelopes").write_bytes(b"".join(lines))
    for path in world.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(world.root, NoProgress())


def test_a_journal_cut_short_is_found_by_its_seals_and_by_one_that_was_kept(held: World):
    size = sealed(held).seal.size
    more(held, 11)
    last = sealed(held).seal
    trust = kept(held, last)
    cut_off(held, size)
    found = verified(held)
    assert found.first_bad == size
    assert "are missing" in details(found.problems)
    for name in VOLUMES:  # and the seal is deleted too: then only what was kept outside tells
        (held.volume(name) / seal_key(last.size)).unlink()
    assert verified(held).first_bad is None
    outside = verified(held, trust)
    assert (outside.first_bad, outside.trusted) == (size, False)


def test_a_journal_written_anew_from_the_start_is_found_only_from_outside(held: World, folder: Path):
    """Another archive, honest in itself, put in the place of the first one, with the same name."""
    trust = kept(held, sealed(held).seal)
    shutil.rmtree(held.root)
    create_archive(held.root, "test", is_rehearsal=False).stores.close()
    sealed(held)
    assert verified(held).valid
    found = verified(held, trust)
    assert not found.valid
    assert not found.trusted
    assert found.first_bad is not None


def test_an_edited_entry_is_named(held: World):
    sealed(held)
    for name in REPLICAS:
        path = held.volume(name) / "journal" / "000000000000.envelopes"
        lines = path.read_bytes().splitlines(keepends=True)
        lines[5] = lines[5].replace(b'"site":"main"', b'"site":"mine"')
        path.write_bytes(b"".join(lines))
    found = verified(held)
    assert found.first_bad == 5


def test_a_proof_shows_an_entry_to_whoever_has_the_key_alone(held: World):
    first = sealed(held).seal
    more(held, 11)
    sealed(held)
    with held.opened(to_write=False) as stores:
        (package, *_) = stores.catalog.all_packages()
        (proof, *_) = proving.prove(stores, package.package_id)
        (by_number,) = proving.prove(stores, str(proof["index"]))
        key = known_key(stores)
    assert by_number == proof
    seal = Seal.parse(str(proof["checkpoint"]))
    assert key is not None
    assert seal.note.signers([key]) == [key]
    leaf = leaf_hash(str(proof["entry"]).encode())
    hashes = listed(proof["inclusion"])
    assert verify_inclusion(leaf, int(str(proof["index"])), seal.size, hashes, seal.checkpoint.root)
    earlier, consistency = Seal.parse(str(proof["earlier"])), proof["consistency"]
    assert earlier == first
    assert isinstance(consistency, dict)
    path = listed(consistency["proof"])
    assert verify_consistency(earlier.size, seal.size, path, earlier.checkpoint.root, seal.checkpoint.root)


def test_what_no_seal_is_over_or_nobody_knows_is_told(held: World):
    with held.opened(to_write=False) as stores:
        with pytest.raises(UsageError, match="no seal is over entry 3"):
            proving.prove(stores, "3")
        for name in ("99999", "f" * 32, "'); --"):
            with pytest.raises(NotFoundError):
                proving.prove(stores, name)


def test_another_archive_is_a_witness_and_is_shown_that_nothing_it_saw_was_changed(
    held: World, tmp_path: Path
):
    other = World(tmp_path / "B", tmp_path / "none")
    create_archive(other.root, "other", is_rehearsal=False).stores.close()
    first = sealed(held).seal
    with other.opened() as witness:
        signed = proving.cosign_file(witness, first.note.encode().encode())
        key = known_key(witness)
    assert key is not None
    with held.opened() as stores:
        assert add_signatures(stores, signed.note.encode()).note.signers([key]) == [key]
        assert find_seals(stores).seals()[-1].note == signed.note
    assert verified(held).problems == []
    assert verified(held, Trust([key])).trusted
    more(held, 11)
    sealed(held)
    with held.opened(to_write=False) as stores:
        proof = proving.proof_text(proving.consistency_document(stores, first.size))
        alone = find_seals(stores).seals()[-1].note.encode().encode()
    with other.opened() as witness:
        with pytest.raises(InputError, match="not shown to continue"):
            proving.cosign_file(witness, alone)
        assert proving.cosign_file(witness, proof).size > first.size
        for bad in (b"", b"{}", b"garbage", b'{"schema":'):
            with pytest.raises(InputError, match="no checkpoint"):
                proving.cosign_file(witness, bad)


def test_an_archive_does_not_witness_itself(held: World):
    seal = sealed(held).seal
    with held.opened() as stores, pytest.raises(UsageError, match="own journal"):
        proving.cosign_file(stores, seal.note.encode().encode())


def test_what_is_exported_is_what_lies_there_and_a_kept_seal_goes_into_a_trust_file(
    held: World, tmp_path: Path
):
    seal = sealed(held).seal
    with held.opened(to_write=False) as stores:
        count, files = proving.export_journal(stores, tmp_path / "out")
        key = known_key(stores)
        with pytest.raises(UsageError, match="not empty"):
            proving.export_journal(stores, tmp_path / "out")
        with pytest.raises(UsageError, match="inside the archive"):
            proving.export_journal(stores, held.root / "out")
    lines = (tmp_path / "out" / "journal.jsonl").read_bytes()
    assert lines == (held.volume("hot-a") / "journal" / "000000000000.envelopes").read_bytes()
    assert lines.count(b"\n") == count
    assert files == ["journal.jsonl", seal_key(seal.size)]
    text = f"{key}\n{checkpoint_block(Seal.parse((tmp_path / 'out' / files[1]).read_text()).note)}"
    assert verified(held, Trust.parse(text)).trusted


@pytest.mark.parametrize("to", ["elsewhere", "hot-b/seals"])
def test_seals_that_a_link_hides_or_borrows_from_another_volume_are_missed(
    held: World, tmp_path: Path, to: str
):
    made = sealed(held).seal
    folder = held.volume("hot-a") / "seals"
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path if to == "elsewhere" else held.volume("hot-b") / "seals")
    (problem,) = verified(held).problems
    assert (problem.replica, problem.key) == ("hot-a", "seals/")
    assert "is a link" in problem.detail
    assert (held.volume("hot-b") / seal_key(made.size)).is_file()
