"""The root key file: one line of text, and what is said when it is not that."""

import pytest
from blake3 import blake3

from retention.keyring.rootkey import new_secret, read_root_key, root_key_id, write_root_key
from retention.model.errors import KeyUnavailableError

SECRET = bytes(range(32))
TEXT = "RETENTION-ROOT-KEY-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"


def test_the_file_is_the_documented_line():
    assert write_root_key(SECRET) == TEXT
    assert read_root_key(TEXT) == SECRET


def test_every_key_comes_back():
    secret = new_secret()
    assert read_root_key(write_root_key(secret)) == secret


@pytest.mark.parametrize("text", [TEXT.strip(), TEXT + "\n\n", "  " + TEXT, TEXT.replace("0a0b", "0A0B")])
def test_what_an_editor_does_to_a_text_file_does_not_matter(text):
    assert read_root_key(text) == SECRET


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("-----BEGIN PRIVATE KEY-----\n", "no root key"),
        (TEXT.replace("KEY-1", "KEY-2"), "of a version unknown here"),
        ("RETENTION-ROOT-KEY-1\n", "is damaged"),
        (TEXT.replace("1f\n", "\n"), "is damaged"),
        (TEXT.replace("1f\n", "1g\n"), "is damaged"),
        (TEXT + TEXT, "is damaged"),
    ],
)
def test_a_file_that_holds_something_else_says_so_without_repeating_it(text, reason):
    with pytest.raises(KeyUnavailableError, match=reason) as caught:
        read_root_key(text)
    assert caught.value.hint
    assert "0102" not in caught.value.message


def test_a_key_of_another_length_is_a_mistake():
    with pytest.raises(ValueError, match="32 bytes"):
        write_root_key(b"short")


def test_the_identifier_is_the_documented_one():
    derived = blake3(SECRET, derive_key_context="retention v1 root key id").hexdigest()
    assert root_key_id(SECRET) == derived[:32]
