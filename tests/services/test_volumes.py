"""The set of volumes: who carries journal and keyring, which stand in for lost ones, what a shard is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import NotFoundError, ObjectNotFoundError, RetentionError, VolumeUnavailableError
from retention.model.replica import Replica
from retention.services.volumes import VolumeReplica, VolumeSet, parse_shard_key, shard_key
from retention.settings.default import default_settings_text
from retention.settings.load import parse_settings
from retention.storage.state import VolumeState
from retention.storage.volume import check_key
from tests.model.replicas import MemoryReplica
from tests.services.memory_world import volume
from tests.services.world import REPLICAS, VOLUMES

SETTINGS = parse_settings(default_settings_text("test"))


@pytest.fixture
def volumes() -> VolumeSet:
    return VolumeSet({name: volume(name) for name in SETTINGS.volumes}, SETTINGS)


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(0, 31), st.integers(0, 10**9 - 1))
def test_a_shards_name_says_what_it_is(package: str, number: int, generation: int):
    key = check_key(shard_key(package, number, generation))
    assert parse_shard_key(key) == (package, number, generation)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "packages/x",
        "journal/000000000000.envelopes",
        f"packages/3f/{'3f' * 16}.02.g0.shard.bak",
        f"packages/3f/{'3f' * 16}.2.g0.shard",
        f"packages/3f/{'3f' * 16}.02.g00.shard",
        f"packages/3f/{'3f' * 16}.02.g-1.shard",
        f"packages/3f/{'3F' * 16}.02.g0.shard",
        f"packages/aa/{'3f' * 16}.02.g0.shard",
        f"other/3f/{'3f' * 16}.02.g0.shard",
        f"x/packages/3f/{'3f' * 16}.02.g0.shard",
        f"packages/3f/{'3f' * 16}.02.g{'9' * 5000}.shard",
        f"packages/3f/{'3f' * 16}.٠٢.g0.shard",
        f"packages/3f/{'3f' * 16}.02.g0.shard\n",
    ],
)
def test_no_other_name_is_taken_for_a_shards(key: str):
    assert parse_shard_key(key) is None


def test_journal_and_keyring_lie_on_the_first_hot_and_cold_volumes(volumes: VolumeSet):
    assert volumes.replica_names() == list(REPLICAS)
    assert [replica.name for replica in volumes.replicas(volumes.states())] == list(REPLICAS)


def test_only_what_answers_and_has_its_identity_is_a_replica(volumes: VolumeSet):
    states = dict.fromkeys(VOLUMES, VolumeState.READY) | {
        "hot-a": VolumeState.MISSING, "hot-b": VolumeState.EMPTIED, "cold-1": VolumeState.READ_ONLY,
        "cold-2": VolumeState.WRONG,
    }  # fmt: skip
    assert [replica.name for replica in volumes.replicas(states)] == ["cold-1", "cold-3"]
    with pytest.raises(VolumeUnavailableError, match="no volume that carries the journal answers"):
        volumes.replicas(dict.fromkeys(VOLUMES, VolumeState.MISSING))


def test_other_tiers_have_other_volumes_to_carry_them(volumes: VolumeSet):
    tiers = {"slow": replace(SETTINGS.tiers["cold"], name="slow")}
    assert VolumeSet({v.name: v for v in volumes}, replace(SETTINGS, tiers=tiers)).replica_names() == list(
        VOLUMES[:5]
    )


def test_spares_are_what_no_tier_names():
    settings = replace(SETTINGS, tiers={"hot": SETTINGS.tiers["hot"]})
    held = VolumeSet({name: volume(name) for name in ("hot-a", "hot-b", "cold-1")}, settings)
    assert [spare.name for spare in held.spares()] == ["cold-1"]


def test_a_volume_or_tier_that_is_not_there_is_told(volumes: VolumeSet):
    with pytest.raises(VolumeUnavailableError, match="cold-9: it is not among the volumes"):
        volumes["cold-9"]
    with pytest.raises(NotFoundError, match="there is no tier warm") as refused:
        volumes.tier("warm")
    assert refused.value.hint == "the tiers are: hot, cold, glacier"
    assert "cold-1" in volumes
    assert "cold-9" not in volumes


def test_a_volume_put_in_anothers_place_is_the_one_that_is_given(volumes: VolumeSet):
    other = volume("hot-a")
    volumes.put(other)
    assert volumes["hot-a"] is other
    assert [each.name for each in volumes] == list(VOLUMES)


@pytest.fixture(params=["a volume", "the tests' own"])
def replica(request: pytest.FixtureRequest) -> Replica:
    return VolumeReplica(volume("hot-a")) if request.param == "a volume" else MemoryReplica("hot-a")


def test_a_volume_is_what_journal_and_keyring_take_for_a_replica(replica: Replica):
    assert (replica.name, replica.size("journal/x"), replica.list("journal/")) == ("hot-a", None, [])
    replica.append("journal/x", b"12345", 0)
    replica.append("journal/x", b"67", 5)
    replica.replace("journal/y", b"y")
    with pytest.raises(RetentionError):
        replica.append("journal/x", b"8", 5)
    assert (replica.size("journal/x"), replica.list("journal/")) == (7, ["journal/x", "journal/y"])
    assert replica.read("journal/x") == b"1234567"
    assert replica.read("journal/x", 5) == b"67"
    assert replica.read("journal/x", 1, 3) == b"234"
    replica.truncate("journal/x", 2)
    assert replica.read("journal/x") == b"12"
    replica.delete("journal/x")
    replica.delete("journal/x")
    assert replica.list("") == ["journal/y"] or "journal/x" not in replica.list("")
    with pytest.raises(ObjectNotFoundError):
        replica.read("journal/x")


@pytest.mark.parametrize("length", [None, 0, 1, 100])
@pytest.mark.parametrize("offset", [7, 8, 1000])
def test_a_replica_that_is_behind_has_nothing_there_and_is_no_error(
    replica: Replica, offset: int, length: int | None
):
    """Who reads on from where another one ends must not take this one for broken."""
    replica.append("journal/x", b"1234567", 0)
    assert replica.read("journal/x", offset, length) == b""
