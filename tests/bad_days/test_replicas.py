"""Corrupt, torn, missing copies of journal and keyring: taken from others, or an error that says what is missing."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from retention.model.errors import (
    JournalBrokenError,
    KeyringBrokenError,
    KeyUnavailableError,
    VolumeUnavailableError,
)
from retention.services import keys
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from tests.bad_days.after import require_sound
from tests.services.instances import instance
from tests.services.world import COLD, HOT, REPLICAS, World, flip

KINDS = ("flip", "cut", "torn", "lose", "empty", "garbage")


def files(world: World, volume: str) -> list[Path]:
    return [path for path in world.files(volume) if path.parent.name in ("journal", "keyring")]


def damage(path: Path, kind: str, chance: random.Random) -> None:
    data = path.read_bytes()
    if kind == "flip":
        flip(path, chance.randrange(len(data)), chance.randrange(1, 256))
    elif kind == "cut":
        path.write_bytes(data[: chance.randrange(len(data))])
    elif kind == "torn":
        path.write_bytes(data + chance.randbytes(chance.randrange(1, 60)).replace(b"\n", b"x"))
    elif kind == "lose":
        path.unlink()
    else:
        path.write_bytes(b"" if kind == "empty" else chance.randbytes(300))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_all_replicas_but_one_is_put_right(held: World, seed: int):
    chance = random.Random(seed)
    sound = chance.choice(REPLICAS)
    before = {path.relative_to(held.volume(sound)): path.read_bytes() for path in files(held, sound)}
    for name in REPLICAS:
        for path in files(held, name) if name != sound else ():
            damage(path, chance.choice(KINDS), chance)
    report = held.audit()
    assert [finding for finding in report.findings if not finding.repaired] == []
    assert held.audit().findings == []
    for name in REPLICAS:
        now = {path.relative_to(held.volume(name)): path.read_bytes() for path in files(held, name)}
        for path, data in before.items():
            assert now[path].startswith(data), (name, path)
    require_sound(held)


@pytest.mark.parametrize("bytes_cut", [1, 17, 40, 400])
def test_torn_last_entries_are_cut_off_and_writing_goes_on(held: World, bytes_cut: int):
    for name in REPLICAS[:3]:
        for path in files(held, name):
            if path.suffix in (".envelopes", ".payloads"):
                data = path.read_bytes()
                path.write_bytes(data[:-bytes_cut])
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    assert held.ingest().stored == 1
    require_sound(held)


def test_half_an_append_on_every_replica_never_counted(held: World):
    """A killed run's: frames without lines, a line without its newline."""
    for name in REPLICAS:
        journal = held.volume(name) / "journal"
        with open(journal / "000000000000.payloads", "ab") as file:
            file.write(bytes(100))
        with open(journal / "000000000000.envelopes", "ab") as file:
            file.write(b'{"action":"package.inge')
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    assert held.ingest().stored == 1
    require_sound(held)


def test_an_entry_whole_nowhere_is_named_and_nothing_is_written(held: World):
    for name in REPLICAS:
        flip(held.volume(name) / "journal" / "000000000000.envelopes", 100, 1)
    held.send("1.2.9.1/1.dcm", instance(1, study="1.2.9.1"))
    shards = held.shards()
    with pytest.raises(
        JournalBrokenError, match="entry 0 is damaged on every replica that has it"
    ) as refused:
        held.audit()
    assert refused.value.hint
    assert held.shards() == shards


def test_an_institution_key_whole_nowhere_is_named(held: World):
    for name in REPLICAS:
        path = held.volume(name) / "keyring" / "institutions.keys"
        flip(path, len(path.read_bytes()) - 20, 1)
    with pytest.raises(KeyringBrokenError) as refused:
        held.export()
    assert "institutions.keys" in refused.value.message


def test_one_packages_key_lost_everywhere_costs_that_package_alone(held: World, tmp_path: Path):
    lost, other = held.packages()
    for name in REPLICAS:
        (path,) = [path for path in files(held, name) if path.name.startswith("packages-")]
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if lost.key_id.encode() not in line))
    with held.opened() as stores:
        report = export_study(
            stores, stores.catalog.study(str(other.study_uid)), tmp_path / "other", NoProgress()
        )
        assert report.failures == []
        failed = export_study(
            stores, stores.catalog.study(str(lost.study_uid)), tmp_path / "lost", NoProgress()
        )
    assert failed.instances == 0
    assert all(isinstance(f, KeyUnavailableError) and lost.key_id in f.message for f in failed.failures)
    assert held.audit().damaged == 0  # the bytes themselves are whole


def test_replicas_that_contradict_each_other_stop_all_writing_until_a_person_decides(
    held: World, folder: Path
):
    """Two halves were written to that did not know of each other; nobody can say which is right."""
    (folder / "other").mkdir()
    other = held.copy(folder / "other")
    with held.opened() as stores:
        agreed = stores.journal.size
    for world, mine in ((held, HOT), (other, COLD[:2])):
        for name in REPLICAS:
            if name not in mine:
                world.volume(name).rename(world.root / f"away-{name}")
        with world.opened() as stores:
            keys.record_recovery_stored(stores)
    for name in COLD[:2]:
        other.volume(name).rename(held.volume(name))
    before = held.digest(*HOT, *COLD[:2])
    with pytest.raises(JournalBrokenError) as refused:
        held.audit()
    assert f"entry {agreed}" in refused.value.message
    assert all(name in refused.value.message for name in (*HOT, *COLD[:2]))
    assert held.digest(*HOT, *COLD[:2]) == before
    for name in COLD[:2]:  # a person has decided
        shutil.rmtree(held.volume(name) / "journal")
    (held.root / "away-cold-3").rename(held.volume("cold-3"))
    require_sound(held)


def test_without_any_replica_reading_what_needs_no_key_still_works(held: World):
    for name in REPLICAS:
        held.volume(name).rename(held.root / f"away-{name}")
    with held.opened(to_write=False) as stores:
        assert len(list(stores.catalog.studies())) == 2
    with (
        pytest.raises(VolumeUnavailableError, match="no volume that carries the journal answers"),
        held.opened(),
    ):
        pass
