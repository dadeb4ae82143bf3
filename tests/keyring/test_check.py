"""Damage to the keyring's replicas: all of it is found, what any replica has whole is mended, the rest is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.keyring.check import KeyringRepair
from retention.keyring.keyfile import INSTITUTIONS
from retention.keyring.keyring import Keyring
from retention.keyring.rootdocument import ROOT_DOCUMENT
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, VolumeUnavailableError
from retention.model.findings import FindingKind
from tests.keyring.keyrings import NECKER, ROOT, add_keys, keyring_of_three, small_files
from tests.model.replicas import MemoryReplica


def written():
    """The files of a keyring of two package files and a patient file, with a forgotten key, and its keys."""
    three, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, 6)
    keyring.commit([keyring.new_patient_key(NECKER)])
    keyring.forget([keys[1].key_id])
    keyring.close()
    return three[0].files, {key.key_id: key.secret for key in keys if key is not keys[1]}, segments


FILES, SECRETS, SEGMENTS = written()
KEYS = sorted(FILES)


def replicas_with(*damaged):
    return [MemoryReplica(f"volume-{number}", {**FILES, **change}) for number, change in enumerate(damaged)]


def opened(three):
    return small_files(Keyring.open(three, ROOT))


def found_and_healed(three, kind, key):
    """Every key opens in spite of the damage; it is found, then healed, and then nothing is found."""
    keyring = opened(three)
    for key_id, secret in SECRETS.items():
        assert keyring.package_key(key_id, SEGMENTS[key_id]) == secret
    problems = keyring.verify()
    assert [(problem.kind, problem.replica, problem.key) for problem in problems] == [(kind, "volume-0", key)]
    assert keyring.heal() == [KeyringRepair(kind, "volume-0", key)]
    assert keyring.verify() == []
    assert all(one.files == FILES for one in three)
    keyring.close()


def test_a_sound_keyring_has_no_problems():
    three = replicas_with({}, {}, {})
    keyring = opened(three)
    assert keyring.verify() == []
    assert keyring.heal() == []
    assert not any(method in ("replace", "append", "delete") for one in three for method, _ in one.calls)


@pytest.mark.parametrize("key", KEYS)
def test_any_changed_byte_in_any_file_is_found_and_healed(key):
    content = FILES[key]
    for offset in range(0, len(content), 3):
        changed = bytes([content[offset] ^ (offset % 255 + 1)])
        damaged = content[:offset] + changed + content[offset + 1 :]
        three = replicas_with({key: damaged}, {}, {})
        keyring = opened(three)
        assert {problem.key for problem in keyring.verify() if problem.replica == "volume-0"} == {key}
        assert {repair.key for repair in keyring.heal()} == {key}
        assert keyring.verify() == []
        assert all(one.files == FILES for one in three)
        keyring.close()


@pytest.mark.parametrize("key", KEYS)
def test_any_cut_of_any_file_is_found_and_healed(key):
    content = FILES[key]
    for size in range(0, len(content), 7):
        kind = FindingKind.MISSING
        if key == ROOT_DOCUMENT and size:
            kind = FindingKind.CORRUPT
        found_and_healed(replicas_with({key: content[:size]}, {}, {}), kind, key)


@pytest.mark.parametrize("key", KEYS)
def test_an_absent_file_is_found_and_healed(key):
    three = replicas_with({}, {}, {})
    del three[0].files[key]
    found_and_healed(three, FindingKind.MISSING, key)


def test_a_torn_end_is_found_and_cut_off():
    key = "keyring/packages-000002.keys"
    found_and_healed(replicas_with({key: FILES[key] + b"0badc0de {"}, {}, {}), FindingKind.EXTRA, key)


def test_records_in_another_order_are_the_same_records():
    key = "keyring/packages-000001.keys"
    lines = FILES[key].splitlines(keepends=True)
    three = replicas_with({}, {}, {key: b"".join(reversed(lines))})
    keyring = opened(three)
    assert [problem.detail for problem in keyring.verify()] == ["the records are in another order"]
    keyring.heal()
    assert three[0].files == three[1].files == three[2].files


@given(st.data())
@settings(max_examples=40)
def test_damage_in_different_records_of_all_replicas_is_healed_from_one_another(data):
    key = "keyring/packages-000001.keys"
    three = replicas_with({}, {}, {})
    for line in FILES[key].splitlines():
        start = FILES[key].index(line)
        for replica in data.draw(st.sets(st.integers(0, 2), max_size=2)):
            content = bytearray(three[replica].files[key])
            content[start + data.draw(st.integers(0, len(line) - 1))] ^= 1
            three[replica].files[key] = bytes(content)
    keyring = opened(three)
    for key_id, secret in SECRETS.items():
        assert keyring.package_key(key_id) == secret
    keyring.heal()
    assert keyring.verify() == []
    assert sorted(three[0].files[key].splitlines()) == sorted(FILES[key].splitlines())
    keyring.close()


def test_a_record_damaged_on_every_replica_is_named_and_everything_else_is_healed():
    key = "keyring/packages-000001.keys"
    line = FILES[key].splitlines()[2]
    damaged = FILES[key].replace(line, line[:-10] + b"X" + line[-9:])
    lost_id = next(key_id for key_id in SECRETS if key_id.encode() in line)
    three = replicas_with({key: damaged}, {key: damaged, INSTITUTIONS: b""}, {key: damaged})
    keyring = opened(three)
    with pytest.raises(KeyringBrokenError, match=lost_id):
        keyring.heal()
    assert three[1].files[INSTITUTIONS] == FILES[INSTITUTIONS]
    assert all(one.files[key] == damaged for one in three)
    with pytest.raises(KeyringBrokenError, match="is damaged on every replica"):
        keyring.package_key(lost_id)
    assert {problem.replica for problem in keyring.verify()} == {None, "volume-0", "volume-1", "volume-2"}
    for key_id, secret in SECRETS.items():
        if key_id != lost_id:
            assert keyring.package_key(key_id) == secret
    add_keys(keyring, 1)


def test_an_identifier_damaged_on_every_replica_is_noticed_too():
    key = "keyring/packages-000001.keys"
    line = FILES[key].splitlines()[2]
    damaged = FILES[key].replace(line, line.replace(b'"id":"', b'"id":"Z'))
    three = replicas_with({key: damaged}, {key: damaged}, {key: damaged})
    keyring = opened(three)
    with pytest.raises(KeyringBrokenError, match="a record is damaged"):
        keyring.heal()
    (lost_id,) = (key_id for key_id in SECRETS if key_id.encode() in line)
    with pytest.raises(KeyUnavailableError, match="is not in the keyring"):
        keyring.package_key(lost_id)


def test_a_file_that_is_missing_everywhere_is_named():
    three = replicas_with({}, {}, {})
    for one in three:
        del one.files["keyring/packages-000001.keys"]
    keyring = opened(three)
    problems = keyring.verify()
    assert [(problem.kind, problem.replica, problem.key) for problem in problems] == [
        (FindingKind.MISSING, None, "keyring/packages-000001.keys")
    ]
    with pytest.raises(KeyringBrokenError, match="packages-000001"):
        keyring.heal()


def test_without_any_sound_institution_file_nothing_opens():
    damaged = FILES[INSTITUTIONS].replace(b"institution", b"institutiom")
    with pytest.raises(KeyringBrokenError, match="institutions"):
        opened(replicas_with({INSTITUTIONS: damaged}, {INSTITUTIONS: damaged}))


def test_an_unreachable_replica_is_said_and_left_for_later():
    three = replicas_with({}, {}, {})
    keyring = opened(three)
    three[2].away = True
    assert {(problem.kind, problem.replica) for problem in keyring.verify()} == {
        (FindingKind.UNREADABLE, "volume-2")
    }
    assert keyring.heal() == []


def test_a_replica_that_cannot_be_written_is_left_for_the_next_time():
    three = replicas_with({KEYS[0]: b""}, {}, {})
    three[0].faults["replace"] = [VolumeUnavailableError("read-only")]
    keyring = opened(three)
    assert keyring.heal() == []
    assert [repair.key for repair in keyring.heal()] == [KEYS[0]]
    assert three[0].files == FILES


def test_a_damaged_record_that_the_others_never_had_is_not_healed_away():
    """Two replicas were away when it was written: what is left of it is all there is, and may still be made out."""
    key = next(key for key in KEYS if "packages-000001" in key)
    lines = FILES[key].splitlines(keepends=True)
    damaged = lines[0].replace(b'"wrapped":"', b'"wrapped":"A', 1)
    three = replicas_with(
        {key: damaged + b"".join(lines[1:])}, {key: b"".join(lines[1:])}, {key: b"".join(lines[1:])}
    )
    keyring = opened(three)
    with pytest.raises(KeyringBrokenError):
        keyring.heal()
    assert three[0].files[key] == damaged + b"".join(lines[1:])
    keyring.commit([keyring.new_package_key(NECKER)])
    keyring.close()
    assert damaged in three[0].files[key]
