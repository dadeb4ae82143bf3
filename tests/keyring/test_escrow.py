"""Shares of the root key: any M of N give it back, fewer do not, and a wrong word is noticed."""

from __future__ import annotations

from itertools import combinations

import pytest

from retention.keyring.escrow import join_shares, split_secret
from retention.keyring.rootkey import new_secret
from retention.model.errors import KeyUnavailableError, UsageError

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def shares() -> list[str]:
    return split_secret(SECRET, 4, 3)


def test_any_three_of_four_are_the_key(shares):
    assert [join_shares(chosen) for chosen in combinations(shares, 3)] == [SECRET] * 4


def test_two_are_not(shares):
    with pytest.raises(KeyUnavailableError):
        join_shares(shares[:2])


def test_shares_of_two_keys_are_not_one(shares):
    others = split_secret(new_secret(), 4, 3)
    with pytest.raises(KeyUnavailableError):
        join_shares([*shares[:2], others[2]])


def test_a_wrong_word_is_noticed_and_not_repeated(shares):
    words = shares[0].split()
    words[7] = "academic" if words[7] != "academic" else "acid"
    with pytest.raises(KeyUnavailableError) as caught:
        join_shares([" ".join(words), *shares[1:3]])
    assert words[8] not in f"{caught.value.message} {caught.value.hint}"


def test_what_a_file_says_around_the_words_does_not_matter(shares):
    dressed = [f"# a share\nshare: 1 of 4\n\n{share.upper()}\n\n" for share in shares]
    assert join_shares(dressed[1:]) == SECRET


@pytest.mark.parametrize(("count", "threshold"), [(3, 1), (2, 3), (17, 2), (1, 1)])
def test_what_would_protect_nothing_or_cannot_be_is_refused(count, threshold):
    with pytest.raises(UsageError):
        split_secret(SECRET, count, threshold)


def test_nonsense_is_no_share():
    for text in ("", "abandon " * 33, "\ud800", "x" * 4096):
        with pytest.raises(KeyUnavailableError):
            join_shares([text, text])
