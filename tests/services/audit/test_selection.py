"""The audit as a whole: what it reads, what it says, what it records, and that a second one finds nothing more."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import Any

import pytest
import zstandard

from retention.catalog.records import PackageSummary
from retention.model.canonical import parse_canonical
from retention.model.clock import RehearsalClock
from retention.model.errors import NotFoundError, StorageError, UsageError, VolumeUnavailableError
from retention.model.findings import FindingKind, Health
from retention.package.guard import protect
from retention.services import commit, events
from retention.services.audit import audit as audits
from retention.services.audit.audit import Audit
from retention.services.audit.examine import Examination
from retention.services.audit.repair import Repair, Repaired
from retention.services.audit.selection import Selection, audit
from retention.services.progress import NoProgress
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import EVERYTHING, World, contents, flip


def of(world: World, study: str) -> PackageSummary:
    with world.opened() as stores:
        (package,) = stores.catalog.packages_of(study)
        return package


def audit_entries(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with world.opened() as stores:
        for entry in stores.journal.read():
            if entry.envelope.action == events.AUDIT_RUN:
                record = parse_canonical(zstandard.decompress(entry.payload or b""))
                assert isinstance(record, dict)
                found.append(dict(entry.envelope.data) | record)
    return found


def test_a_sound_archive_is_read_whole_and_said_to_be_sound(held: World):
    report = held.audit()
    packages = held.packages()
    assert (report.checked, report.damaged, report.findings, report.lost) == (2, 0, [], 0)
    assert report.bytes_read == sum(shard.size_bytes for package in packages for shard in package.shards)
    (entry,) = audit_entries(held)
    assert (entry["mode"], entry["packages"]) == ("all", 2)
    assert entry["checks"] == [
        [
            package.package_id,
            package.tier,
            "full",
            [[s.number, 0, s.volume, s.size_bytes, "sound", 0] for s in package.shards],
        ]
        for package in packages
    ]


def test_the_reading_is_noted_with_each_package(held: World):
    before = {package.package_id: package.verified_at for package in held.packages()}
    held.audit(Selection(tier="cold"))
    after = {package.package_id: package.verified_at for package in held.packages()}
    hot, cold = of(held, STUDY).package_id, of(held, OTHER_STUDY).package_id
    assert after[hot] == before[hot]
    assert after[cold] > before[cold]


@pytest.mark.parametrize(
    ("selection", "studies", "mode"),
    [
        (Selection(tier="hot"), [STUDY], "tier hot"),
        (Selection(study_uid=OTHER_STUDY), [OTHER_STUDY], "study"),
        (Selection(study_uid=STUDY, institution="necker"), [STUDY], "study"),
        (EVERYTHING, [STUDY, OTHER_STUDY], "all"),
    ],
)
def test_only_what_was_chosen_is_read(held: World, selection: Selection, studies: list[str], mode: str):
    expected = sum(s.size_bytes for study in studies for s in of(held, study).shards)
    assert held.audit(selection).bytes_read == expected
    assert audit_entries(held)[-1]["mode"] == mode


def test_what_is_not_there_is_told(held: World):
    with held.opened() as stores:
        for selection in (Selection(tier="warm"), Selection(study_uid="1.2.3")):
            with pytest.raises(NotFoundError):
                audit(stores, selection, NoProgress(), repair=True)
        with pytest.raises((NotFoundError, UsageError)):
            audit(stores, Selection(study_uid=STUDY, institution="cochin"), NoProgress(), repair=True)


def test_damage_is_found_repaired_recorded_and_found_no_more(held: World):
    hot, cold = of(held, STUDY), of(held, OTHER_STUDY)
    flip(held.shard(hot, 1), 300)
    held.shard(cold, 0).unlink()
    held.shard(cold, 3).write_bytes(b"garbage")
    report = held.audit()
    assert (report.checked, report.damaged, report.repaired, report.lost) == (2, 3, 3, 0)
    assert {(f.package, f.shard, f.kind, f.repaired) for f in report.findings} == {
        (hot.package_id, 1, FindingKind.CORRUPT, True),
        (cold.package_id, 0, FindingKind.MISSING, True),
        (cold.package_id, 3, FindingKind.CORRUPT, True),
    }
    (entry,) = audit_entries(held)
    assert entry["flawed"] == {}
    assert isinstance(entry["findings"], list)
    assert len(entry["findings"]) == 3
    assert held.audit().findings == []
    assert {package.health for package in held.packages()} == {Health.SOUND}
    assert contents(held.export()) == sorted(held.sent.values())
    assert held.leftovers() == []


def test_looking_alone_changes_nothing_but_what_is_known(held: World):
    cold = of(held, OTHER_STUDY)
    held.shard(cold, 0).unlink()
    flip(held.shard(cold, 1), 300)
    before = held.digest("cold-4", "cold-5", "cold-6", "hot-a")
    report = held.audit(repair=False)
    assert (report.damaged, report.repaired) == (2, 0)
    shards = {name: digest for name, digest in held.digest().items() if name.endswith(".shard")}
    assert {
        name: digest for name, digest in before.items() if name.endswith(".shard")
    }.items() <= shards.items()
    assert [(s.number, s.state.value) for s in of(held, OTHER_STUDY).shards if s.state != "sound"] == [
        (0, "missing"), (1, "corrupt")
    ]  # fmt: skip
    assert of(held, OTHER_STUDY).health is Health.DAMAGED
    assert held.audit().repaired == 2


def test_a_package_beyond_its_redundancy_is_told_in_full_and_nothing_of_it_is_touched(held: World):
    cold = of(held, OTHER_STUDY)
    for number in (0, 2):
        held.shard(cold, number).unlink()
    flip(held.shard(cold, 5), 300)
    before = held.digest("cold-1", "cold-2", "cold-3", "cold-4", "cold-5", "cold-6")
    report = held.audit()
    assert (report.damaged, report.repaired, report.lost) == (3, 0, 1)
    (lost,) = report.lost_packages
    assert (lost.package_id, lost.study_uid, lost.institution) == (cold.package_id, OTHER_STUDY, "necker")
    text = str(lost)
    for said in (cold.package_id, OTHER_STUDY, "necker", "3 of 6 shards are whole", "4 are needed", "backup"):
        assert said in text
    for number in (0, 2, 5):
        assert f"shard {number} on {cold.shards[number].volume}" in text
    assert of(held, OTHER_STUDY).health is Health.LOST
    now = held.digest("cold-1", "cold-2", "cold-3", "cold-4", "cold-5", "cold-6")
    assert {n: d for n, d in now.items() if n.endswith(".shard")} == {
        n: d for n, d in before.items() if n.endswith(".shard")
    }


def test_the_journal_never_names_a_study(held: World):
    cold = of(held, OTHER_STUDY)
    for number in (0, 2, 4):
        held.shard(cold, number).unlink()
    held.audit()
    with held.opened() as stores:
        for entry in stores.journal.read():
            text = (
                zstandard.decompress(entry.payload)
                if entry.envelope.action == events.AUDIT_RUN and entry.payload
                else b""
            )
            assert OTHER_STUDY.encode() not in entry.line + text


def test_what_is_put_back_from_a_backup_makes_a_lost_package_sound(held: World):
    cold = of(held, OTHER_STUDY)
    backup = {number: held.shard(cold, number).read_bytes() for number in (0, 1, 2)}
    for number in backup:
        held.shard(cold, number).unlink()
    assert held.audit().lost == 1
    for number, data in list(backup.items())[:1]:
        held.shard(cold, number).write_bytes(data)
    report = held.audit()
    assert (report.lost, report.repaired) == (0, 2)
    assert of(held, OTHER_STUDY).health is Health.SOUND


def test_a_package_that_is_merely_away_is_not_lost(held: World):
    cold = of(held, OTHER_STUDY)
    for number in (0, 1, 2):
        held.volume(str(cold.shards[number].volume)).rename(held.root / f"away-{number}")
    report = held.audit()
    assert (report.damaged, report.unreachable, report.lost) == (0, 3, 0)
    assert of(held, OTHER_STUDY).health is Health.SOUND
    assert {finding.subject for finding in report.findings} == {"volume"}


def test_what_a_newer_program_wrote_is_neither_repaired_nor_lost(held: World):
    cold = of(held, OTHER_STUDY)
    for number in (0, 1, 2):
        path = held.shard(cold, number)
        data = bytearray(path.read_bytes())
        fields = bytearray(data[:159])
        fields[8] = 2
        path.write_bytes(protect(bytes(fields)) + bytes(data[256:]))
    before = held.digest()
    report = held.audit()
    assert (report.damaged, report.repaired, report.lost) == (3, 0, 0)
    assert {finding.kind for finding in report.findings} == {FindingKind.UNREADABLE}
    assert not any(finding.repaired for finding in report.findings)
    assert {n: d for n, d in held.digest().items() if ".shard" in n} == {
        n: d for n, d in before.items() if ".shard" in n
    }


def test_write_debt_is_settled_when_the_volume_is_back_and_is_no_finding(empty: World):
    empty.send("1.dcm", instance(1))
    empty.volume("cold-5").rename(empty.root / "away")
    empty.ingest(tier="cold")
    (empty.root / "away").rename(empty.volume("cold-5"))
    report = empty.audit()
    assert (report.settled, report.damaged) == (1, 0)
    (package,) = empty.packages()
    assert {shard.volume for shard in package.shards} == {f"cold-{n}" for n in range(1, 7)}
    assert {shard.generation for shard in package.shards} == {0}
    # The volume's replica missed what was appended meanwhile: that is a finding, and put right.
    assert {finding.subject for finding in report.findings} <= {"journal", "keyring"}
    assert empty.audit().findings == []


def test_a_repair_that_fails_says_why_and_the_round_goes_on(held: World, monkeypatch: pytest.MonkeyPatch):
    for study in (STUDY, OTHER_STUDY):
        held.shard(of(held, study), 0).unlink()
    honest = Repair.repair

    def failing(self: Repair, found: Examination) -> Repaired:
        if found.package.study_uid == STUDY:
            return Repaired(why_not="the volume is full")
        return honest(self, found)

    monkeypatch.setattr(Repair, "repair", failing)
    report = held.audit()
    assert (report.damaged, report.repaired) == (2, 1)
    (left,) = [finding for finding in report.findings if not finding.repaired]
    assert "not repaired: the volume is full" in left.detail
    assert of(held, STUDY).health is Health.DEGRADED


def test_results_are_committed_in_batches(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audits, "BATCH_PACKAGES", 2)
    for number in range(3):
        held.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    held.ingest(*[held.source / f"{number}.dcm" for number in range(3)])
    assert held.audit().checked == 5
    assert [entry["packages"] for entry in audit_entries(held)] == [2, 2, 1]


def test_an_interrupted_audit_keeps_what_it_committed_and_leaves_a_list_for_the_next_start(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(audits, "BATCH_PACKAGES", 1)
    settle = Audit._settle
    times: list[int] = []

    def interrupted(self: Audit, found: Examination) -> None:
        times.append(1)
        if len(times) == 2:
            raise KeyboardInterrupt
        settle(self, found)

    with monkeypatch.context() as patch:
        patch.setattr(Audit, "_settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            held.audit()
    assert [entry["packages"] for entry in audit_entries(held)] == [1]
    assert held.audit().checked == 2
    assert held.leftovers() == []


def test_the_longest_unread_comes_first(held: World):
    held.audit(Selection(study_uid=STUDY))
    assert [package.study_uid for package in held.packages()] == [OTHER_STUDY, STUDY]


def test_a_finding_of_what_another_run_has_changed_meanwhile_is_looked_at_again(held: World, monkeypatch):
    """Its list of packages is a page old: the shard was repaired since, and is no damage."""
    cold = of(held, OTHER_STUDY)
    stale = [cold]
    held.shard(cold, 2).unlink()
    held.audit()
    assert of(held, OTHER_STUDY).shards[2].generation == 1
    with held.opened() as stores:
        monkeypatch.setattr(Selection, "packages", lambda *_: stale)
        report = audit(stores, EVERYTHING, NoProgress(), repair=True)
    assert (report.damaged, report.findings) == (0, [])


def test_an_audit_without_a_journal_to_write_to_is_an_error(held: World, monkeypatch: pytest.MonkeyPatch):
    def refusing(*_: object) -> None:
        raise VolumeUnavailableError("too few replicas")

    monkeypatch.setattr(commit, "append", refusing)
    with pytest.raises(StorageError, match="too few"):
        held.audit()


def test_swapped_shards_are_put_right_and_a_second_audit_finds_nothing(held: World):
    held.send("new.dcm", instance(1, study="1.2.840.99.3"))
    held.ingest(held.source / "new.dcm", tier="cold")
    one, other = held.shard(of(held, OTHER_STUDY), 1), held.shard(of(held, "1.2.840.99.3"), 4)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    report = held.audit()
    assert [(finding.kind, finding.repaired) for finding in report.findings] == [
        (FindingKind.MISPLACED, True)
    ] * 2
    assert held.audit().findings == []
    assert held.leftovers() == []
    assert contents(held.export()) == sorted(held.sent.values())


def test_a_swapped_shard_that_its_own_package_needs_is_not_dropped(held: World):
    """Two of its shards are gone already: what lies in another's place is the fourth that is left."""
    held.send("new.dcm", instance(1, study="1.2.840.99.3"))
    held.ingest(held.source / "new.dcm", tier="cold")
    poor = of(held, "1.2.840.99.3")
    one, other = held.shard(of(held, OTHER_STUDY), 1), held.shard(poor, 4)
    one.write_bytes(other.read_bytes())
    for number in (0, 2, 4):
        held.shard(poor, number).unlink()
    report = held.audit()
    assert report.lost == 1
    assert one.exists()
    other.write_bytes(one.read_bytes())
    one.unlink()
    report = held.audit()
    assert report.lost == 0
    assert held.audit().findings == []
    assert contents(held.export()) == sorted(held.sent.values())


def test_threads_and_descriptors_end_with_the_audit(held: World):
    held.audit()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    held.shard(of(held, OTHER_STUDY), 2).unlink()
    held.audit()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads, descriptors)


def test_instants_are_those_of_the_archives_clock(held: World):
    with held.opened() as stores:
        at = stores.clock.now() + timedelta(days=400)
        stores.clock = RehearsalClock(at)
        audit(stores, EVERYTHING, NoProgress(), repair=True)
        assert {package.verified_at for package in stores.catalog.all_packages()} == {at}


def test_packages_are_read_without_any_of_their_keys(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "retention.keyring.keyring.Keyring.package_key", lambda *_: pytest.fail("a key was asked for")
    )
    assert held.audit().findings == []
