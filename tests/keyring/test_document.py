"""docs/journal.md §4 is enough: from the paper to a package's data key, with none of our code."""

import base64
import json

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.keyring.recovery import write_recovery_key
from tests.keyring.keyrings import NECKER, RECOVERY, add_keys, keyring_of_three

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def times_alpha(value, power):
    if power == 0:
        return value
    doubled = value << 1
    return times_alpha(doubled ^ 0x25 if doubled > 31 else doubled, power - 1)


def recovery_key(paper):
    bits = ""
    for number, group in enumerate(paper.split("-")):
        *data, check = (ALPHABET.index(symbol) for symbol in group)
        total = check
        for power, value in enumerate(data, 1):
            total ^= times_alpha(value, power)
        assert total == number
        bits += "".join(f"{value:05b}" for value in data)
    key = int(bits[:256], 2).to_bytes(32, "big")
    assert bits[256:] == f"{blake3(key).digest()[0]:08b}"[:4]
    return key


def unwrapped(wrapped, key, *binding):
    sealed = base64.b64decode(wrapped)
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], "|".join(["retention/key/v1", *binding]).encode())


def records(content):
    for line in content.splitlines():
        check, text = line.split(b" ", 1)
        assert blake3(text).hexdigest()[:8] == check.decode()
        yield json.loads(text)


def opened(record, parent):
    binding = [record["kind"], record["id"], record["owner"], record["parent"]]
    if record["kind"] == "institution":
        binding.append(str(record["generation"]))
    return unwrapped(record["wrapped"], parent, *binding)


def test_a_stranger_gets_from_the_paper_to_the_data_key():
    three, keyring = keyring_of_three()
    keys, _ = add_keys(keyring, 6)
    keyring.forget([keys[2].key_id])
    files, paper = three[1].files, write_recovery_key(RECOVERY)

    document = json.loads(files["keyring/root.json"])
    recovery = document["recovery"]
    ids = document["root_key_id"], document["archive_id"], recovery["id"]
    root = unwrapped(recovery["wrapped"], recovery_key(paper), "root", *ids)
    assert (
        blake3(root, derive_key_context="retention v1 root key id").hexdigest()[:32]
        == document["root_key_id"]
    )
    institutions = {
        record["owner"]: (record["id"], opened(record, root))
        for record in records(files["keyring/institutions.keys"])
        if record["kind"] == "institution"
    }
    found = {}
    for number in (1, 2):
        for record in records(files[f"keyring/packages-{number:06d}.keys"]):
            if "wrapped" in record:
                parent_id, parent = institutions[record["owner"]]
                assert record["parent"] == parent_id
                found[record["id"]] = opened(record, parent)
    assert list(institutions) == [NECKER]
    assert found == {key.key_id: key.secret for key in keys if key is not keys[2]}
