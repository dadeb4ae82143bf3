"""Rotating institutions' keys: whatever is cut short, every key opens; what was destroyed opens nothing any more."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.keyring.institutions import old_generations
from retention.keyring.keyfile import INSTITUTIONS
from retention.keyring.keyring import Keyring
from retention.keyring.records import KeyKind, parse_record
from retention.model.errors import KeyUnavailableError, VolumeUnavailableError
from tests.keyring.keyrings import COCHIN, NECKER, ROOT, add_keys, keyring_of_three, small_files
from tests.model.replicas import MemoryReplica

NAMES = tuple(f"volume-{number}" for number in range(3))


class KilledError(Exception):
    """The machine stops. No error of the archive's own, so that nothing cleans up after it."""


class Killing(MemoryReplica):
    """A replica that with the others of its `life` writes so many times, and is killed before or after the last."""

    life: list[int]
    after: bool

    def replace(self, key: str, data: bytes) -> None:
        self.life[0] -= 1
        if self.life[0] < 0 or (self.life[0] == 0 and not self.after):
            raise KilledError
        super().replace(key, data)
        if self.life[0] == 0:
            raise KilledError


def rotate(keyring, *institutions, carriers=NAMES):
    rotation = keyring.rotation
    for institution in institutions:
        if not old_generations(rotation.generations(institution)):
            rotation.begin(institution)
    moved = sum(
        sum(rotation.rewrap(institutions, series, segment).values()) for series, segment in rotation.files()
    )
    return moved, rotation.end(institutions, carriers)


def written():
    """A keyring of two institutions with keys in several files, some forgotten; and what everything opens to."""
    three, keyring = keyring_of_three()
    keyring.add_institution(COCHIN)
    keys, segments = add_keys(keyring, 6)
    others, more = add_keys(keyring, 3, COCHIN)
    patient = keyring.new_patient_key(NECKER)
    keyring.commit([patient])
    keyring.forget([keys[1].key_id])
    return (
        three,
        keyring,
        [key for key in keys if key is not keys[1]] + others,
        keys[1],
        patient,
        segments | more,
    )


def assert_all_opens(three, keys, gone, patient, payload):
    keyring = small_files(Keyring.open(three, ROOT))
    for key in keys:
        assert keyring.package_key(key.key_id) == key.secret
    assert keyring.patient_key(patient.key_id) == patient.secret
    assert keyring.payload_key(NECKER) == payload
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        keyring.package_key(gone.key_id)
    assert len([each for each in keyring.rotation.generations(NECKER) if each.is_current]) == 1
    keyring.close()


def parents(replica, kind):
    found = [parse_record(line) for content in replica.files.values() for line in content.split(b"\n")[:-1]]
    return {(record.owner, record.parent) for record in found if record is not None and record.kind is kind}


def test_every_key_is_under_the_new_one_and_opens_to_the_same():
    three, keyring, keys, gone, patient, segments = written()
    payload, before = keyring.payload_key(NECKER), keyring.rotation.generations(NECKER)[-1]
    moved, ending = rotate(keyring, NECKER)
    (now,) = keyring.rotation.generations(NECKER)
    assert (now.generation, before.generation, now.key_id == before.key_id) == (2, 1, False)
    assert moved == 7  # six package keys, one of them forgotten, and a patient's
    assert ([each.key_id for each in ending.destroyed], ending.kept, ending.behind) == (
        [before.key_id],
        (),
        (),
    )
    (cochin,) = keyring.rotation.generations(COCHIN)
    assert cochin.generation == 1
    for replica in three:
        for kind in (KeyKind.PACKAGE, KeyKind.PATIENT, KeyKind.PAYLOAD):
            assert parents(replica, kind) <= {(NECKER, now.key_id), (COCHIN, cochin.key_id)}
    assert_all_opens(three, keys, gone, patient, payload)
    for key in keys:
        assert keyring.package_key(key.key_id, segments[key.key_id]) == key.secret
    assert keyring.verify() == []


def test_the_old_key_is_in_no_file_and_what_it_wrapped_opens_with_it_no_more():
    three, keyring, *_ = written()
    old = keyring._institutions.current(NECKER)
    lines = three[0].files[INSTITUTIONS].split(b"\n")
    (record,) = [each for each in map(parse_record, lines) if each is not None and each.key_id == old.key_id]
    wrapped = base64.b64encode(record.wrapped or b"")
    rotate(keyring, NECKER)
    for replica in three:
        assert not any(wrapped in content for content in replica.files.values())
        for name, content in replica.files.items():
            for each in map(parse_record, content.split(b"\n")[:-1]):
                assert name.endswith(".json") or (each is not None and each.secret(old.secret) is None)


@pytest.mark.parametrize("writes", range(1, 20))
def test_killed_at_any_write_everything_opens_and_the_next_rotation_ends_it(writes):
    three, keyring, keys, gone, patient, _ = written()
    payload = keyring.payload_key(NECKER)
    keyring.close()
    life, killing = [writes], []
    for replica in three:
        one = Killing(replica.name, replica.files)
        one.life, one.after = life, bool(writes % 2)
        killing.append(one)
    first = small_files(Keyring.open(killing, ROOT))
    with suppress(KilledError):
        rotate(first, NECKER)
    first.close()
    assert_all_opens(three, keys, gone, patient, payload)
    again = small_files(Keyring.open(three, ROOT))
    again.heal()
    assert_all_opens(three, keys, gone, patient, payload)
    rotate(again, NECKER)
    assert old_generations(again.rotation.generations(NECKER)) == []
    assert again.verify() == []
    assert three[0].files == three[1].files == three[2].files
    assert_all_opens(three, keys, gone, patient, payload)
    more, _ = add_keys(again, 2)
    assert_all_opens(three, keys + more, gone, patient, payload)
    again.close()


