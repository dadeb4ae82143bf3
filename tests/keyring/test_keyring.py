"""The keyring: every key wrapped by its parent, durable on enough replicas, opened by the root key alone."""

import pytest

from retention.keyring.institutions import OpenKey
from retention.keyring.keyring import Keyring
from retention.keyring.records import KeyKind
from retention.keyring.recovery import recovery_key_id
from retention.keyring.rootdocument import ROOT_DOCUMENT, recover_root_key
from retention.keyring.rootkey import root_key_id
from retention.model.errors import (
    KeyringBrokenError,
    KeyUnavailableError,
    VolumeFullError,
    VolumeUnavailableError,
    WriteOnceError,
)
from retention.model.identifiers import ArchiveId, KeyId, is_id
from tests.keyring.keyrings import ARCHIVE, COCHIN, NECKER, RECOVERY, ROOT, add_keys, new_keyring, small_files
from tests.model.replicas import replicas


@pytest.fixture
def three():
    return replicas(3)


@pytest.fixture
def keyring(three):
    keyring = new_keyring(three)
    yield keyring
    keyring.close()


def reopened(three):
    return small_files(Keyring.open(three, ROOT))


def test_a_keyring_opens_with_its_root_key(three, keyring):
    keys, segments = add_keys(keyring, 3)
    again = reopened(three)
    assert (again.archive_id, again.root_key_id) == (ARCHIVE, root_key_id(ROOT))
    assert again.index_key == keyring.index_key
    assert again.payload_key(NECKER) == keyring.payload_key(NECKER)
    for key in keys:
        assert again.package_key(key.key_id, segments[key.key_id]) == key.secret
        assert again.package_key(key.key_id) == key.secret


def test_another_root_key_is_recognised(three, keyring):
    with pytest.raises(KeyUnavailableError, match=root_key_id(b"x" * 32)) as caught:
        Keyring.open(three, b"x" * 32)
    assert root_key_id(ROOT) in caught.value.message
    assert "retention keys recover" in str(caught.value.hint)


def test_the_keyring_of_another_archive_is_recognised(three, keyring):
    assert Keyring.open(three, ROOT, archive_id=ARCHIVE).archive_id == ARCHIVE
    with pytest.raises(KeyUnavailableError, match="not of dddd"):
        Keyring.open(three, ROOT, archive_id=ArchiveId("d" * 32))


def test_a_keyring_is_not_begun_where_there_is_one(three, keyring):
    with pytest.raises(WriteOnceError):
        Keyring.create(three, ARCHIVE, b"x" * 32, RECOVERY)


def test_a_keyring_needs_enough_replicas_to_begin(three):
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError, match="1 of 3 replicas"):
        Keyring.create(three, ARCHIVE, ROOT, RECOVERY)


def test_a_keyring_that_is_nowhere_is_an_error(three):
    with pytest.raises(KeyringBrokenError, match="missing or damaged on every replica"):
        Keyring.open(three, ROOT)
    for replica in three:
        replica.away = True
    with pytest.raises(VolumeUnavailableError):
        Keyring.open(three, ROOT)


def test_no_secret_is_ever_written_or_shown(three, keyring):
    keys, _ = add_keys(keyring, 1)
    patient = keyring.new_patient_key(NECKER)
    keyring.commit([patient])
    held = [keyring.index_key, keyring.payload_key(NECKER)]
    secrets = [ROOT, RECOVERY, *(key.secret for key in (*keys, patient, *held))]
    files = b"".join(content for replica in three for content in replica.files.values())
    shown = repr([keyring, keyring._institutions._held, *keys, patient, *held, keyring.status()])
    for secret in secrets:
        assert secret not in files
        assert secret.hex().encode() not in files
        assert repr(secret)[2:-1] not in shown


# Institutions.


