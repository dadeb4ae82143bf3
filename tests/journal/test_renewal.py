"""Timestamps carry earlier ones on, if they were made in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.journal.checkpoint import Signer
from retention.journal.renewal import Stamp, check_stamps, held_until, unnamed
from retention.journal.seals import Seal, make_seal

AT = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer("retention/test", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def stamp(day: int, *, ends: int) -> Stamp:
    return Stamp(bytes([day % 256]) * 32, AT + timedelta(days=day), AT + timedelta(days=ends))


def chain(stamps: dict[int, Stamp], sizes: list[int]) -> list[Seal]:
    """A seal for each size; it names what earlier ones had got."""
    seals: list[Seal] = []
    for size in sizes:
        named = unnamed(seals, {before: one for before, one in stamps.items() if before < size})
        seals.append(make_seal(SIGNER, size, bytes(32), AT + timedelta(days=size), seals, named))
    return seals


def days(until: dict[int, datetime]) -> dict[int, int]:
    return {size: (at - AT).days for size, at in until.items()}


def test_a_seal_names_each_earlier_timestamp_once_and_is_read_as_it_was_written():
    stamps = {1: stamp(1, ends=10), 3: stamp(3, ends=10)}
    seals = chain(stamps, [1, 2, 3, 4])
    assert [dict(seal.stamps) for seal in seals] == [{}, {1: stamps[1].digest}, {}, {3: stamps[3].digest}]
    assert [Seal.parse(seal.note.encode()) for seal in seals] == seals


def test_a_later_timestamp_carries_an_earlier_one_on_through_any_number_of_authorities():
    stamps = {1: stamp(1, ends=10), 5: stamp(5, ends=20), 15: stamp(15, ends=40), 16: stamp(16, ends=30)}
    assert days(held_until(chain(stamps, [1, 5, 15, 16]), stamps)) == {1: 40, 5: 40, 15: 40, 16: 30}


def test_one_that_came_too_late_carries_nothing_on():
    stamps = {1: stamp(1, ends=10), 11: stamp(11, ends=40)}
    assert days(held_until(chain(stamps, [1, 11]), stamps)) == {1: 10, 11: 40}


def test_a_seal_without_a_timestamp_carries_nothing_on():
    stamps = {1: stamp(1, ends=10), 9: stamp(9, ends=40)}
    seals = chain(stamps, [1, 5, 9])  # the seal over 5 names the first one, and was never stamped itself
    assert days(held_until(seals, stamps)) == {1: 10, 9: 40}


def test_another_timestamp_in_its_place_is_found_and_carried_on_by_nobody():
    stamps = {1: stamp(1, ends=10), 5: stamp(5, ends=20)}
    seals = chain(stamps, [1, 5, 6])
    digests = {size: [one.digest] for size, one in stamps.items()}
    assert check_stamps(seals, digests) == []
    assert [problem.size for problem in check_stamps(seals, digests | {1: [bytes(32)]})] == [1]
    assert [problem.size for problem in check_stamps(seals, {1: digests[1]})] == [5]
    exchanged = stamps | {1: Stamp(bytes(32), stamps[1].at, stamps[1].until)}
    assert days(held_until(seals, exchanged))[1] == 10
