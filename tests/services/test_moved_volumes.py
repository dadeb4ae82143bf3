"""A volume is what its identity says, wherever it lies; and where it lies is written down."""

from __future__ import annotations

from dataclasses import replace

from retention.archive import institution_of, rebuild_archive_catalog
from retention.journal.envelope import NewEntry
from retention.services import commit, events
from retention.services.audit.beside import volume_data
from retention.services.progress import NoProgress
from retention.services.volume_care import replace_volume
from tests.services.instances import instance
from tests.services.world import World

ELSEWHERE = "fsid:00000000deadbeef"


def lay_elsewhere(world: World, name: str) -> None:
    """Let the journal say that the volume lies on another device, as before its disk was exchanged."""
    with world.opened() as stores:
        record = next(record for record in stores.catalog.volumes() if record.spec.name == name)
        data = volume_data(record, ELSEWHERE, is_mount=False)
        commit.append(stores, [NewEntry(stores.clock.now(), stores.actor, events.VOLUME_ADOPT, data=data)])


def recorded_devices(world: World) -> dict[str, str | None]:
    with world.opened(to_write=False) as stores:
        return {record.spec.name: record.device for record in stores.catalog.volumes()}


def test_the_next_command_that_writes_records_where_a_ready_volume_lies_now(held: World) -> None:
    before = recorded_devices(held)
    lay_elsewhere(held, "cold-2")
    assert recorded_devices(held)["cold-2"] == ELSEWHERE
    with held.opened():
        pass
    assert recorded_devices(held) == before


def test_a_volume_with_another_identity_is_not_recorded_in_its_place(held: World) -> None:
    lay_elsewhere(held, "cold-2")
    identity = held.volume("cold-2") / "volume.json"
    identity.write_bytes((held.volume("cold-3") / "volume.json").read_bytes())
    with held.opened():
        pass
    assert recorded_devices(held)["cold-2"] == ELSEWHERE


def test_a_rebuild_records_it_too(held: World) -> None:
    before = recorded_devices(held)
    lay_elsewhere(held, "cold-6")
    for file in held.root.glob("catalog.db*"):
        file.unlink()
    rebuild_archive_catalog(held.root, NoProgress())
    assert recorded_devices(held) == before


def test_the_first_institution_is_written_into_archive_yaml(empty: World) -> None:
    with empty.opened() as stores:
        made = institution_of(stores, "necker")
        again = institution_of(stores, "necker")
    assert replace(again) == made
    text = (empty.root / "archive.yaml").read_text()
    assert text.count("necker:") == 1
    with empty.opened() as stores:
        assert list(stores.settings.institutions) == ["necker"]


def test_a_volume_new_in_archive_yaml_becomes_a_spare_and_takes_what_a_lost_one_owes(held: World) -> None:
    path = held.root / "archive.yaml"
    spare = '  spare-1: {url: "file:spare-1", site: here, domain: disk-1}\n'
    path.write_text(path.read_text().replace("volumes:\n", "volumes:\n" + spare, 1))
    with held.opened() as stores:
        replace_volume(stores, "spare-1", None)
    held.volume("cold-2").rename(held.root.parent / "gone")
    held.send("late.dcm", instance(9, study="1.2.840.99.9"))
    report = held.ingest(tier="cold")
    assert report.stored == 1
    assert report.write_debt == 0
    assert any(shard.volume == "spare-1" for package in held.packages() for shard in package.shards)
