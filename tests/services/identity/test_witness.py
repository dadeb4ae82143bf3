"""What the journal learns of who knocks: enough, and never more than a bounded amount."""

from __future__ import annotations

import threading

import pytest

from retention.catalog.people import RoleAt
from retention.model.errors import LockedError
from retention.services import commit
from retention.services.authorisation import Caller, Method
from retention.services.identity import witness as witness_module
from retention.services.identity.witness import ADDRESSES, LONGEST_S, Reason, Witness
from tests.services.world import until


class Ticking:
    def __init__(self, clock):
        self.clock = clock
        self.at_s = 0.0

    def now(self):
        return self.clock.now()

    def monotonic_s(self):
        return self.at_s


NOBODYS: frozenset[RoleAt] = frozenset({(None, "reader")})


def entries(stores, action):
    return [entry for entry in stores.journal.read() if entry.envelope.action == action]


@pytest.mark.parametrize(
    ("method", "times"),
    [
        (Method.ACCOUNT, 48),
        (Method.PROVIDER, 48),
        (Method.TOKEN, 2),
        (Method.CERTIFICATE, 2),
        (Method.LOCAL, 0),
    ],
)
def test_a_log_in_is_written_once_an_hour_or_a_day(held, method, times):
    with held.opened() as stores:
        stores.clock = clock = Ticking(stores.clock)
        witness = Witness(stores)
        for clock.at_s in range(0, 48 * 3600, 600):
            witness.came_in(Caller("x-1", method, NOBODYS))
            witness.flush()
        found = [entry.envelope for entry in entries(stores, "access.login")]
        assert len(found) == times
        assert all(each.actor == "x-1" and each.data["method"] == method for each in found)
        assert all(each.data["roles"] == [[None, "reader"]] for each in found)


def test_however_long_somebody_knocks_the_journal_hardly_grows(held):
    with held.opened() as stores:
        stores.clock = clock = Ticking(stores.clock)
        witness = Witness(stores)
        for second in range(0, 24 * 3600, 10):
            clock.at_s = float(second)
            for number in range(3):
                witness.refused(Reason.PASSWORD, f"10.0.{second % 250}.{number}")
            witness.flush()
        witness.flush(is_last=True)
        found = entries(stores, "access.refused")
        assert len(found) < 24 + 15
        assert sum(entry.envelope.data["refused"]["password"] for entry in found) == 24 * 360 * 3
        assert all(b"10.0." not in entry.line for entry in found)
        assert max(len(entry.payload or b"") for entry in found) < 64 * ADDRESSES
        clock.at_s += 3 * LONGEST_S
        witness.flush()
        witness.refused(Reason.TOKEN, "x")
        assert witness.flush() == 1  # after a rest the next one is told at once


def test_what_the_journal_cannot_take_now_is_written_the_next_time(held, monkeypatch):
    with held.opened() as stores:
        witness = Witness(stores)
        witness.came_in(Caller("x-1", Method.TOKEN, NOBODYS))
        witness.refused(Reason.PASSWORD, "10.0.0.1")
        with monkeypatch.context() as locked:
            locked.setattr(commit, "append", refusing)
            for _ in range(3):
                with pytest.raises(LockedError):
                    witness.flush(is_last=True)
        witness.refused(Reason.PASSWORD, "10.0.0.1")
        assert witness.flush(is_last=True) == 2
        assert [entry.envelope.actor for entry in entries(stores, "access.login")] == ["x-1"]
        (refused,) = entries(stores, "access.refused")
        assert refused.envelope.data["refused"] == {"password": 2}
        assert witness.flush(is_last=True) == 0


def refusing(stores, entries):
    raise LockedError("another process commits")


def test_whatever_keeps_the_journal_from_being_written_the_witness_goes_on(held, monkeypatch):
    monkeypatch.setattr(witness_module, "FIRST_S", 0.01)
    with held.opened() as stores:
        failing = threading.Event()

        def broken(stores, entries):
            failing.set()
            raise OSError(5, "made up")

        with monkeypatch.context() as patched:
            patched.setattr(commit, "append", broken)
            witness = Witness(stores)
            witness.came_in(Caller("x-1", Method.TOKEN, NOBODYS))
            witness.start()
            assert failing.wait(10)
        assert until(lambda: len(entries(stores, "access.login")) == 1)
        witness.stop()
