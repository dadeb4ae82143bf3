"""Timestamps of a real authority: granted, over exactly these bytes, and under a root that is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.journal.timestamp import read_answer, request_for
from tests.journal.tsa import answer, make_authority

DATA = b"a seal\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    folder = tmp_path_factory.mktemp("tsa")
    root = make_authority(folder)
    return folder, root, answer(folder, request_for(DATA))


def test_an_answer_says_when_and_counts_under_a_trusted_root(made):
    _, root, token = made
    assert read_answer(token, DATA, [root]).is_verified
    assert not read_answer(token, DATA).is_verified
    assert read_answer(token, DATA).at.tzinfo is not None


def test_an_answer_over_something_else_does_not_count(made):
    _, root, token = made
    with pytest.raises(ValueError, match="something else"):
        read_answer(token, DATA + b"x", [root])


def test_another_authority_s_answer_does_not_count(made, tmp_path: Path):
    other = make_authority(tmp_path / "other")
    with pytest.raises(ValueError, match="no trusted authority"):
        read_answer(made[2], DATA, [other])


def test_what_is_no_answer_is_told(made):
    for bad in (b"", b"garbage", made[2][:100]):
        with pytest.raises(ValueError, match="ASN"):
            read_answer(bad, DATA)


def test_no_byte_of_an_answer_can_be_changed_unseen(made):
    _, root, token = made
    for at in range(0, len(token), 61):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        try:
            found = read_answer(changed, DATA, [root])
        except ValueError:
            continue
        # What does not take part in the proof (an unused certificate's signature, say) may differ.
        assert found.at == read_answer(token, DATA).at
