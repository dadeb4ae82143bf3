"""Staged studies become packages when they are due, and leave staging only then."""

from itertools import count

import pytest

from retention.model.layout import StagingSpec
from retention.services.commitments import CommitmentRequest, Commitments
from retention.services.ingest import ingest as ingest_module
from retention.services.sessions import Session
from retention.services.staging import closer as closer_module
from retention.services.staging.closer import Closer
from retention.services.staging.index import StagedIndex
from retention.services.staging.receiver import Receiver
from tests.services.instances import CT, OTHER_STUDY, STUDY, instance
from tests.services.staging.received import SteppingClock, close_all, logs, receiving, staged, take


@pytest.fixture
def three_staged(empty):
    with receiving(empty) as (stores, receiver):
        for number in (1, 2):
            take(stores, receiver, instance(number))
        take(stores, receiver, instance(1, study=OTHER_STUDY, patient="IPP-2"))
    return empty


def test_what_was_received_comes_back_byte_for_byte_and_staging_is_empty(three_staged):
    closing = close_all(three_staged)
    assert (closing.studies, closing.instances, closing.failures) == (2, 3, [])
    assert sorted(three_staged.export().values()) == sorted(
        [instance(1), instance(2), instance(1, study=OTHER_STUDY, patient="IPP-2")]
    )
    assert logs(three_staged) == []


def test_a_study_is_due_when_nothing_came_for_the_quiet_time(empty):
    clock = SteppingClock()
    with empty.opened() as stores:
        stores.clock = clock
        closer = Closer(stores, StagingSpec())
        with Receiver(stores) as receiver:
            take(stores, receiver, instance(1))
            clock.step(minutes=9)
            assert closer.close_due().instances == 0
            take(stores, receiver, instance(2))
            clock.step(minutes=9)
            assert closer.close_due().instances == 0
            clock.step(minutes=1)
            assert closer.close_due().instances == 2
            take(stores, receiver, instance(3))
            clock.step(minutes=10)
            assert closer.close_due().instances == 1
    assert [package.instances for package in empty.packages()] == [2, 1]


def test_a_study_is_due_at_its_size(empty):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        size = len(instance(1)) + len(instance(2))
        closer = Closer(stores, StagingSpec(max_bytes=size))
        assert closer.close_due().instances == 0
        take(stores, receiver, instance(2))
        assert closer.close_due().instances == 2


def test_one_study_is_closed_when_asked_for_and_the_other_stays(three_staged):
    with three_staged.opened() as stores:
        closer = Closer(stores, StagingSpec())
        owner = next(iter(stores.catalog.institutions())).institution_id
        assert closer.close_study(owner, OTHER_STUDY).instances == 1
    assert [each.study_uid for each in staged(three_staged)] == ["1.2.840.99.1"] * 2
    close_all(three_staged)
    assert logs(three_staged) == []


