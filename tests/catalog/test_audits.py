"""Audits in the catalog: what was read longest ago, sums, and what each entry came to; on both databases."""

from __future__ import annotations

from dataclasses import replace

from retention.catalog.audit_records import AuditDayRecord, AuditRunRecord, AuditSampleRecord, AuditTotals
from retention.catalog.catalog import Catalog
from retention.catalog.tables import SPREAD_BYTES
from tests.catalog.making import AT, COLD, DAY, HOT, keep, package, package_id, shards


def run(sequence: int, at: int, mode: str = "due", flawed: int = 0) -> AuditRunRecord:
    return AuditRunRecord(sequence, AT + at * DAY, mode, 2, 12, 1000, 500, flawed, flawed, 0)


def held(catalog: Catalog) -> None:
    """Three packages on cold, of which the second is large, and one on hot; read 3, 2, 1 and 0 days ago."""
    large = package(2, bytes_stored=SPREAD_BYTES, shards=shards(COLD, AT - 2 * DAY))
    keep(
        catalog,
        package(1, shards=shards(COLD, AT - 3 * DAY)),
        large,
        package(3, shards=shards(COLD, AT - DAY)),
        package(4, protection=HOT, shards=shards(HOT)),
    )


def test_the_longest_unread_come_first_and_only_those_of_the_tier_and_time(catalog: Catalog):
    held(catalog)
    found = list(catalog.audits.longest_unread("cold", AT - 2 * DAY))
    assert [(reading.row, reading.shards, reading.verified_at) for reading in found] == [
        (1, 6, AT - 3 * DAY),
        (2, 6, AT - 2 * DAY),
    ]
    assert [reading.row for reading in catalog.audits.longest_unread("hot", AT)] == [4]


def test_of_large_packages_the_newest_reading_is_known_too(catalog: Catalog):
    held(catalog)
    assert [reading.row for reading in catalog.audits.longest_untouched("cold", AT)] == [2]
    with catalog.transaction() as tx:
        tx.record_verified({package_id(2): [0, 1]}, AT)
    assert list(catalog.audits.longest_untouched("cold", AT - DAY)) == []
    (reading,) = [each for each in catalog.audits.longest_unread("cold", AT - 2 * DAY) if each.row == 2]
    assert (reading.verified_at, reading.read_at) == (AT - 2 * DAY, AT)


def test_tiers_are_walked_counted_and_summed(catalog: Catalog):
    held(catalog)
    audits = catalog.audits
    assert (audits.on_tier("cold", 0, 2), audits.on_tier("cold", 2, 2)) == ([1, 2], [3])
    assert (audits.newest_row(), audits.count_on("cold"), audits.late_on("cold", AT - DAY)) == (4, 3, 2)
    assert sorted(audits.of_tier("cold", [1, 3, 4, 99])) == [1, 3]
    assert [found.package_id for found in audits.packages([3, 1, 99])] == [package_id(3), package_id(1)]
    tier = audits.readings_of("cold", (AT, AT - 2 * DAY))
    assert (tier.packages, tier.oldest_at, tier.before) == (3, AT - 3 * DAY, (3, 1))
    assert tier.bytes_stored == SPREAD_BYTES + 600
    assert audits.readings_of("glacier", (AT,)).oldest_at is None


def test_what_runs_came_to_is_noted_once(catalog: Catalog):
    for _ in range(2):
        with catalog.transaction() as tx:
            for record in (run(70, 1), run(71, 1, flawed=1), run(72, 2, mode="repair"), run(73, 3)):
                tx.audits.run(record)
    audits = catalog.audits
    assert [record.sequence for record in audits.runs()] == [70, 71, 72, 73]
    assert list(audits.runs(AT + 2 * DAY, AT + 3 * DAY)) == [run(72, 2, mode="repair")]
    assert audits.runs_at([AT + DAY, AT + 3 * DAY]) == [70, 71, 73]
    assert audits.with_flaws() == [71]
    assert audits.totals(AT + 2 * DAY) == AuditTotals(1, 2, 1000, 500, AT + 3 * DAY, AT + 3 * DAY)
    assert audits.totals(AT + 9 * DAY) == AuditTotals(0, 0, 0, 0, None, AT + 3 * DAY)


def test_days_and_samples_keep_what_was_said_first(catalog: Catalog):
    day = AuditDayRecord(AT.date(), 80, 12, 1000, bytes(32))
    sample = AuditSampleRecord("cold", 0, 81, AT, bytes(32), 1, 3)
    with catalog.transaction() as tx:
        for digest in (bytes(32), b"x" * 32):
            tx.audits.day(replace(day, digest=digest))
            tx.audits.sample(replace(sample, seed=digest))
        tx.audits.sample(replace(sample, round=1, began_at=AT + DAY))
    assert catalog.audits.days() == [day]
    assert catalog.audits.last_sample("cold") == replace(sample, round=1, began_at=AT + DAY)
    assert catalog.audits.last_sample("hot") is None


def test_claims_are_readings_since_a_package_was_made_in_order_of_time(catalog: Catalog):
    held(catalog)
    before = list(catalog.audits.claims())
    with catalog.transaction() as tx:
        tx.record_verified({package_id(4): [1]}, AT + 2 * DAY)
        tx.record_verified({package_id(1): [0]}, AT + DAY)
        assert tx.audits.known([package_id(1), package_id(99)]) == {package_id(1)}
    assert list(catalog.audits.claims())[-2:] == [
        (AT + DAY, package_id(1), 0),
        (AT + 2 * DAY, package_id(4), 1),
    ]
    assert [claim[0] for claim in before] == sorted(claim[0] for claim in before)
    assert catalog.audits.inconsistent(9) == []
