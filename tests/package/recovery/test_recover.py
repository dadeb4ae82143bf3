"""recover.py gives back every file that can be given back, never a wrong one, and names what is missing."""

from __future__ import annotations

import os
import re
import shutil
import struct
from itertools import combinations
from pathlib import Path

import pytest

from retention.package.guard import protect
from tests.package.recovery.conftest import (
    ALL,
    CELL_BYTES,
    COLD,
    FAILED,
    RECOVER,
    SOME_MISSING,
    SOP,
    STUDY,
    TWO_COPIES,
    USAGE,
    Archive,
    Item,
    assert_all_back,
    assert_none_wrong,
    build,
    damage,
    noise,
)

LIBRARIES = ("blake3", "cryptography", "reedsolo", "numpy")


# What comes back


@pytest.mark.parametrize("lost", list(combinations(COLD, 2)), ids="+".join)
def test_any_two_of_six_volumes_may_be_lost(pristine: Archive, tmp_path: Path, lost: tuple[str, str]) -> None:
    volumes = [path for path in pristine.volumes() if path.name not in lost]
    found = pristine.recover(volumes, out=str(tmp_path / "out"))
    assert_all_back(found, pristine)


def test_a_third_loss_is_named_study_by_study_and_what_is_whole_comes_back(
    pristine: Archive, tmp_path: Path
) -> None:
    volumes = pristine.volumes("cold-1", "cold-3", "cold-6", "hot-b")
    found = pristine.recover(volumes, out=str(tmp_path / "out"))
    assert found.code == SOME_MISSING
    assert_none_wrong(found, pristine)
    assert f"study {STUDY}: instance {SOP(5)}: stripe 1: 3 good cells of the 4 needed" in found.problems
    assert "shards found: 0, 2, 5" in found.problems
    assert re.search(rf"^study {STUDY}: \d+ missing$", found.problems, re.MULTILINE)
    assert sum(name.startswith("1.2.840.99.8/") for name in found.files) == 1


def test_an_instance_in_the_cells_that_are_left_needs_no_other(archive: Archive) -> None:
    small = Item(noise(1, 500), sop=SOP(9))
    archive.add("small", [small, Item(noise(2, 12_000), sop=SOP(10))])
    found = archive.recover(archive.volumes("cold-1"))
    assert found.code == SOME_MISSING
    assert found.files[f"{STUDY}/{SOP(9)}.dcm"] == small.content
    assert f"{STUDY}/{SOP(10)}.dcm" not in found.files


@pytest.mark.parametrize("without", [*LIBRARIES, ",".join(LIBRARIES)])
def test_each_library_can_be_missing(archive: Archive, without: str) -> None:
    for shard in archive.shards("cold-2", "cold-3"):
        damage(shard, 20, b"\xa5" * 30)
        damage(shard, -200, b"\xa5" * 20)
    found = archive.recover(archive.volumes("cold-2", "cold-3", "cold-5", "cold-6", "hot-a"), without=without)
    assert_all_back(found, archive)
    said_replaced = found.said.partition("Replaced by slow pure Python: ")[2].partition("\n")[0]
    assert [name for name in LIBRARIES if re.search(rf"\b{name} \(", said_replaced)] == without.split(",")


def test_without_a_zstandard_decoder_it_says_what_to_install(pristine: Archive) -> None:
    found = pristine.recover(without="zstandard,compression,backports", out="none")
    assert (found.code, found.files) == (FAILED, {})
    assert "install the package zstandard" in found.problems


# Damage


@pytest.mark.parametrize(("record", "sector"), [((0, 256), 0), ((-600, 600), -4096)], ids=["first", "last"])
def test_what_a_shard_says_of_itself_may_be_lost_in_all_but_one(
    archive: Archive, record: tuple[int, int], sector: int
) -> None:
    """Headers, or tables and trailers, in all shards but one; and a sector at that end, with cells in it, in two."""
    for path in archive.of("study")[:5]:
        damage(path, record[0], bytes(record[1]))
    for path in (*archive.of("study")[:2], archive.of("copies")[0]):
        damage(path, sector, bytes(4096))
    assert_all_back(archive.recover(), archive)


def test_headers_lost_everywhere_are_found_by_the_cells(archive: Archive) -> None:
    for path in archive.shards():
        damage(path, 0, bytes(256))
    assert_all_back(
        archive.recover(archive.volumes("cold-1", "cold-2", "cold-4", "cold-6", "hot-b")), archive
    )


def test_a_shard_that_lost_both_ends_is_known_by_its_name_and_proven_by_its_cells(archive: Archive) -> None:
    for path in archive.shards("cold-4"):
        damage(path, 0, bytes(256))
        damage(path, -600, bytes(600))
    assert_all_back(
        archive.recover(archive.volumes("cold-1", "cold-2", "cold-3", "cold-4", "hot-a")), archive
    )


