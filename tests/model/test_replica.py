"""Writing to several replicas: enough of them take it, or nothing counts."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import VolumeFullError, VolumeUnavailableError
from retention.model.replica import Part, ReplicaSet, read_if_there
from tests.model.replicas import MemoryReplica, replicas


@pytest.fixture
def three():
    return replicas(3)


@pytest.fixture
def group(three):
    group = ReplicaSet(three, minimum=2)
    yield group
    group.close()


def files_of(group):
    return [replica.files for replica in group]


def test_every_replica_gets_every_part_in_order(three, group):
    outcome = group.append([Part("a", b"1", 0), Part("b", b"2", 0)])
    assert sorted(outcome.done) == ["volume-0", "volume-1", "volume-2"]
    assert files_of(three) == [{"a": b"1", "b": b"2"}] * 3
    assert three[0].calls == [("append", "a"), ("append", "b")]


def test_all_replicas_are_written_at_the_same_time(group):
    together = threading.Barrier(3, timeout=10)
    assert len(group.each(lambda _: together.wait()).done) == 3


def test_the_threads_are_kept_from_call_to_call(group):
    names = [set(group.each(lambda _: threading.current_thread().name).done.values()) for _ in range(20)]
    assert len(set().union(*names)) <= 3


def test_one_failure_of_three_is_told_and_does_not_matter(three, group):
    three[1].away = True
    outcome = group.append([Part("a", b"1", 0)])
    assert list(outcome.failed) == ["volume-1"]
    assert files_of(three) == [{"a": b"1"}, {}, {"a": b"1"}]


def test_too_few_is_an_error_and_what_was_written_is_taken_back(three, group):
    group.append([Part("a", b"1", 0)])
    three[1].away = True
    three[2].faults["append"] = [VolumeFullError("full")]
    with pytest.raises(VolumeUnavailableError, match="1 of 3 replicas") as caught:
        group.append([Part("a", b"2", 1), Part("b", b"3", 0)])
    assert caught.value.context["replicas"] == ["volume-1", "volume-2"]
    assert files_of(three) == [{"a": b"1"}] * 3


def test_the_error_says_full_when_all_that_is_missing_is_space(three, group):
    for replica in three:
        replica.faults["append"] = [VolumeFullError("full")]
    with pytest.raises(VolumeFullError):
        group.append([Part("a", b"1", 0)])


@given(st.binary(min_size=1, max_size=8), st.integers(0, 8))
def test_a_torn_append_is_taken_back_to_the_byte(data, kept):
    three = replicas(3)
    group = ReplicaSet(three, minimum=3)
    group.append([Part("a", b"before", 0)])
    three[0].faults["append"] = [VolumeUnavailableError("gone in the middle")]
    three[0].tear = lambda data: data[:kept]
    with pytest.raises(VolumeUnavailableError):
        group.append([Part("a", data, 6)])
    group.close()
    assert files_of(three) == [{"a": b"before"}] * 3


def test_what_somebody_else_appended_is_left_alone(three, group):
    for replica in three:
        replica.files["a"] = b"theirs"
    with pytest.raises(VolumeUnavailableError):
        group.append([Part("a", b"ours", 0)])
    assert files_of(three) == [{"a": b"theirs"}] * 3


def test_what_cannot_be_taken_back_now_is_taken_back_later(three, group):
    three[0].faults["read"] = [VolumeUnavailableError("gone after writing")]
    three[1].away = three[2].away = True
    with pytest.raises(VolumeUnavailableError):
        group.append([Part("a", b"1", 0)])
    assert three[0].files == {"a": b"1"}
    three[0].away = True
    assert "volume-0" in group.take_back_owed()
    for replica in three:
        replica.away = False
    assert not group.take_back_owed()
    assert files_of(three) == [{}] * 3


def test_a_bug_is_raised_and_not_counted_as_a_failed_replica(group):
    def call(replica):
        if replica.name == "volume-1":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        group.each(call)


def test_a_closed_set_starts_again(three, group):
    group.close()
    assert group.append([Part("a", b"1", 0)]).done


def test_a_call_can_be_for_some_replicas_only(group):
    assert list(group.each(lambda replica: replica.name, only={"volume-2"}).done) == ["volume-2"]
    assert not group.each(lambda replica: replica.name, only=()).done


def test_replicas_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="different names"):
        ReplicaSet([MemoryReplica("a"), MemoryReplica("a")], minimum=1)


def test_an_absent_file_reads_as_nothing():
    replica = MemoryReplica("a", {"there": b"123"})
    assert read_if_there(replica, "there", 1) == b"23"
    assert read_if_there(replica, "absent") is None
