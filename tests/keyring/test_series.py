"""Forgetting: afterwards the wrapped key is in no file, and nothing brings it back or forges it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.keyring.keyring import Keyring
from retention.keyring.records import KeyKind, KeyRecord, parse_record
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, VolumeUnavailableError
from retention.model.findings import FindingKind
from retention.model.identifiers import KeyId
from tests.keyring.keyrings import NECKER, ROOT, add_keys, keyring_of_three, record_in, small_files

FIRST = "keyring/packages-000001.keys"


def wrapped_of(three, key_id):
    """The wrapped bytes of a key as they lie in files, from wherever they are."""
    for replica in three:
        for content in replica.files.values():
            for line in content.split(b"\n"):
                record = parse_record(line)
                if record is not None and record.key_id == key_id and record.wrapped is not None:
                    return record.wrapped
    raise AssertionError("no such key")


def holders(three, wrapped):
    """The replicas that have these wrapped bytes in any file, in any spelling we use, in whole or in part."""
    parts = [wrapped, base64.b64encode(wrapped), base64.b64encode(wrapped)[16:48], wrapped.hex().encode()]
    return [
        replica.name
        for replica in three
        if any(part in content for content in replica.files.values() for part in parts)
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=10), st.booleans())
def test_the_wrapped_bytes_of_a_forgotten_key_are_in_no_file_and_all_others_stay(choices, known):
    three, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, len(choices))
    wrapped = {key.key_id: wrapped_of(three, key.key_id) for key in keys}
    chosen = [key.key_id for key, is_chosen in zip(keys, choices, strict=True) if is_chosen]
    forgotten = keyring.forget(chosen, segments if known else None)
    assert (forgotten.key_ids, forgotten.pending) == (tuple(chosen), ())
    for again in (keyring, small_files(Keyring.open(three, ROOT))):
        for key in keys:
            if key.key_id in chosen:
                assert holders(three, wrapped[key.key_id]) == []
                with pytest.raises(KeyUnavailableError, match="was destroyed"):
                    again.package_key(key.key_id, segments[key.key_id])
            else:
                assert again.package_key(key.key_id, segments[key.key_id]) == key.secret
        assert again.verify() == []
    keyring.close()


def test_forgetting_again_does_no_harm():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 2)
    keyring.forget([keys[0].key_id])
    before = [dict(replica.files) for replica in three]
    assert keyring.forget([keys[0].key_id]).pending == ()
    assert [replica.files for replica in three] == before


def test_a_process_that_had_read_the_key_before_does_not_give_it_any_more():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 2)
    other = small_files(Keyring.open(three, ROOT))
    assert other.package_key(keys[0].key_id) == keys[0].secret
    keyring.forget([keys[0].key_id])
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        other.package_key(keys[0].key_id)


def test_keys_are_added_after_forgotten_ones():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 3)
    keyring.forget([keys[1].key_id])
    more, _ = add_keys(keyring, 3)
    for key in (keys[0], keys[2], *more):
        assert keyring.package_key(key.key_id) == key.secret
    assert three[0].files == three[1].files == three[2].files


def test_patient_keys_are_forgotten_likewise():
    three, keyring = keyring_of_three()
    pending = keyring.new_patient_key(NECKER)
    keyring.commit([pending])
    wrapped = wrapped_of(three, pending.key_id)
    keyring.forget([pending.key_id], kind=KeyKind.PATIENT)
    assert holders(three, wrapped) == []
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        keyring.patient_key(pending.key_id)


def test_an_unknown_key_stops_everything_before_anything_is_forgotten():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 1)
    before = [dict(replica.files) for replica in three]
    with pytest.raises(KeyUnavailableError, match="is not in the keyring"):
        keyring.forget([keys[0].key_id, KeyId("f" * 32)])
    assert [replica.files for replica in three] == before


def test_a_volume_that_was_away_still_has_the_key_is_said_so_and_cannot_bring_it_back():
    three, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, 2)
    wrapped = wrapped_of(three, keys[0].key_id)
    three[1].away = True
    forgotten = keyring.forget([keys[0].key_id], segments)
    assert (forgotten.on, forgotten.pending) == (("volume-0", "volume-2"), ("volume-1",))
    three[1].away = False
    assert holders(three, wrapped) == ["volume-1"]
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        keyring.package_key(keys[0].key_id)
    (problem,) = keyring.verify()
    assert (problem.kind, problem.replica, problem.detail) == (
        FindingKind.EXTRA,
        "volume-1",
        "1 forgotten keys are still there",
    )
    keyring.heal()
    assert holders(three, wrapped) == []
    assert keyring.package_key(keys[1].key_id) == keys[1].secret


def test_a_commit_forgets_on_a_volume_that_is_back_too():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 2)
    wrapped = wrapped_of(three, keys[0].key_id)
    three[1].away = True
    keyring.forget([keys[0].key_id])
    three[1].away = False
    add_keys(keyring, 1)
    assert holders(three, wrapped) == []


def test_too_few_replicas_is_an_error_and_what_was_forgotten_stays_so():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 1)
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError, match="1 of 3"):
        keyring.forget([keys[0].key_id])
    three[0].away = three[1].away = False
    with pytest.raises(KeyUnavailableError, match="was destroyed"):
        keyring.package_key(keys[0].key_id)
    assert keyring.forget([keys[0].key_id]).pending == ()


def test_a_volume_that_somebody_changed_cannot_make_the_others_forget():
    """The forgotten record looks right in every way but for the proof, which needs the institution's key."""
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 2)
    lines = three[0].files[FIRST].split(b"\n")
    lines[0] = record_in(lines[0]).forget(b"x" * 32).line().rstrip(b"\n")
    three[0].files[FIRST] = b"\n".join(lines)
    assert keyring.package_key(keys[0].key_id) == keys[0].secret
    keyring.heal()
    assert three[0].files == three[1].files
    assert keyring.package_key(keys[0].key_id) == keys[0].secret


def test_a_key_that_somebody_put_in_does_not_count():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 1)
    record = record_in(three[0].files[FIRST])
    forged = KeyRecord.wrap(
        record.kind, record.key_id, record.owner, record.parent, secret=b"m" * 32, under=b"x" * 32
    )
    three[0].files[FIRST] = forged.line()
    assert keyring.package_key(keys[0].key_id) == keys[0].secret
    keyring.heal()
    assert three[0].files == three[1].files


def test_two_proven_keys_under_one_identifier_are_a_contradiction():
    three, keyring = keyring_of_three()
    add_keys(keyring, 1)
    record = record_in(three[0].files[FIRST])
    parent = keyring._institutions.current(NECKER).secret
    three[0].files[FIRST] = KeyRecord.wrap(
        record.kind, record.key_id, record.owner, record.parent, secret=b"m" * 32, under=parent
    ).line()
    assert [problem.replica for problem in keyring.verify()] == [None]
    with pytest.raises(KeyringBrokenError, match="different keys under the identifier"):
        keyring.heal()
