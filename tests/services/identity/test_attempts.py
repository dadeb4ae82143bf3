"""Lockout: bounded in memory, blind to what exists, and over after a while."""

from __future__ import annotations

import threading

import pytest

from retention.model.clock import SystemClock
from retention.model.errors import BusyError, TooManyAttemptsError
from retention.services.identity import attempts
from retention.services.identity.accounts import network_of
from retention.services.identity.attempts import FIRST_LOCK_S, FORGOTTEN_AFTER_S, LONGEST_LOCK_S, Attempts
from retention.services.identity.passwords import IN_TURN, Passwords
from tests.services.identity.conftest import CheapPasswords
from tests.services.identity.test_witness import Ticking


@pytest.fixture
def clock():
    return Ticking(SystemClock())


def wait_s(tries, key="a"):
    try:
        tries.require_open(key)
    except TooManyAttemptsError as error:
        return error.retry_after_s
    return 0


def test_each_failure_more_closes_for_twice_as_long_up_to_a_bound(clock):
    tries = Attempts(clock, 3)
    waits = []
    for _ in range(10):
        tries.failed("a")
        waits.append(wait_s(tries))
        clock.at_s += waits[-1]
        assert wait_s(tries) == 0
    assert waits[:4] == [0, 0, FIRST_LOCK_S + 1, 2 * FIRST_LOCK_S + 1]
    assert waits[-1] == LONGEST_LOCK_S + 1
    assert wait_s(tries, "b") == 0
    clock.at_s += FORGOTTEN_AFTER_S + 1
    tries.failed("a")
    assert wait_s(tries) == 0


@pytest.mark.parametrize("every_s", [72, 600, 3000])
def test_a_mistake_now_and_then_behind_one_address_closes_it_to_nobody(clock, every_s):
    tries = Attempts(clock, 50)
    for _ in range(300):
        clock.at_s += every_s
        tries.failed("hospital")
        assert wait_s(tries, "hospital") == 0


def test_who_goes_on_guessing_is_closed_out_nearly_always(clock):
    tries, guesses = Attempts(clock, 5), 0
    while clock.at_s < 24 * 3600:
        tries.failed("a")
        guesses += 1
        clock.at_s += wait_s(tries) or 1
    assert guesses < 130


def test_success_forgets(clock):
    tries = Attempts(clock, 2)
    tries.failed("a")
    tries.succeeded("a")
    tries.failed("a")
    assert wait_s(tries) == 0


def test_however_many_keys_there_are_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(attempts, "KNOWN", 100)
    tries = Attempts(clock, 1)
    tries.failed("victim")
    for number in range(1000):
        tries.failed(f"invented-{number}")
        if number % 50 == 0:
            tries.failed("victim")  # it goes on being attacked: it is not what is forgotten
    assert len(tries._failures) == 100
    assert wait_s(tries, "victim") > 0


def test_an_address_of_ipv6_is_a_whole_network():
    assert (
        network_of("2001:db8:1:2:3:4:5:6")
        == network_of("2001:db8:1:2:ffff::1")
        != network_of("2001:db8:1:3::1")
    )
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("") == ""


def test_who_comes_when_too_many_are_being_checked_is_sent_away_and_waits_for_nothing(monkeypatch):
    passwords, going = CheapPasswords(), threading.Event()
    begun = threading.Semaphore(0)

    def slow(self, secret, plain):
        begun.release()
        going.wait()
        return False

    monkeypatch.setattr(Passwords, "_is_same", slow)
    threads = [threading.Thread(target=passwords.is_right, args=(None, "x")) for _ in range(IN_TURN)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        begun.acquire()
    while passwords._places._value:
        pass
    with pytest.raises(BusyError):
        passwords.is_right(None, "x")
    going.set()
    for thread in threads:
        thread.join()
    assert not passwords.is_right(None, "x")
