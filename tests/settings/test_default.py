"""The archive.yaml of a new archive: valid, explained, and as the interface promises it."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.model.errors import SettingsError
from retention.model.layout import Protection, RecallSpec
from retention.settings.default import default_settings_text
from retention.settings.load import parse_settings
from retention.settings.terms import archive_name_from

GLACIER = ("glacier-1", "glacier-2")


def test_two_hot_copies_and_four_plus_two_cold_shards_on_directories():
    archive = parse_settings(default_settings_text("A"))
    assert archive.name == "A"
    assert archive.catalog == "sqlite:///catalog.db"
    assert list(archive.volumes) == ["hot-a", "hot-b", *(f"cold-{n}" for n in range(1, 7)), *GLACIER]
    assert all(volume.url == f"file:{name}" for name, volume in archive.volumes.items())
    hot, cold = archive.tiers["hot"], archive.tiers["cold"]
    assert list(archive.tiers) == ["hot", "cold", "glacier"]
    assert (hot.volumes, hot.protection) == (("hot-a", "hot-b"), Protection.copies(2))
    assert (cold.volumes, cold.protection) == (tuple(f"cold-{n}" for n in range(1, 7)), Protection(4, 2))
    assert archive.institutions == {}


def test_a_third_tier_behaves_like_glacier():
    glacier = parse_settings(default_settings_text("A")).tiers["glacier"]
    assert (glacier.volumes, glacier.protection) == (GLACIER, Protection.copies(2))
    assert glacier.recall == RecallSpec(delay=timedelta(hours=12), keep=timedelta(days=7))
    assert glacier.takes_from_bytes == 1 << 20


def test_it_says_that_one_disk_is_one_domain_and_accepts_it():
    archive = parse_settings(default_settings_text("A"))
    assert {volume.domain for volume in archive.volumes.values()} == {"disk-1"}
    assert all(tier.accept_single_domain for tier in archive.tiers.values())
    assert {(tier.packing, tier.availability) for tier in archive.tiers.values()} == {
        ("fast", "ONLINE"),
        ("fast", "NEARLINE"),
    }


@settings(max_examples=25)
@given(st.text(max_size=70))
def test_whatever_the_directory_is_called_the_archive_gets_a_name(directory):
    name = archive_name_from(directory)
    assert parse_settings(default_settings_text(name)).name == name


@pytest.mark.parametrize("name", ["", "a b", "é", "{x}", "a\nb: c"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(SettingsError):
        default_settings_text(name)
