"""Where shards lie: never more in one place than may be lost, honestly counted, and steady when a volume is away."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retention.model.errors import PlacementError
from retention.model.layout import Protection, VolumeSpec
from retention.storage.placement import Tolerance, place, required_shards, tier_tolerance, tolerance
from retention.storage.state import VolumeState

READY, MISSING = VolumeState.READY, VolumeState.MISSING
COLD = Protection(4, 2)
TWO_COPIES = Protection.copies(2)


def volumes(domains: str) -> list[VolumeSpec]:
    """`aab`: three volumes, two in domain a, one in b."""
    return [VolumeSpec(f"v{i}", f"file:v{i}", "paris", domain) for i, domain in enumerate(domains)]


def states(specs: list[VolumeSpec], *away: str) -> dict[str, VolumeState]:
    return {spec.name: MISSING if spec.name in away else READY for spec in specs}


TIERS = st.text("abcd", min_size=1, max_size=8).map(volumes)
PROTECTIONS = st.builds(Protection, data=st.integers(1, 6), parity=st.integers(0, 4))


# laws


@given(
    tier=TIERS,
    spares=st.text("abc", max_size=2),
    protection=PROTECTIONS,
    accept=st.booleans(),
    rotate_by=st.integers(0, 1 << 70),
    data=st.data(),
)
def test_whatever_is_placed_keeps_the_rules(tier, spares, protection, accept, rotate_by, data):
    extra = [VolumeSpec(f"s{i}", "file:s", "paris", domain) for i, domain in enumerate(spares)]
    known = {
        spec.name: data.draw(st.sampled_from([READY, READY, *VolumeState]), label=spec.name)
        for spec in [*tier, *extra]
    }
    try:
        placed = place(
            tier, known, protection, accept_single_domain=accept, rotate_by=rotate_by, spares=extra
        )
    except PlacementError as error:
        assume(error.hint is None)
        return
    domains = {spec.name: spec.domain for spec in [*tier, *extra]}
    assert sorted([*placed.shards, *placed.debt]) == list(range(protection.shards))
    assert all(known[name] is READY for name in placed.shards.values())
    assert len(placed.shards) >= required_shards(protection)
    bearable = max(protection.parity, 1)
    assert max(Counter(placed.shards.values()).values()) <= bearable
    if not accept:
        assert max(Counter(domains[name] for name in placed.shards.values()).values()) <= bearable
    if all(state is READY for state in known.values()):
        assert placed.debt == ()
        assert set(placed.shards.values()) <= {spec.name for spec in tier}


@given(tier=TIERS, protection=PROTECTIONS, accept=st.booleans())
def test_a_tier_is_refused_only_if_no_arrangement_keeps_the_rules(tier, protection, accept):
    bearable = max(protection.parity, 1)
    share = min(-(-protection.shards // len(tier)), bearable)
    per_domain = Counter(spec.domain for spec in tier)
    room = sum(count * share if accept else min(count * share, bearable) for count in per_domain.values())
    try:
        place(tier, states(tier), protection, accept_single_domain=accept)
    except PlacementError:
        assert room < protection.shards
    else:
        assert room >= protection.shards


@given(
    names=st.lists(st.sampled_from(["v0", "v1", "v2", "v3", "v4"]), max_size=8),
    domains=st.text("abc", min_size=5, max_size=5),
    needed=st.integers(1, 5),
)
def test_tolerance_is_the_true_number(names: list[str], domains: str, needed: int) -> None:
    """Compared with trying every set of volumes, and of domains."""
    shards = dict(enumerate(names))
    domain_of = {f"v{i}": domain for i, domain in enumerate(domains)}
    found = tolerance(shards, domain_of, Protection(needed, max(0, len(names) - needed)))

    def survives(lost: tuple[str, ...], place_of: dict[str, str]) -> bool:
        left = [name for name in names if place_of[name] not in lost]
        return len(left) >= needed

    for count, place_of in ((found.volumes, {name: name for name in domain_of}), (found.domains, domain_of)):
        places = sorted({place_of[name] for name in names})
        if len(names) >= needed:
            assert all(survives(lost, place_of) for lost in combinations(places, count))
            assert not all(survives(lost, place_of) for lost in combinations(places, count + 1))
        else:
            assert count == 0


@given(
    away=st.sets(st.sampled_from([f"v{i}" for i in range(6)]), max_size=1),
    rotate_by=st.integers(0, 20),
)
def test_a_missing_volume_moves_no_shards_together(away, rotate_by):
    tier = volumes("abcdef")
    placed = place(tier, states(tier, *away), COLD, accept_single_domain=False, rotate_by=rotate_by)
    assert set(Counter(placed.shards.values()).values()) == {1}
    assert len(placed.debt) == len(away)


@given(
    domains=st.sampled_from(["abcdef", "aaaaaa", "aabbcc"]),
    rotate_by=st.integers(0, 20),
    lost=st.sets(st.integers(0, 5), max_size=5),
)
def test_shards_that_have_their_place_keep_it_and_the_others_go_where_there_is_room(domains, rotate_by, lost):
    tier, accept = volumes(domains), domains == "aaaaaa"
    before = place(tier, states(tier), COLD, accept_single_domain=accept, rotate_by=rotate_by).shards
    held = {number: name for number, name in before.items() if number not in lost}
    after = place(tier, states(tier), COLD, accept_single_domain=accept, rotate_by=7, held=held).shards
    assert {number: after[number] for number in held} == held
    assert sorted(after.values()) == sorted(before.values())


# examples


def test_packages_take_turns_on_the_volumes():
    tier = volumes("abc")
    first = [
        place(tier, states(tier), TWO_COPIES, accept_single_domain=False, rotate_by=turn).shards[0]
        for turn in range(6)
    ]
    assert first == ["v0", "v1", "v2", "v0", "v1", "v2"]


@given(rotate_by=st.integers(0, 20), domains=st.permutations("aaabbb"))
def test_shards_are_spread_over_domains_even_where_one_would_be_accepted(rotate_by, domains):
    tier = volumes("".join(domains))
    placed = place(tier, states(tier), TWO_COPIES, accept_single_domain=True, rotate_by=rotate_by)
    domain_of = {spec.name: spec.domain for spec in tier}
    assert {domain_of[name] for name in placed.shards.values()} == {"a", "b"}


def test_the_debt_is_parity_so_that_reading_needs_no_decoding():
    tier = volumes("abcdef")
    placed = place(tier, states(tier, "v0"), COLD, accept_single_domain=False)
    assert placed.debt == (5,)


def test_a_spare_takes_the_share_of_a_missing_volume():
    tier, spare = volumes("abcdef"), VolumeSpec("spare", "file:spare", "paris", "a")
    placed = place(tier, states([*tier, spare], "v3"), COLD, accept_single_domain=False, spares=[spare])
    assert placed.debt == ()
    assert placed.shards[5] == "spare"


def test_a_spare_in_a_domain_that_is_full_takes_nothing():
    tier, spare = volumes("aabbcc"), VolumeSpec("spare", "file:spare", "paris", "a")
    placed = place(tier, states([*tier, spare], "v2"), COLD, accept_single_domain=False, spares=[spare])
    assert placed.debt == (5,)


def test_a_debt_is_settled_when_the_volume_is_back():
    tier = volumes("abcdef")
    first = place(tier, states(tier, "v4"), COLD, accept_single_domain=False)
    again = place(tier, states(tier), COLD, accept_single_domain=False, held=first.shards)
    assert again.debt == ()
    assert again.shards[first.debt[0]] == "v4"


@pytest.mark.parametrize(
    ("protection", "needed"),
    [(COLD, 5), (Protection(4, 1), 5), (TWO_COPIES, 1), (Protection.copies(3), 2), (Protection.copies(1), 1)],
    ids=str,
)
def test_one_shard_more_than_reading_needs_must_find_a_place(protection, needed):
    assert required_shards(protection) == needed
    tier = volumes("abcdef"[: protection.shards])
    away = [spec.name for spec in tier][needed:]
    placed = place(tier, states(tier, *away), protection, accept_single_domain=False)
    assert len(placed.shards) == needed
    with pytest.raises(PlacementError, match=f"{needed} are needed.*v0: missing") as refusal:
        place(tier, states(tier, "v0", *away), protection, accept_single_domain=False)
    assert refusal.value.hint


def test_a_volume_nobody_knows_the_state_of_gets_nothing():
    with pytest.raises(PlacementError):
        place(volumes("ab"), {}, TWO_COPIES, accept_single_domain=False)


@pytest.mark.parametrize("domains", ["aaaaaa", "aaabbb", "aaabcd"])
def test_too_few_domains_are_refused_unless_accepted(domains):
    tier = volumes(domains)
    if domains != "aaabcd":
        with pytest.raises(PlacementError, match="failure domain") as refusal:
            place(tier, states(tier), COLD, accept_single_domain=False)
        assert "accept_single_domain" in (refusal.value.hint or "")
    placed = place(tier, states(tier), COLD, accept_single_domain=True)
    assert len(set(placed.shards.values())) == 6


def test_too_few_volumes_are_refused_even_in_an_accepted_domain():
    with pytest.raises(PlacementError, match="at most 2 of 6"):
        place(volumes("aa"), states(volumes("aa")), COLD, accept_single_domain=True)
    with pytest.raises(PlacementError):
        place([], {}, COLD, accept_single_domain=True)


@pytest.mark.parametrize(
    ("domains", "protection", "accept", "expected"),
    [
        ("aa", TWO_COPIES, True, Tolerance(1, 0)),
        ("ab", TWO_COPIES, False, Tolerance(1, 1)),
        ("aaaaaa", COLD, True, Tolerance(2, 0)),
        ("abcdef", COLD, False, Tolerance(2, 2)),
        ("aabbcc", COLD, False, Tolerance(2, 1)),
        ("abc", COLD, False, Tolerance(1, 1)),
        ("abcdefg", Protection(10, 4), False, Tolerance(2, 2)),
        ("abcd", Protection(10, 4), False, Tolerance(1, 1)),
        ("a", Protection.copies(1), False, Tolerance(0, 0)),
    ],
    ids=str,
)
def test_the_true_tolerance_of_a_tier(domains, protection, accept, expected):
    assert tier_tolerance(volumes(domains), protection, accept_single_domain=accept) == expected


def test_a_tier_that_cannot_take_packages_has_no_tolerance():
    with pytest.raises(PlacementError):
        tier_tolerance(volumes("a"), TWO_COPIES, accept_single_domain=False)