def test_shards_cut_short_still_give_their_cells(archive: Archive) -> None:
    for path in archive.of("study")[:2]:
        os.truncate(path, 256 + 3 * CELL_BYTES + 100)
    found = archive.recover(archive.volumes("cold-1", "cold-2", "cold-3", "cold-4", "hot-a"))
    assert found.code == SOME_MISSING
    assert_none_wrong(found, archive)
    assert archive.expected.keys() - found.files.keys() == {f"{STUDY}/{SOP(5)}.dcm"}
    assert_all_back(archive.recover(), archive)


def test_files_that_were_padded_when_copied(archive: Archive) -> None:
    for path in archive.shards():
        with path.open("ab") as stream:
            stream.write(bytes(-path.stat().st_size % 10_240))
    assert_all_back(archive.recover(), archive)


def test_trailers_beyond_repair_everywhere_leave_the_table(archive: Archive) -> None:
    for path in archive.shards():
        damage(path, -256, noise(1, 256))
    assert_all_back(archive.recover(), archive)


def test_shards_under_other_names_and_on_other_volumes_are_found(archive: Archive) -> None:
    for number, path in enumerate(archive.shards("cold-3", "cold-4")):
        path.rename(archive.root / "cold-1" / "packages" / f"lost+found-{number}")
    assert_all_back(archive.recover(archive.volumes("cold-1", "cold-5", "cold-6", "hot-a")), archive)


def test_foreign_files_and_other_archives_are_left_alone(archive: Archive, tmp_path: Path) -> None:
    stranger = build(tmp_path / "stranger")
    for path in stranger.shards():
        shutil.copy(path, archive.root / "cold-2" / "packages" / path.name)
    folder = archive.root / "cold-1" / "packages"
    (folder / "readme.txt").write_text("not a shard")
    (folder / "noise.shard").write_bytes(noise(3, 5000))
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    found = archive.recover()
    assert_all_back(found, archive)
    assert "no shards, or too damaged to tell: 3" in found.said
    assert "Packages of another archive, not read: 4" in found.said


def test_manifests_damaged_in_every_shard_are_put_together(archive: Archive) -> None:
    for position, path in enumerate(archive.of("copies") + archive.of("study")):
        place = path.stat().st_size - (512 + 40 + 30 * position)
        damage(path, place, bytes([path.read_bytes()[place] ^ 1]))
    assert_all_back(archive.recover(), archive)


def test_a_damaged_index_still_vouches_for_cells_whose_digests_are_whole(archive: Archive) -> None:
    """Each copy lost every other digest: too many to try, and no need to."""
    many = Item(noise(8, 20_000), sop=SOP(60))
    archive.add("many", [many], TWO_COPIES, cell_bytes=256)
    archive.expected[f"{STUDY}/{SOP(60)}.dcm"] = many.content
    for number, path in enumerate(archive.of("many")):
        content = path.read_bytes()
        start, length = struct.unpack_from("<QQ", content, len(content) - 512 + 48)
        for digest in range(start + 32 * number, start + length, 64):
            damage(path, digest, bytes(8))
    assert_all_back(archive.recover(), archive)


def renew(path: Path) -> Path:
    """Write what a repair leaves: the shard again, as generation 7, beside the old one."""
    content = bytearray(path.read_bytes())
    content[16:20] = (7).to_bytes(4, "little")
    content[:256] = protect(bytes(content[:159]))
    renewed = path.with_name(path.name.replace(".g0.", ".g7."))
    renewed.write_bytes(content)
    return renewed


def test_the_highest_generation_counts(archive: Archive) -> None:
    for path in archive.of("study")[:4]:
        renew(path)
        damage(path, 256, bytes(9000))
    found = archive.recover(archive.volumes("cold-1", "cold-2", "cold-3", "cold-4", "hot-a"))
    assert_all_back(found, archive)
    assert "Damaged" not in found.said


def test_older_generations_help_where_the_highest_is_damaged(archive: Archive) -> None:
    path = archive.of("study")[1]
    damage(renew(path), 256 + 13_000, bytes(9000))
    damage(path, 256, bytes(9000))
    found = archive.recover(archive.volumes("cold-1", "cold-2", "cold-3", "cold-4", "hot-a"))
    assert_all_back(found, archive)


def test_an_unknown_format_version_is_refused_and_named(archive: Archive) -> None:
    for path in archive.of("copies"):
        content = bytearray(path.read_bytes())
        content[8:10] = b"\2\0"
        damage(path, 0, protect(bytes(content[:159])))
        damage(path, -256, protect(b"RETTRAIL\2\0" + content[-246:-97]))
        damage(path, -512, bytes(256))
    found = archive.recover()
    assert found.code == SOME_MISSING
    assert_none_wrong(found, archive)
    assert "its format version is 2" in found.problems


