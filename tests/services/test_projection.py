"""From journal to catalog: one way for commits and rebuilds, total for whatever two runs may have said of one shard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from retention.catalog.records import PackageKind, PackageSummary, ShardRecord, ShardState
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import CatalogError
from retention.model.findings import Health
from retention.model.identifiers import PackageId
from retention.services import commit, events
from retention.services.audit_record import AuditOutcome, CheckedPackage, CheckedShard, Method
from retention.services.entries.audits import run_entry
from retention.services.entries.institutions import INSTITUTION_ADD
from retention.services.projection import Projection
from retention.services.stores import Stores
from tests.services.instances import OTHER_STUDY, STUDY, instance, unidentified
from tests.services.world import World

AT = datetime(2027, 1, 1, tzinfo=UTC)


@contextmanager
def one(world: World, study: str = OTHER_STUDY) -> Iterator[tuple[Stores, PackageSummary]]:
    with world.opened() as stores:
        (package,) = stores.catalog.packages_of(study)
        yield stores, package


def audited(stores: Stores, outcome: AuditOutcome, at: datetime = AT) -> None:
    commit.append(stores, [run_entry(outcome, at=at, actor="retention", mode="all", milliseconds=1)])


def read(package: PackageSummary, numbers: list[int]) -> list[CheckedPackage]:
    """Full readings of some shards, all of them sound."""
    shards = tuple(CheckedShard(number, 0, f"cold-{number + 1}", 1, "sound") for number in numbers)
    return [CheckedPackage(package.package_id, package.tier, Method.FULL, shards)]


def repaired(stores: Stores, package: PackageSummary, **shard: JsonValue) -> None:
    row = {"number": 0, "generation": 1, "volume": "cold-1", "bytes": package.shards[0].size_bytes, **shard}
    entry = NewEntry(
        AT, "retention", events.SHARD_REPAIR, objects={"package": package.package_id}, data={"shards": [row]}
    )
    commit.append(stores, [entry])


def flawed(shard: ShardRecord, state: ShardState = ShardState.CORRUPT) -> ShardRecord:
    return ShardRecord(shard.number, shard.volume, shard.size_bytes, shard.generation, state)


def test_what_was_destroyed_while_it_was_read_stops_no_audit(held: World):
    with one(held) as (stores, package):
        gone = PackageId("e" * 32)
        shards = (CheckedShard(0, 0, "cold-1", 1, "sound"),)
        outcome = AuditOutcome(
            [*read(package, [0]), CheckedPackage(gone, "cold", Method.FULL, shards)],
            {gone: [flawed(package.shards[1])]},
            [gone],
        )
        audited(stores, outcome, AT + timedelta(days=1))
        assert stores.catalog.package(package.package_id).shards[0].verified_at == AT + timedelta(days=1)


def test_an_ingest_tells_all_that_the_index_knows(held: World):
    with one(held, STUDY) as (stores, package):
        study = stores.catalog.study(STUDY)
        assert (study.summary.instances, study.summary.institution, study.modalities) == (
            3,
            "necker",
            ("CT",),
        )
        assert (study.patient.patient_id, study.patient.name) == ("IPP-1", "DOE^JANE")
        assert [(series.series_uid, series.instances) for series in study.series] == [(f"{STUDY}.1", 3)]
        assert (package.kind, package.tier, str(package.protection)) == (PackageKind.STUDY, "hot", "2 copies")
        assert package.bytes_received == sum(len(instance(n)) for n in (1, 2, 3))
        assert package.bytes_stored == sum(shard.size_bytes for shard in package.shards)
        assert len(package.index_root) == len(package.manifest_digest) == 32


def test_quarantine_tells_why(empty: World):
    empty.send("odd.dcm", unidentified())
    empty.ingest()
    with empty.opened() as stores:
        (item,) = stores.catalog.quarantined()
        assert (item.source, item.reason, item.size_bytes) == (
            "odd.dcm",
            "truncated-head",
            len(unidentified()),
        )
        assert stores.catalog.package(item.package_id).study_uid is None


def test_applying_the_whole_journal_again_changes_nothing(held: World):
    held.audit()
    with held.opened() as stores:
        before = list(stores.catalog.all_packages()), list(stores.catalog.studies()), stores.catalog.volumes()
        with stores.catalog.transaction() as step:
            Projection(lambda: stores.keyring).apply(step, stores.journal.read())
        assert (
            list(stores.catalog.all_packages()),
            list(stores.catalog.studies()),
            stores.catalog.volumes(),
        ) == before


def test_a_shard_found_flawed_is_so_until_it_is_found_sound(held: World):
    with one(held) as (stores, package):
        audited(stores, AuditOutcome(flawed={package.package_id: [flawed(package.shards[2])]}))
        assert stores.catalog.package(package.package_id).health is Health.DAMAGED
        audited(stores, AuditOutcome(read(package, list(range(6)))), AT + timedelta(days=1))
        found = stores.catalog.package(package.package_id)
        assert found.health is Health.SOUND
        assert found.verified_at == AT + timedelta(days=1)


def test_what_an_audit_says_of_a_shard_that_was_repaired_meanwhile_counts_for_nothing(held: World):
    """It read the old generation; by the time it says so, the new one is committed."""
    with one(held) as (stores, package):
        volume = str(package.shards[0].volume)
        repaired(stores, package, volume=volume)
        audited(stores, AuditOutcome(flawed={package.package_id: [flawed(package.shards[0])]}))
        shard = stores.catalog.shards_of(package.package_id)[0]
        assert (shard.generation, shard.state) == (1, ShardState.SOUND)


def test_what_an_audit_says_of_a_shard_that_lies_elsewhere_by_now_counts_for_nothing(held: World):
    with one(held) as (stores, package):
        other = next(name for name in ("cold-1", "cold-2") if name != package.shards[0].volume)
        repaired(stores, package, volume=other)
        stale = ShardRecord(0, str(package.shards[0].volume), 1, 1, ShardState.MISSING)
        audited(stores, AuditOutcome(flawed={package.package_id: [stale]}))
        assert stores.catalog.shards_of(package.package_id)[0].state is ShardState.SOUND


def test_a_lost_package_that_can_be_read_again_is_lost_no_more(held: World):
    """The missing files were put back from a backup."""
    with one(held) as (stores, package):
        audited(stores, AuditOutcome(lost=[package.package_id]))
        assert stores.catalog.package(package.package_id).health is Health.LOST
        audited(stores, AuditOutcome(read(package, [0, 1, 2, 3])))
        assert not stores.catalog.package(package.package_id).lost


def test_a_lost_package_with_some_sound_shards_stays_lost(held: World):
    with one(held) as (stores, package):
        audited(stores, AuditOutcome(read(package, [0, 1, 2]), lost=[package.package_id]))
        assert stores.catalog.package(package.package_id).lost


def test_a_repair_makes_a_lost_package_whole_and_gives_a_debt_its_place(held: World):
    with one(held) as (stores, package):
        audited(stores, AuditOutcome(lost=[package.package_id]))
        repaired(stores, package, number=3, volume="cold-6")
        found = stores.catalog.package(package.package_id)
        assert not found.lost
        assert (found.shards[3].volume, found.shards[3].generation) == ("cold-6", 1)
        assert found.shards[3].verified_at == AT


def test_a_replaced_volume_has_lost_its_shards_and_an_adopted_one_has_not(held: World):
    def data(volume_id: str) -> dict[str, JsonValue]:
        return {
            "name": "cold-1", "url": "file:cold-1", "site": "main", "domain": "disk-9", "volume_id": volume_id,
            "device": "fsid:1", "is_mount": False,
        }  # fmt: skip

    with held.opened() as stores:
        commit.append(stores, [NewEntry(AT, "retention", events.VOLUME_ADOPT, data=data("0a" * 16))])
        assert list(stores.catalog.flawed_shards()) == []
        commit.append(stores, [NewEntry(AT, "retention", events.VOLUME_REPLACE, data=data("0b" * 16))])
        assert {flaw.shard.volume for flaw in stores.catalog.flawed_shards()} == {"cold-1"}
        (record,) = [v for v in stores.catalog.volumes() if v.spec.name == "cold-1"]
        assert (record.volume_id, record.spec.domain) == ("0b" * 16, "disk-9")


def test_actions_that_change_nothing_are_passed_over(held: World):
    with held.opened() as stores:
        size = stores.journal.size
        commit.append(stores, [NewEntry(AT, "retention", "something.later", data={"x": 1})])
        assert stores.catalog.position().size == size + 1


@pytest.mark.parametrize(
    ("action", "data", "payload"),
    [
        (events.PACKAGE_INGEST, {"kind": "study"}, None),
        (INSTITUTION_ADD, {"name": None}, None),
        (events.SHARD_REPAIR, {"shards": "all"}, None),
        (events.SHARD_REPAIR, {"shards": [1]}, None),
        (events.AUDIT_RUN, {}, b"garbage"),
        (events.VOLUME_REPLACE, {"name": "cold-1", "url": True}, None),
    ],
)
def test_an_entry_that_cannot_be_understood_is_named(held: World, action, data, payload):
    entry = NewEntry(AT, "retention", action, objects={"package": "00" * 16}, data=data, payload=payload)
    with held.opened() as stores:
        size = stores.journal.size
        with pytest.raises(CatalogError, match=f"entry {size} .{action}. cannot be understood"):
            commit.append(stores, [entry])
