"""The recovery key: written by hand, typed in years later, and every slip is noticed where it was made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.keyring.recovery import ALPHABET, read_recovery_key, write_recovery_key
from retention.model.errors import UsageError

secrets = st.binary(min_size=32, max_size=32)
SECRET = bytes(range(32))
# docs/journal.md §4.5
TEXT = "000GD-40R4X-0M300-E209K-185G3-R38ED-1W811-24GKZ-2GAH1-C5RR2-34D1B-P70XX-3RFY4"


def test_the_documented_example_is_right():
    assert write_recovery_key(SECRET) == TEXT
    assert read_recovery_key(TEXT) == SECRET


@given(secrets)
def test_every_key_comes_back(secret):
    text = write_recovery_key(secret)
    assert [len(group) for group in text.split("-")] == [5] * 13
    assert read_recovery_key(text) == secret


@given(secrets, st.randoms())
def test_case_spaces_hyphens_and_look_alikes_do_not_matter(secret, random):
    symbols = list(write_recovery_key(secret).replace("-", ""))
    alike = {"0": "0Oo", "1": "1IiLl"}
    typed = "".join(
        random.choice(alike.get(symbol, symbol + symbol.lower())) + random.choice(["", "", " ", "-", "\n"])
        for symbol in symbols
    )
    assert read_recovery_key(typed) == secret


@given(secrets, st.integers(0, 64), st.integers(1, 31))
def test_any_one_wrong_character_is_found_in_its_group(secret, place, other):
    symbols = list(write_recovery_key(secret).replace("-", ""))
    symbols[place] = ALPHABET[(ALPHABET.index(symbols[place]) + other) % 32]
    with pytest.raises(UsageError, match=f"mistake in group {place // 5 + 1} of"):
        read_recovery_key("".join(symbols))


@given(secrets, st.integers(0, 12), st.permutations(range(5)).filter(lambda order: order != sorted(order)))
def test_two_exchanged_characters_of_a_group_are_found(secret, group, order):
    one, other = next((place, to) for place, to in enumerate(order) if place != to)
    groups = write_recovery_key(secret).split("-")
    symbols = list(groups[group])
    symbols[one], symbols[other] = symbols[other], symbols[one]
    typed = "".join(symbols)
    if typed == groups[group]:
        return
    with pytest.raises(UsageError, match=f"group {group + 1} of"):
        read_recovery_key("-".join([*groups[:group], typed, *groups[group + 1 :]]))


@given(secrets, st.integers(0, 12), st.integers(0, 12))
def test_two_exchanged_groups_are_found(secret, one, other):
    groups = write_recovery_key(secret).split("-")
    groups[one], groups[other] = groups[other], groups[one]
    if one == other:
        assert read_recovery_key("-".join(groups)) == secret
    else:
        first, second = sorted([one + 1, other + 1])
        with pytest.raises(UsageError, match=f"group {first} and {second} of"):
            read_recovery_key("-".join(groups))


def test_a_forgotten_character_is_found_where_it_is_missing():
    with pytest.raises(UsageError, match="has 65 characters, this one has 64") as caught:
        read_recovery_key(TEXT.replace("M300", "M30", 1))
    assert "from group 3 on" in str(caught.value.hint)
    with pytest.raises(UsageError, match="this one has 0"):
        read_recovery_key("")


def test_characters_that_are_none_are_named():
    with pytest.raises(UsageError, match="“U” in group 2 is no character"):
        read_recovery_key(TEXT.replace("40R4X", "4UR4X"))
    with pytest.raises(UsageError, match="“É” in group 1"):
        read_recovery_key("é" + TEXT[1:])


def test_mistakes_that_cancel_out_in_a_group_are_found_by_the_whole():
    symbols = list(TEXT.replace("-", ""))
    # Both the first data symbol and the check of group 1 are changed so that the group is right: of 31 such keys one in
    # sixteen is right as a whole by chance.
    noticed = 0
    for value in range(1, 32):
        doubled = value << 1 if value < 16 else value << 1 ^ 0x25
        symbols[0], symbols[4] = ALPHABET[value], ALPHABET[ALPHABET.index("D") ^ doubled]
        try:
            read_recovery_key("".join(symbols))
        except UsageError as error:
            noticed += "more than one mistake" in error.message
    assert noticed >= 25


def test_a_key_of_another_length_is_a_mistake():
    with pytest.raises(ValueError, match="32 bytes"):
        write_recovery_key(b"short")
