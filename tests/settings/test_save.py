"""archive.yaml on disk is the old text or the new one."""

import os
import stat

import pytest

from retention.model.errors import ArchiveError
from retention.settings.save import save_text


def test_a_new_file_is_written(tmp_path):
    save_text(tmp_path / "archive.yaml", "name: é\n")
    assert (tmp_path / "archive.yaml").read_bytes() == "name: é\n".encode()
    assert [left.name for left in tmp_path.iterdir()] == ["archive.yaml"]


def test_the_permissions_of_the_old_file_stay(tmp_path):
    file = tmp_path / "archive.yaml"
    file.write_text("old")
    file.chmod(0o640)
    save_text(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o640)


def test_what_a_killed_command_left_behind_is_overwritten(tmp_path):
    (tmp_path / "archive.yaml.new").write_text("half of something much longer")
    save_text(tmp_path / "archive.yaml", "new")
    assert (tmp_path / "archive.yaml").read_text() == "new"
    assert [left.name for left in tmp_path.iterdir()] == ["archive.yaml"]


def test_when_the_disk_fails_the_old_text_is_untouched(tmp_path, monkeypatch):
    file = tmp_path / "archive.yaml"
    file.write_text("old")

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArchiveError, match="Input/output error"):
        save_text(file, "new")
    assert file.read_text() == "old"
    assert [left.name for left in tmp_path.iterdir()] == ["archive.yaml"]


def test_a_missing_directory_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ArchiveError, match="cannot be written: No such file or directory"):
        save_text(tmp_path / "gone" / "archive.yaml", "new")
