"""A volume's URL chooses its driver; a URL that nobody understands is a mistake in archive.yaml."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from retention.model.clock import SystemClock
from retention.model.errors import SettingsError
from retention.model.layout import RecallSpec, VolumeSpec
from retention.storage.delayed import DelayedVolume
from retention.storage.directory import DirectoryVolume
from retention.storage.open import open_volume
from retention.storage.s3 import S3Volume
from retention.storage.state import VolumeState
from tests.storage.places import content, identity, put

pytestmark = pytest.mark.usefixtures("unsynced")


CLOCK = SystemClock()


def spec(url: str) -> VolumeSpec:
    return VolumeSpec("cold-1", url, "paris", "disk-1")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:cold-1", "archive/cold-1"),
        ("file:disks/cold%201", "archive/disks/cold 1"),
        ("file:../cold-1", "cold-1"),
        ("file:{}/elsewhere", "elsewhere"),
        ("file://{}/elsewhere", "elsewhere"),
        ("file://localhost{}/elsewhere", "elsewhere"),
    ],
)
def test_a_file_url_names_a_folder(tmp_path, url, path):
    (tmp_path / "archive").mkdir()
    (tmp_path / path).parent.mkdir(exist_ok=True)
    volume = open_volume(spec(url.format(tmp_path)), tmp_path / "archive", CLOCK)
    assert isinstance(volume, DirectoryVolume)
    volume.initialise(identity())
    assert (tmp_path / path / "volume.json").is_file()


def test_opening_looks_at_nothing_and_makes_nothing(tmp_path):
    volume = open_volume(spec("file:cold-1"), tmp_path, CLOCK)
    assert list(tmp_path.iterdir()) == []
    assert volume.probe() is VolumeState.MISSING
    assert list(tmp_path.iterdir()) == []


def test_an_s3_url_names_a_bucket_and_what_lies_below_a_prefix(tmp_path):
    volume = open_volume(spec("s3://bucket/some/prefix/"), tmp_path, CLOCK)
    assert isinstance(volume, S3Volume)
    assert (volume.bucket.name, volume.bucket.path("x")) == ("bucket", "some/prefix/x")
    bare = open_volume(spec("s3://bucket"), tmp_path, CLOCK)
    assert isinstance(bare, S3Volume)
    assert bare.bucket.path("x") == "x"


def test_a_volume_of_a_tier_with_recall_answers_slowly(tmp_path):
    slow = replace(spec("file:cold-1"), recall=RecallSpec(timedelta(hours=12), timedelta(days=7)))
    assert isinstance(open_volume(slow, tmp_path, CLOCK), DelayedVolume)


def test_what_is_known_of_the_volume_is_passed_on(tmp_path):
    record = open_volume(spec("file:cold-1"), tmp_path, CLOCK).initialise(identity())
    put(open_volume(spec("file:cold-1"), tmp_path, CLOCK, expected=identity(), recorded=record))
    assert content(open_volume(spec("file:cold-1"), tmp_path, CLOCK)) == b"bytes"
    other = open_volume(spec("file:cold-1"), tmp_path, CLOCK, expected=identity(volume="c"))
    assert other.probe() is VolumeState.WRONG


@pytest.mark.parametrize(
    "url",
    [
        "s3:bucket",
        "s3://",
        "s3://b?x=1",
        "cold-1",
        "",
        "file:",
        "file:/",
        "file://nas/share",
        "FILE:x",
        "/cold-1",
    ],
)
def test_a_url_without_a_driver_is_refused(url):
    with pytest.raises(SettingsError, match="cold-1"):
        open_volume(spec(url), Path(), CLOCK)
