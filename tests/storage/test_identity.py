"""The identity file says which volume this is, or that it is damaged; never another volume by accident."""

import json
import re
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from retention.storage.identity import VolumeIdentity, device_of
from tests.storage.conformance_identity import flipped
from tests.storage.places import identity

SOUND = identity().encode()


def test_what_was_written_is_read():
    assert VolumeIdentity.decode(SOUND) == identity()


def test_it_is_a_text_that_people_can_read_and_that_the_format_describes():
    """docs/format.md §2 is enough to check one, with none of our code."""
    assert SOUND.count(b"\n") > 1
    facts = json.loads(SOUND)
    check = facts.pop("check")
    assert check == blake3(json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()).hexdigest()[:32]
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    table = page[page.index("`volume.json` is a JSON object") :].split("\n\n")[1]
    assert set(re.findall(r"`([a-z_]+)`", table)) == {"check", *facts}


@pytest.mark.parametrize("mask", [1, 2, 0x20, 0x80])
def test_no_flipped_bit_makes_it_another_volume(mask):
    for offset in range(len(SOUND)):
        data = bytearray(SOUND)
        data[offset] ^= mask
        assert VolumeIdentity.decode(bytes(data)) in (None, identity())


def test_every_flipped_bit_in_a_value_is_noticed():
    for value in ("a" * 32, "b" * 32, "cold-1", "2026-11-24"):
        assert VolumeIdentity.decode(flipped(SOUND, SOUND.index(value.encode()))) is None


@given(st.binary(max_size=200))
def test_any_other_bytes_are_no_identity(data):
    assert VolumeIdentity.decode(data) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"[" * 4000, b'{"check": 1}' + b" " * 5000])
def test_hostile_bytes_are_no_identity(data):
    assert VolumeIdentity.decode(data) is None


def test_a_later_format_is_not_guessed():
    facts = {"format": 2, "archive_id": "a" * 32, "volume_id": "b" * 32, "name": "x", "created_at": ""}
    assert VolumeIdentity.decode(json.dumps(facts).encode()) is None


def test_a_volume_is_the_same_whenever_it_was_made():
    assert identity().is_same(
        VolumeIdentity(*(identity().archive_id, identity().volume_id, "cold-1", "later"))
    )
    for other in (identity(volume="c"), identity(archive="c"), identity("cold-2")):
        assert not identity().is_same(other)


def test_folders_of_one_file_system_lie_on_the_same_device(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert device_of(tmp_path / "a") == device_of(tmp_path / "b") == device_of(tmp_path)
    assert device_of(tmp_path).device.partition(":")[0] in ("fsid", "dev")
    assert not device_of(tmp_path).is_mount