def test_every_institution_has_its_own_key(three, keyring):
    key_id = keyring.add_institution(COCHIN)
    assert is_id(key_id)
    (cochin,) = keyring.rotation.generations(COCHIN)
    assert (cochin.key_id, cochin.generation, cochin.is_current) == (key_id, 1, True)
    assert keyring.payload_key(COCHIN).secret != keyring.payload_key(NECKER).secret


def test_an_institution_keeps_its_key(three, keyring):
    key_id = keyring.rotation.generations(NECKER)[-1].key_id
    before = [dict(replica.files) for replica in three]
    assert keyring.add_institution(NECKER) == key_id
    assert [replica.files for replica in three] == before


def test_an_unknown_institution_has_no_keys(keyring):
    for call in (keyring.payload_key, keyring.new_package_key, keyring.new_patient_key):
        with pytest.raises(KeyUnavailableError, match=f"institution {COCHIN} has no key"):
            call(COCHIN)


def test_an_institution_that_another_process_added_is_found(three, keyring):
    other = reopened(three)
    other.add_institution(COCHIN)
    keys, segments = add_keys(other, 1, COCHIN)
    assert keyring.package_key(keys[0].key_id, segments[keys[0].key_id]) == keys[0].secret
    assert keyring.payload_key(COCHIN) == other.payload_key(COCHIN)


def test_an_institution_that_too_few_replicas_took_has_no_key_yet(three, keyring):
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError):
        keyring.add_institution(COCHIN)
    three[0].away = three[1].away = False
    keyring.add_institution(COCHIN)
    assert [one.files for one in three].count(three[0].files) == 3


# Package and patient keys.


def test_a_key_is_in_memory_only_until_it_is_committed(three, keyring):
    before = [dict(replica.files) for replica in three]
    pending = keyring.new_package_key(NECKER)
    assert [replica.files for replica in three] == before
    with pytest.raises(KeyUnavailableError, match="is not in the keyring"):
        keyring.package_key(pending.key_id)


def test_a_group_is_one_durable_append_on_each_replica(three, keyring):
    add_keys(keyring, 1)
    three[0].calls.clear()
    keyring.commit([keyring.new_package_key(NECKER) for _ in range(3)])
    written = [call for call in three[0].calls if call[0] != "version"]
    assert written == [("append", "keyring/packages-000001.keys")]
    assert keyring.commit([]) == {}


def test_files_are_bounded_and_a_group_may_go_over_several(three, keyring):
    keys = [keyring.new_package_key(NECKER) for _ in range(10)]
    segments = keyring.commit(keys)
    assert [segments[key.key_id] for key in keys] == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert segments | add_keys(reopened(three), 3)[1] != segments
    counts = [three[0].files[f"keyring/packages-00000{number}.keys"].count(b"\n") for number in (1, 2, 3, 4)]
    assert counts == [4, 4, 4, 1]
    for key in keys:
        assert keyring.package_key(key.key_id) == key.secret
        assert keyring.package_key(key.key_id, segments[key.key_id]) == key.secret
        assert keyring.package_key(key.key_id, 4) == key.secret


def test_patient_keys_are_kept_apart(three, keyring):
    patient = keyring.new_patient_key(NECKER)
    package = keyring.new_package_key(NECKER)
    assert keyring.commit([patient, package]) == {patient.key_id: 1, package.key_id: 1}
    assert keyring.patient_key(patient.key_id) == patient.secret
    with pytest.raises(KeyUnavailableError):
        keyring.package_key(patient.key_id)
    assert "keyring/patients-000001.keys" in three[2].files


def test_status_counts(keyring):
    keys, segments = add_keys(keyring, 5)
    keyring.commit([keyring.new_patient_key(NECKER)])
    keyring.forget([keys[0].key_id], segments)
    status = keyring.status()
    assert (status.institutions, status.package_keys, status.patient_keys, status.forgotten) == (1, 4, 1, 1)
    assert (status.archive_id, status.recovery_key_id) == (ARCHIVE, recovery_key_id(RECOVERY))
    assert (status.replicas, status.unreachable) == (("volume-0", "volume-1", "volume-2"), ())


