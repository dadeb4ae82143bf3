"""Passphrases: from the environment, a file, or the terminal; and what is said where there is none."""

import pytest

from retention.cli import keys
from retention.cli.invocation import begin
from retention.model.errors import UsageError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    begin(is_json=False, is_jsonl=False)
    for name in (keys.VARIABLE, keys.FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def typing(monkeypatch):
    """Somebody who types these, one after another."""

    def type_(*lines):
        pending = iter(lines)
        monkeypatch.setattr(keys, "getpass", lambda _: next(pending))
        monkeypatch.setattr("os.path.exists", lambda _: True)

    return type_


def test_the_environment_gives_it(monkeypatch, tmp_path):
    monkeypatch.setenv(keys.VARIABLE, "a secret")
    assert keys.passphrase() == keys.new_passphrase() == b"a secret"
    file = tmp_path / "passphrase"
    file.write_text("another é\n")
    monkeypatch.setenv(keys.FILE_VARIABLE, str(file))
    assert keys.passphrase() == "another é".encode()


def test_it_is_typed_once_and_a_new_one_twice(typing):
    typing("a secret")
    assert keys.passphrase() == b"a secret"
    typing("a secret", "a secret")
    assert keys.new_passphrase() == b"a secret"


@pytest.mark.parametrize("typed", [("", ""), ("one", "another")], ids=str)
def test_a_new_one_is_not_empty_and_the_same_twice(typing, typed):
    typing(*typed)
    with pytest.raises(UsageError, match="empty, or not the same"):
        keys.new_passphrase()


def test_an_empty_one_in_the_environment_is_none(monkeypatch):
    monkeypatch.setenv(keys.VARIABLE, "")
    with pytest.raises(UsageError, match="nobody is there to ask"):
        keys.new_passphrase()


@pytest.mark.parametrize("why", [OSError, EOFError], ids=lambda why: why.__name__)
def test_without_anybody_to_ask_it_says_what_to_set(monkeypatch, why):
    def nobody(_prompt: str) -> str:
        raise why

    monkeypatch.setattr(keys, "getpass", nobody)
    with pytest.raises(UsageError) as told:
        keys.passphrase()
    assert "RETENTION_PASSPHRASE" in str(told.value.hint)
