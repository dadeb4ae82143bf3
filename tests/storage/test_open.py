"""A volume's URL chooses its driver; a URL that nobody understands is a mistake in archive.yaml."""

from pathlib import Path

import pytest

from retention.model.errors import SettingsError
from retention.model.layout import VolumeSpec
from retention.storage.directory import DirectoryVolume
from retention.storage.open import open_volume
from retention.storage.state import VolumeState
from tests.storage.places import content, identity, put

pytestmark = pytest.mark.usefixtures("unsynced")


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
    volume = open_volume(spec(url.format(tmp_path)), tmp_path / "archive")
    assert isinstance(volume, DirectoryVolume)
    volume.initialise(identity())
    assert (tmp_path / path / "volume.json").is_file()


def test_opening_looks_at_nothing_and_makes_nothing(tmp_path):
    volume = open_volume(spec("file:cold-1"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert volume.probe() is VolumeState.MISSING
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_of_the_volume_is_passed_on(tmp_path):
    record = open_volume(spec("file:cold-1"), tmp_path).initialise(identity())
    put(open_volume(spec("file:cold-1"), tmp_path, expected=identity(), recorded=record))
    assert content(open_volume(spec("file:cold-1"), tmp_path)) == b"bytes"
    other = open_volume(spec("file:cold-1"), tmp_path, expected=identity(volume="c"))
    assert other.probe() is VolumeState.WRONG


@pytest.mark.parametrize(
    "url", ["s3://bucket/prefix", "cold-1", "", "file:", "file:/", "file://nas/share", "FILE:x", "/cold-1"]
)
def test_a_url_without_a_driver_is_refused(url):
    with pytest.raises(SettingsError, match="cold-1"):
        open_volume(spec(url), Path())
