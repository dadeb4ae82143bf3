"""The scheduled audit: it reads what is due and nothing else, says what is late, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import RetentionError
from retention.model.findings import FindingKind
from retention.services import audit_record, seal
from retention.services.audit import audit as audits
from retention.services.audit import rounds
from retention.services.audit.audit import AuditReport
from retention.services.audit.drawing import drawn
from retention.services.audit.planning import Asked, Candidate
from retention.services.audit.rounds import run_due
from retention.services.audit_record import CheckedPackage, Method
from retention.services.events import AUDIT_RUN
from retention.services.move.budget import Limits
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.stores import Stores
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.move.moving import move_in
from tests.services.world import World, flip

DAY = timedelta(days=1)
GLACIER = Asked("glacier", 3650 * DAY, 0.5, 100 * DAY, is_slow=True)


class Due:
    """An archive whose clock is ours."""

    def __init__(self, world: World, stores: Stores) -> None:
        self.world, self.stores = world, stores
        stores.clock = RehearsalClock(stores.clock.now())

    def later(self, by: timedelta) -> None:
        self.stores.clock = RehearsalClock(self.stores.clock.now() + by)

    def run(self, max_bytes: int | None = None, max_seconds: float | None = None) -> AuditReport:
        return run_due(self.stores, budget=Limits(max_bytes, None, max_seconds))

    def checks(self) -> list[CheckedPackage]:
        """Return all that was ever checked, in order."""
        return [
            check
            for entry in self.stores.journal.read()
            if entry.envelope.action == AUDIT_RUN and entry.payload
            for check in audit_record.decode(entry.payload).checks
        ]


@pytest.fixture
def due(held: World) -> Iterator[Due]:
    with held.opened() as stores:
        yield Due(held, stores)


@pytest.fixture
def asleep(held: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Due]:
    """Both studies lie on glacier, which is asked for a sample of half."""
    with held.opened() as stores:
        found = Due(held, stores)
        move_in(stores, "glacier", held.packages())
        found.later(GRACE)
        drop_due(stores)
        monkeypatch.setattr(rounds, "asked_of", lambda _: [GLACIER])
        yield found


def test_nothing_is_read_before_it_is_due(due: Due):
    report = due.run()
    assert (report.checked, report.bytes_read, report.findings) == (0, 0, [])
    due.later(80 * DAY)
    assert due.run().checked == 0


def test_what_is_due_is_read_before_it_is_late_and_then_not_again(due: Due):
    due.later(82 * DAY)  # the plan `standard` asks for 90 days on hot, for 180 on cold
    report = due.run()
    assert (report.checked, report.findings) == (1, [])
    assert due.run().checked == 0
    due.later(81 * DAY)
    report = due.run()
    assert (report.checked, report.findings) == (2, [])


def test_what_is_late_is_a_finding_also_when_it_is_read_now_and_the_journal_hears_of_it_once_a_day(due: Due):
    due.later(181 * DAY)
    report = due.run(max_bytes=1)
    assert report.checked == 1
    late = [finding for finding in report.findings if finding.kind is FindingKind.LATE]
    assert {(finding.subject, finding.repaired) for finding in late} == {
        ("tier hot", True),
        ("tier cold", False),
    }
    again = due.run()
    assert [(f.subject, f.repaired) for f in again.findings] == [("tier cold", True)]
    assert due.run().findings == []
    said = [
        finding
        for entry in due.stores.journal.read()
        if entry.envelope.action == AUDIT_RUN and entry.payload
        for finding in audit_record.decode(entry.payload).findings
    ]
    assert sorted(str(finding.subject) for finding in said) == ["tier cold", "tier hot"]


def test_damage_in_what_is_due_is_repaired(due: Due):
    (cold,) = due.stores.catalog.packages_of(OTHER_STUDY)
    flip(due.world.shard(cold, 1), 300)
    due.later(163 * DAY)
    report = due.run()
    assert (report.damaged, report.repaired) == (1, 1)
    assert {shard.generation for shard in due.stores.catalog.packages_of(OTHER_STUDY)[0].shards} == {0, 1}


def test_shards_of_a_large_package_are_read_at_different_times_and_damage_makes_it_read_whole(
    due: Due, monkeypatch: pytest.MonkeyPatch
):
    (cold,) = due.stores.catalog.packages_of(OTHER_STUDY)
    monkeypatch.setattr(rounds, "_streams", _every_package)
    wanted = Asked("cold", 180 * DAY, spread_bytes=1)
    monkeypatch.setattr(rounds, "asked_of", lambda _: [wanted])
    read: list[list[int]] = []
    for _ in range(3):
        due.later(55 * DAY)
        due.run()
        read.append([shard.number for shard in due.checks()[-1].shards])
    assert read == [[0, 1], [2, 3], [4, 5]]
    flip(due.world.shard(cold, 5), 300)
    due.world.shard(cold, 0).unlink()
    due.later(55 * DAY)
    report = due.run()
    assert (report.damaged, report.repaired) == (2, 2)


def test_time_and_stop_end_a_run_and_the_next_one_goes_on(due: Due, monkeypatch: pytest.MonkeyPatch):
    due.later(170 * DAY)
    assert (due.run(max_seconds=0).left, due.stores.catalog.audits.totals(due.stores.clock.now()).runs) == (
        True,
        1,
    )
    asked = iter([False, True])
    report = run_due(due.stores, stop=lambda: next(asked))
    assert (report.checked, report.left) == (1, True)
    report = due.run()
    assert (report.checked, report.left) == (1, False)


def test_a_killed_run_goes_on_where_it_was(due: Due, monkeypatch: pytest.MonkeyPatch):
    due.later(170 * DAY)
    monkeypatch.setattr(audits, "BATCH_PACKAGES", 1)
    asked: list[bool] = []

    def killed() -> bool:
        asked.append(True)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(audits, "WINDOW", 1)
    with pytest.raises(KeyboardInterrupt):
        run_due(due.stores, stop=killed)
    read = {check.package for check in due.checks()}
    report = due.run()
    assert report.checked == 2 - len(read)


def test_a_package_that_cannot_be_read_never_stops_a_round(due: Due, monkeypatch: pytest.MonkeyPatch):
    (hot,) = due.stores.catalog.packages_of(STUDY)
    for number in (0, 1):
        due.world.shard(hot, number).write_bytes(b"")
    due.later(170 * DAY)
    report = due.run()
    assert (report.checked, report.lost) == (2, 1)
    assert due.stores.catalog.packages_of(OTHER_STUDY)[0].verified_at == due.stores.clock.now()


def test_a_slow_tier_is_looked_at_and_not_read_and_what_is_gone_is_found(asleep: Due):
    report = asleep.run()
    assert (report.asleep, report.bytes_read, report.findings) == (0, 0, [])
    assert {check.method for check in asleep.checks()} == {Method.METADATA}
    assert len(asleep.checks()) == 2
    asleep.run()
    assert len(asleep.checks()) == 2  # the walk is over for its time
    asleep.world.shard(asleep.stores.catalog.packages_of(STUDY)[0], 0).unlink()
    asleep.later(31 * DAY)
    report = asleep.run()
    assert [(finding.kind, finding.repaired) for finding in report.findings] == [(FindingKind.MISSING, False)]
    verified = {package.verified_at for package in asleep.stores.catalog.all_packages()}
    assert asleep.stores.clock.now() not in verified  # that it is there is no reading


def test_a_sample_of_a_slow_tier_is_recalled_read_and_done_once(asleep: Due):
    asleep.run()
    sample = asleep.stores.catalog.audits.last_sample("glacier")
    assert sample is not None
    assert (sample.round, sample.packages) == (0, 1)
    (chosen,) = drawn(asleep.stores, sample)
    asleep.later(50 * DAY)
    assert asleep.run().bytes_read == 0  # asked for
    asleep.later(timedelta(hours=13))
    report = asleep.run()
    assert (report.checked, report.bytes_read) == (1, chosen.size_bytes)
    (read,) = asleep.stores.catalog.audits.packages([chosen.row])
    assert read.verified_at == asleep.stores.clock.now()
    asleep.later(DAY)
    assert asleep.run().bytes_read == 0


def test_a_sample_that_a_round_did_not_finish_is_late_and_the_next_round_draws_anew(asleep: Due):
    asleep.run()
    asleep.later(101 * DAY)
    report = asleep.run()
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        (FindingKind.LATE, "tier glacier")
    ]
    sample = asleep.stores.catalog.audits.last_sample("glacier")
    assert sample is not None
    assert sample.round == 1


def test_no_more_is_recalled_than_archive_yaml_allows(asleep: Due, monkeypatch: pytest.MonkeyPatch):
    spec = asleep.stores.settings.audit
    object.__setattr__(asleep.stores.settings, "audit", replace(spec, recall_bytes=0))
    asleep.run()
    asleep.later(90 * DAY)
    asleep.run()
    asleep.later(DAY)
    assert asleep.run().bytes_read == 0


def test_the_seed_of_a_sample_is_the_last_seal(asleep: Due):
    made = seal.seal_journal(asleep.stores)
    asleep.run()
    sample = asleep.stores.catalog.audits.last_sample("glacier")
    assert sample is not None
    assert sample.seed == made.seal.digest


def test_each_day_is_committed_once_and_over(due: Due):
    due.later(170 * DAY)
    due.run()
    assert due.stores.catalog.audits.days() == []
    due.later(DAY)
    due.run()
    due.run()
    (day,) = due.stores.catalog.audits.days()
    assert (day.day, day.results) == ((due.stores.clock.now() - DAY).date(), 8)


def test_what_lies_beside_packages_is_looked_at_once_a_day(due: Due):
    due.run()
    due.world.volume("cold-6").joinpath("packages", "ab").mkdir(parents=True, exist_ok=True)
    due.world.volume("cold-6").joinpath("packages", "ab", "stray.shard").write_bytes(b"x")
    assert due.run().findings == []
    due.later(DAY)
    assert [finding.kind for finding in due.run().findings] == [FindingKind.EXTRA]


def test_what_is_read_of_new_arrivals_counts_from_their_arrival(due: Due):
    due.later(100 * DAY)
    due.world.send("new.dcm", instance(1, study="1.2.9"))
    due.world.ingest_into(due.stores, due.world.source / "new.dcm")
    due.later(70 * DAY)
    assert due.run().checked == 2


def test_an_archive_that_cannot_say_what_is_asked_says_so(due: Due, monkeypatch: pytest.MonkeyPatch):
    def refusing(_: Stores) -> list[Asked]:
        raise RetentionError("no")

    monkeypatch.setattr(rounds, "asked_of", refusing)
    with pytest.raises(RetentionError):
        due.run()


def _every_package(stores: Stores, asked: list[Asked]) -> Iterator[Iterator[Candidate]]:
    """Offer small packages as large ones are: tests have no large ones."""
    for each in asked:
        found = stores.catalog.audits.longest_unread(each.tier, stores.clock.now())
        yield map(rounds._candidate, found)