def test_two_attempts_of_which_each_reached_other_volumes_do_not_contradict_each_other():
    three, keyring, keys, gone, patient, _ = written()
    payload = keyring.payload_key(NECKER)
    three[2].away = True
    keyring.rotation.begin(NECKER)
    for series, segment in keyring.rotation.files():
        keyring.rotation.rewrap([NECKER], series, segment)
    stale = dict(three[2].files)
    three[2].away, three[0].away = False, True
    once_more = small_files(Keyring.open(three[1:], ROOT))
    three[1].files |= {key: content for key, content in stale.items() if "packages" in key}
    for series, segment in once_more.rotation.files():
        once_more.rotation.rewrap([NECKER], series, segment)
    three[0].away = False
    assert three[0].files["keyring/packages-000001.keys"] != three[1].files["keyring/packages-000001.keys"]
    assert_all_opens(three, keys, gone, patient, payload)
    keyring.heal()
    assert three[0].files == three[1].files == three[2].files


def test_while_a_volume_is_away_the_old_key_opens_and_wraps_nothing_new():
    three, keyring, keys, gone, patient, _ = written()
    payload = keyring.payload_key(NECKER)
    three[1].away = True
    _, ending = rotate(keyring, NECKER)
    assert ([each.generation for each in ending.kept], ending.destroyed) == ([1], ())
    assert ending.behind == ("volume-1",)
    more, _ = add_keys(keyring, 1)
    three[1].away = False
    assert_all_opens(three, keys + more, gone, patient, payload)
    assert_all_opens(three[1:2], keys, gone, patient, payload)
    _, ending = rotate(keyring, NECKER)
    assert [each.generation for each in ending.destroyed] == [1]
    assert_all_opens(three, keys + more, gone, patient, payload)
    keyring.heal()
    assert keyring.verify() == []


def test_a_place_that_ought_to_carry_the_keyring_and_was_not_even_opened_keeps_the_old_key_too():
    _, keyring, *_ = written()
    _, ending = rotate(keyring, NECKER, carriers=(*NAMES, "volume-9"))
    assert (ending.behind, len(ending.kept)) == (("volume-9",), 1)


def test_too_few_volumes_is_an_error_and_nothing_is_lost():
    three, keyring, keys, gone, patient, _ = written()
    payload = keyring.payload_key(NECKER)
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError):
        keyring.rotation.begin(NECKER)
    three[0].away = three[1].away = False
    rotate(keyring, NECKER)
    assert_all_opens(three, keys, gone, patient, payload)


def test_a_process_that_knew_the_old_key_wraps_new_ones_by_the_new_one():
    """Wrapped by a key that was destroyed meanwhile they would be lost."""
    three, keyring, *_ = written()
    other = small_files(Keyring.open(three, ROOT))
    pending = other.new_package_key(NECKER)
    rotate(keyring, NECKER)
    other.commit([pending])
    assert small_files(Keyring.open(three, ROOT)).package_key(pending.key_id) == pending.secret


def test_a_volume_from_before_that_comes_back_from_a_backup_changes_nothing():
    three, keyring, keys, _gone, patient, _ = written()
    payload, old = keyring.payload_key(NECKER), dict(three[1].files)
    rotate(keyring, NECKER)
    keyring.forget([keys[0].key_id])
    three[1].files = old
    assert_all_opens(three, keys[1:], keys[0], patient, payload)
    assert {problem.replica for problem in keyring.verify()} == {"volume-1"}
    keyring.heal()
    assert three[0].files == three[1].files


@given(st.lists(st.sampled_from(["rotate", "add", "forget"]), max_size=8))
def test_whatever_happens_in_between_every_key_that_was_not_forgotten_opens(steps):
    three, keyring = keyring_of_three()
    other = small_files(Keyring.open(three, ROOT))
    held, rotations = [], 0
    for number, step in enumerate(steps):
        one = keyring if number % 2 else other
        if step == "rotate":
            rotate(one, NECKER)
            rotations += 1
        elif step == "add":
            held += add_keys(one, 2)[0]
        elif held:
            one.forget([held.pop(0).key_id])
    for one in (keyring, other, small_files(Keyring.open(three, ROOT))):
        assert all(one.package_key(key.key_id) == key.secret for key in held)
        assert [each.generation for each in one.rotation.generations(NECKER)] == [rotations + 1]
    assert keyring.verify() == []


def test_a_forgotten_key_is_noticed_though_the_file_has_the_length_it_had():
    three, keyring = keyring_of_three()
    keyring._packages.records_per_file = 8192
    keys, segments = add_keys(keyring, 7)
    other = Keyring.open(three, ROOT)
    assert other.package_key(keys[0].key_id, segments[keys[0].key_id]) == keys[0].secret
    size_bytes = len(three[0].files["keyring/packages-000001.keys"])
    keyring.forget([key.key_id for key in keys])
    lacking = size_bytes - len(three[0].files["keyring/packages-000001.keys"])
    for replica in three:
        replica.files["keyring/packages-000001.keys"] += b"x" * (lacking - 1) + b"\n"
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        other.package_key(keys[0].key_id, segments[keys[0].key_id])