# When replicas fail.


def test_fewer_than_the_minimum_is_refused_and_nothing_counts(three, keyring):
    add_keys(keyring, 2)
    before = [dict(replica.files) for replica in three]
    pending = keyring.new_package_key(NECKER)
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError, match="1 of 3 replicas"):
        keyring.commit([pending])
    three[0].away = three[1].away = False
    assert [replica.files for replica in three] == before
    assert keyring.commit([pending]) == {pending.key_id: 1}


def test_a_group_over_two_files_is_taken_back_from_both(three, keyring):
    add_keys(keyring, 3)
    before = [dict(replica.files) for replica in three]
    for replica in three[:2]:
        whole_append = replica.append

        def append(key, data, expected_size, *, whole_append=whole_append):
            if "000002" in key:
                raise VolumeFullError("full")
            whole_append(key, data, expected_size)

        replica.append = append
    with pytest.raises(VolumeFullError):
        keyring.commit([keyring.new_package_key(NECKER) for _ in range(2)])
    assert [replica.files for replica in three] == before


def test_a_replica_that_was_away_is_brought_in_step_by_the_next_commit(three, keyring):
    keys, _ = add_keys(keyring, 1)
    three[1].away = True
    more, _ = add_keys(keyring, 1)
    three[1].away = False
    most, _ = add_keys(keyring, 1)
    assert three[0].files == three[1].files == three[2].files
    three[0].away = three[2].away = True
    for key in (*keys, *more, *most):
        assert reopened(three).package_key(key.key_id) == key.secret


def test_a_torn_append_is_cut_off_by_the_next_commit(three, keyring):
    add_keys(keyring, 1)
    for replica in three:
        replica.files["keyring/packages-000001.keys"] += b"0badc0de {"
    again = reopened(three)
    keys, _ = add_keys(again, 1)
    assert three[0].files == three[1].files == three[2].files
    assert again.verify() == []
    assert again.package_key(keys[0].key_id) == keys[0].secret


def test_two_processes_may_take_turns(three, keyring):
    other = reopened(three)
    keys = []
    for one in (keyring, other, other, keyring, other, keyring):
        keys += add_keys(one, 1)[0]
    for key in keys:
        assert keyring.package_key(key.key_id) == other.package_key(key.key_id) == key.secret
    assert keyring.verify() == []


def test_a_key_is_read_while_only_one_replica_answers(three, keyring):
    keys, segments = add_keys(keyring, 1)
    three[0].away = three[1].away = True
    assert keyring.package_key(keys[0].key_id, segments[keys[0].key_id]) == keys[0].secret
    three[2].away = True
    with pytest.raises(VolumeUnavailableError):
        keyring.package_key(keys[0].key_id, segments[keys[0].key_id])


# The recovery key.


def test_the_recovery_key_can_be_replaced_and_the_old_one_opens_nothing_more(three, keyring):
    other = b"q" * 32
    assert keyring.set_recovery_key(other) == recovery_key_id(other)
    for replica in three:
        assert recover_root_key(replica.files[ROOT_DOCUMENT], other) == ROOT
        with pytest.raises(KeyUnavailableError):
            recover_root_key(replica.files[ROOT_DOCUMENT], RECOVERY)
    assert reopened(three).status().recovery_key_id == recovery_key_id(other)


def test_an_older_root_document_does_not_win(three, keyring):
    three[0].away = True
    keyring.set_recovery_key(b"q" * 32)
    three[0].away = False
    again = reopened(three)
    assert again.status().recovery_key_id == recovery_key_id(b"q" * 32)
    again.heal()
    assert three[0].files == three[1].files


def test_kinds_are_those_of_the_document():
    assert [kind.value for kind in KeyKind] == [
        "root",
        "index",
        "institution",
        "payload",
        "package",
        "patient",
    ]


def test_an_open_key_does_not_show_its_secret():
    assert "sssss" not in repr(OpenKey(KeyId("1" * 32), b"s" * 32))
