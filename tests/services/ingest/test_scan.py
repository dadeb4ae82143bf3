"""The first look: every file below the paths is accounted for, whatever it is, in a stable order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retention.model.digests import blake3_digest
from retention.model.errors import NotFoundError
from retention.services.ingest.scan import PREFIX_BYTES, ScannedFile, Scanner, SkippedFile, UnreadableFile
from tests.services.instances import STUDY, instance, unidentified


def scanned(*paths: Path) -> list[ScannedFile | SkippedFile | UnreadableFile]:
    return list(Scanner().scan(paths))


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_an_instance_is_known_by_its_head(tmp_path: Path):
    path = put(tmp_path, "a.dcm", instance())
    (found,) = scanned(path)
    assert isinstance(found, ScannedFile)
    assert found.head is not None
    assert (found.path, found.head.identity.study_uid, found.head.identity.sop_instance_uid) == (
        str(path), STUDY, f"{STUDY}.1.1"
    )  # fmt: skip
    assert found.prefix_digest == blake3_digest(instance()[:PREFIX_BYTES])
    assert found.stamp.size_bytes == len(instance())


def test_every_kind_of_file_is_accounted_for(tmp_path: Path):
    put(tmp_path, "1-instance.dcm", instance())
    put(tmp_path, "2-odd.dcm", unidentified())
    put(tmp_path, "3-notes.txt", b"some text, not DICOM at all " * 20)
    put(tmp_path, "4-empty.dcm", b"")
    os.symlink(tmp_path / "1-instance.dcm", tmp_path / "5-link.dcm")
    os.mkfifo(tmp_path / "6-pipe.dcm")
    os.symlink(tmp_path, tmp_path / "7-loop")
    found = scanned(tmp_path)
    assert [type(each) for each in found] == [ScannedFile, ScannedFile, *[SkippedFile] * 5]
    assert [each.reason for each in found[1:]] == [
        "truncated-head", "not-dicom", "empty", "symbolic-link", "not-a-file", "symbolic-link"
    ]  # fmt: skip
    assert isinstance(found[1], ScannedFile)
    assert found[1].head is None


def test_folders_are_walked_in_a_stable_order(tmp_path: Path):
    for name in ("b/2", "b/1", "a/z/9", "a/b", "c"):
        put(tmp_path, name, b"x" * 300)
    assert [Path(each.path).relative_to(tmp_path).as_posix() for each in scanned(tmp_path)] == [
        "a/b", "a/z/9", "b/1", "b/2", "c"
    ]  # fmt: skip


def test_a_path_given_is_followed_and_one_that_is_not_there_is_an_error(tmp_path: Path):
    target = put(tmp_path, "real/a.dcm", instance())
    link = tmp_path / "link"
    link.symlink_to(target.parent)
    file_link = tmp_path / "link.dcm"
    file_link.symlink_to(target)
    assert [each.path for each in scanned(link, file_link)] == [str(link / "a.dcm"), str(file_link)]
    with pytest.raises(NotFoundError, match="neither a file nor a folder"):
        scanned(tmp_path / "nowhere")


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("1.dcm", "2.dcm", "folder/3.dcm", "4.dcm"):
        put(tmp_path, name, instance())
    open_, listdir = os.open, os.listdir

    def refusing(path: str, *rest: int) -> int:
        if str(path).endswith("2.dcm"):
            raise PermissionError(13, "Permission denied")
        return open_(path, *rest)

    def unlistable(path: str) -> list[str]:
        if str(path).endswith("folder"):
            raise OSError(5, "Input/output error")
        return listdir(path)

    monkeypatch.setattr(os, "open", refusing)
    monkeypatch.setattr(os, "listdir", unlistable)
    found = scanned(tmp_path)
    assert [(Path(each.path).name, each.reason) for each in found if isinstance(each, UnreadableFile)] == [
        ("2.dcm", "unreadable: Permission denied"), ("folder", "unreadable: Input/output error")
    ]  # fmt: skip
    assert len(found) == 4


def test_a_file_that_fails_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    put(tmp_path, "1.dcm", instance())
    monkeypatch.setattr(os, "pread", failing)
    (found,) = scanned(tmp_path)
    assert isinstance(found, UnreadableFile)


def test_no_descriptor_is_left_open(tmp_path: Path):
    for number in range(5):
        put(tmp_path, f"{number}.dcm", instance(number))
    put(tmp_path, "odd.dcm", unidentified())
    before = os.listdir("/proc/self/fd")
    scanned(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_facts_that_repeat_are_kept_once(tmp_path: Path):
    for number in range(3):
        put(tmp_path, f"{number}.dcm", instance(number))
    found = scanned(tmp_path)
    assert len({id(each.head.study) for each in found if isinstance(each, ScannedFile) and each.head}) == 1
    assert len({id(each.head.patient) for each in found if isinstance(each, ScannedFile) and each.head}) == 1


def test_a_path_that_cannot_be_looked_at_is_told_and_the_others_are_scanned(tmp_path: Path, monkeypatch):
    closed, open_ = tmp_path / "closed" / "a.dcm", put(tmp_path, "open/b.dcm", instance())
    look = os.open

    def refuse(path, *arguments, **options):
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, *arguments, **options)

    stat_of = Path.stat

    def stat(path: Path, **options):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return stat_of(path, **options)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "stat", stat)
    found = scanned(closed, open_)
    assert [type(each) for each in found] == [UnreadableFile, ScannedFile]
    assert isinstance(found[0], UnreadableFile)
    assert found[0].reason == "unreadable: Permission denied"


def test_a_path_that_does_not_exist_is_told_before_anything_is_scanned(tmp_path: Path):
    found = Scanner().scan([put(tmp_path, "a.dcm", instance()), tmp_path / "none"])
    with pytest.raises(NotFoundError):
        next(found)