def test_killed_before_it_was_noted_that_they_are_packed_nothing_is_stored_twice(three_staged, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(Closer, "_note_packed", lambda *_: None)
        killed.setattr(Closer, "_clear", lambda *_: None)
        close_all(three_staged)
    assert len(staged(three_staged)) == 3
    close_all(three_staged)
    assert sum(package.instances for package in three_staged.packages()) == 3
    assert logs(three_staged) == []


def test_one_copy_of_a_log_is_enough(three_staged):
    for path in three_staged.files("hot-a", suffix=".log"):
        path.unlink()
    assert close_all(three_staged).instances == 3


def test_a_flipped_byte_in_one_copy_is_read_from_the_other(three_staged):
    (log,) = three_staged.files("hot-a", suffix=".log")
    damaged = bytearray(log.read_bytes())
    for position in range(0, len(damaged), 500):
        damaged[position] ^= 1
    log.write_bytes(damaged)
    assert close_all(three_staged).instances == 3
    assert logs(three_staged) == []


def test_what_is_damaged_in_both_copies_stays_staged_and_does_not_keep_the_others(three_staged):
    _damage(
        three_staged, -100
    )  # in the data of the last instance; the frame that closes the log has 86 bytes
    closing = close_all(three_staged)
    assert closing.instances == 2
    assert len(closing.failures) == 1
    assert [each.study_uid for each in staged(three_staged)] == [OTHER_STUDY]


def test_a_log_that_cannot_be_read_on_is_kept_and_said(three_staged):
    victim = next(each for each in staged(three_staged) if each.study_uid == OTHER_STUDY)
    _damage(three_staged, victim.places[0].offset + 100)
    closing = close_all(three_staged)
    assert closing.instances == 2
    assert ["cannot be read on" in failure for failure in closing.failures] == [True]
    assert len(logs(three_staged)) == 2


def _damage(world, position):
    for log in world.files("hot-a", "hot-b", suffix=".log"):
        damaged = bytearray(log.read_bytes())
        damaged[position] ^= 1
        log.write_bytes(damaged)


def test_a_torn_end_was_never_acknowledged_and_disturbs_nobody(three_staged):
    for log in three_staged.files("hot-a", "hot-b", suffix=".log"):
        whole = log.read_bytes()
        end = staged(three_staged)[-1].places[0].offset
        log.write_bytes(whole[: end + 100])
    assert close_all(three_staged).instances == 2
    assert logs(three_staged) == []


def test_a_log_that_is_still_written_stays(empty):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        assert Closer(stores, StagingSpec()).close_all().instances == 1
        assert len(logs(empty)) == 2  # the log, and what of it is packed
        take(stores, receiver, instance(2))
        assert [each.sop_instance_uid for each in staged(empty)] == ["1.2.840.99.1.1.2"]


def test_nothing_leaves_staging_that_is_still_needed(three_staged):
    with three_staged.opened() as stores:
        closer = Closer(stores, StagingSpec())
        closer._index.refresh()
        (log,) = closer._index.logs.values()
        with pytest.raises(ValueError, match="still needed"):
            closer_module.remove_spent(stores, log)


def test_a_log_that_others_need_still_says_whose_bytes_lie_in_it(three_staged):
    with three_staged.opened() as stores:
        closer = Closer(stores, StagingSpec())
        (owner,) = {each.institution for each in staged(three_staged)}
        closer.close_study(owner, STUDY)
        index = StagedIndex(stores)
        index.refresh()
        assert {each.study_uid for each in index.staged()} == {OTHER_STUDY}
        assert index.studies() == {(owner, STUDY), (owner, OTHER_STUDY)}
        closer.close_all()
        index.refresh()
        assert index.studies() == set()
    assert logs(three_staged) == []


def test_told_to_stop_it_begins_no_further_study_and_the_rest_stays_staged(empty, monkeypatch):
    monkeypatch.setattr(ingest_module, "LOOKED_UP_FILES", 1)
    with receiving(empty) as (stores, receiver):
        for number in range(8):
            take(stores, receiver, instance(1, study=f"{STUDY}.{number}", patient=f"IPP-{number}"))
    asked = count()
    with empty.opened() as stores:
        closing = Closer(stores, StagingSpec()).close_all(lambda: next(asked) > 3)
    assert (closing.studies, closing.instances, closing.failures) == (3, 3, [])
    assert len(staged(empty)) == 5
    assert close_all(empty).instances == 5
    assert len(empty.export()) == 8
    assert logs(empty) == []


def test_told_to_stop_before_it_began_it_packs_nothing(three_staged):
    with three_staged.opened() as stores:
        closing = Closer(stores, StagingSpec()).close_all(lambda: True)
    assert (closing.instances, closing.failures) == (0, [])
    assert len(staged(three_staged)) == 3


def test_a_stop_leaves_a_commitment_undecided_rather_than_deny_what_is_staged(three_staged):
    with three_staged.opened() as stores:
        (owner,) = {each.institution for each in staged(three_staged)}
        commitments = Commitments(stores)
        asked = CommitmentRequest(owner, "CT1", "1.2.3", ((CT, f"{STUDY}.1.1"),), commitments.now())
        commitments.ask(asked, "0" * 16)
        closer = Closer(stores, StagingSpec())
        assert commitments.decide(closer, lambda: True) == 0
        assert commitments.decide(closer, lambda: False) == 1
        with Session(stores.root) as session:
            list(commitments.undelivered(session.name))  # taken over from whoever is gone
            (undelivered,) = commitments.undelivered(session.name)
    assert undelivered.outcome.committed == asked.references