# Packages that replace others


def test_an_older_form_is_wanted_only_where_the_newer_is_not_whole(archive: Archive) -> None:
    archive.add("old", [Item(b"kept" * 50, sop=SOP(20)), Item(b"dropped" * 50, sop=SOP(21))])
    archive.add("new", [Item(b"kept" * 50, sop=SOP(20))], supersedes=("old",))
    archive.expected[f"{STUDY}/{SOP(20)}.dcm"] = b"kept" * 50
    assert_all_back(archive.recover(), archive)
    for path in archive.of("new"):
        path.unlink()
    found = archive.recover(out="again")
    assert (found.code, found.files[f"{STUDY}/{SOP(20)}.dcm"]) == (ALL, b"kept" * 50)


def test_what_a_newer_form_lost_an_older_one_gives_back(archive: Archive) -> None:
    archive.add("old", [Item(b"kept" * 50, sop=SOP(20))])
    archive.add("new", [Item(b"kept" * 50, sop=SOP(20))], supersedes=("old",))
    archive.expected[f"{STUDY}/{SOP(20)}.dcm"] = b"kept" * 50
    for path in archive.of("new"):
        damage(path, 256, bytes(8))
    assert_all_back(archive.recover(), archive)


def test_content_that_is_not_what_was_received_is_not_written(archive: Archive) -> None:
    archive.add("wrong", [Item(b"content", sop=SOP(70), sha256=bytes(32))])
    found = archive.recover()
    assert (found.code, found.files) == (SOME_MISSING, archive.expected)
    assert f"instance {SOP(70)}: what came out is not what was received" in found.problems


# What is written


def test_a_second_run_completes_the_first_and_replaces_nothing(archive: Archive) -> None:
    stranger = archive.root / "out" / STUDY / f"{SOP(2)}.dcm"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"somebody else's")
    archive.expected[f"{STUDY}/{SOP(2)}.2.dcm"] = archive.expected[f"{STUDY}/{SOP(2)}.dcm"]
    archive.expected[f"{STUDY}/{SOP(2)}.dcm"] = b"somebody else's"
    assert archive.recover(archive.volumes("cold-1", "cold-2", "cold-3", "hot-a")).code == SOME_MISSING
    assert_all_back(archive.recover(), archive)
    again = archive.recover()
    assert_all_back(again, archive)
    assert "0 files written" in again.said


def test_uids_that_cannot_be_names_never_are(archive: Archive) -> None:
    uids = ["..", ".", "1/../../2", "", "1" * 65, "1\n", "abc", "com1", "../" + "ab" * 20]
    for uid in uids:
        archive.add(f"study {uid}", [Item(b"content", sop=SOP(50))], study=uid)
        archive.add(f"instance {uid}", [Item(b"content", sop=uid)])
    found = archive.recover()
    assert found.code == ALL
    names = {
        f"unnamed/{archive.packages[f'{kind} {uid}'][0]}/0" for kind in ("study", "instance") for uid in uids
    }
    added = found.files.keys() - archive.expected.keys()
    assert added == {name + suffix for name in names for suffix in (".dcm", ".reason.txt")}
    told = found.files[f"unnamed/{archive.packages['instance ..'][0]}/0.reason.txt"]
    assert b"sop_instance_uid: ..\n" in told


def test_uids_that_anonymisers_wrote_can_be_names(archive: Archive) -> None:
    study, sop = "5a" * 32, "0f" * 16
    archive.add("anonymous", [Item(b"content", sop=sop)], study=study)
    archive.expected[f"{study}/{sop}.dcm"] = b"content"
    assert_all_back(archive.recover(), archive)


def test_out_inside_a_volume_is_refused(pristine: Archive) -> None:
    found = pristine.recover(out="cold-1/out")
    assert found.code == USAGE
    assert not (pristine.root / "cold-1" / "out").exists()


@pytest.mark.parametrize(
    ("key", "volumes"),
    [
        ("root.key", ["no-such-volume"]),
        ("root.key", []),
        ("no-such-file", ["."]),
        ("cold-1/keyring/root.json", ["."]),
    ],
    ids=["no-such-volume", "no-volume", "no-such-key", "not-a-key"],
)
def test_usage_errors(pristine: Archive, key: str, volumes: list[str]) -> None:
    found = pristine.recover([Path(name) for name in volumes], key=["--key", key], out="none")
    assert (found.code, found.files) == (USAGE, {})
    assert found.problems.startswith("usage: ")


def test_it_needs_nothing_of_the_program() -> None:
    assert not re.search(r"^\s*(import|from)\s+retention", RECOVER.read_text(), re.MULTILINE)
