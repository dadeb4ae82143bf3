"""Many keys at once are the same keys; what is forgotten, damaged or unknown is left to who asks for it alone."""

from retention.model.identifiers import KeyId, new_id
from tests.keyring.keyrings import add_keys, keyring_of_three

FIRST = "keyring/packages-000001.keys"


def test_many_keys_over_several_files_are_the_same_keys():
    _, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, 12)
    assert len(set(segments.values())) > 1
    assert keyring.package_keys(segments) == {key.key_id: key.secret for key in keys}
    keyring.close()


def test_a_forgotten_key_is_not_among_them_even_if_somebody_put_its_record_back_behind_the_proof():
    three, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, 2)
    before = three[0].files[FIRST]
    keyring.forget([keys[0].key_id], segments)
    for replica in three:
        replica.files[FIRST] += before
    assert set(keyring.package_keys(segments)) == {keys[1].key_id}
    keyring.close()


def test_where_replicas_differ_and_what_is_unknown_is_left_to_who_asks_for_it_alone():
    three, keyring = keyring_of_three()
    keys, segments = add_keys(keyring, 2)
    assert keyring.package_keys({KeyId(new_id()): 1}) == {}
    three[1].files[FIRST] = three[1].files[FIRST][:-20]
    assert keyring.package_keys(segments) == {}
    assert keyring.package_key(keys[0].key_id, segments[keys[0].key_id]) == keys[0].secret
    keyring.close()
