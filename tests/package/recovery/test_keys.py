"""recover.py and keys: which open an archive, which do not, which were destroyed."""

from __future__ import annotations

from tests.package.recovery.conftest import (
    ALL,
    FAILED,
    SOP,
    STUDY,
    USAGE,
    Archive,
    assert_all_back,
)
from tests.package.recovery.keyring_files import recovery_text


def test_the_recovery_key_does_what_the_key_file_does(archive: Archive) -> None:
    text = recovery_text(archive.keyring.recovery_key)
    assert_all_back(archive.recover(key=["--recovery-key"], typed=text), archive)
    paper = archive.root / "paper.txt"
    paper.write_text(
        "Recovery key of the archive\n\n" + text.lower().replace("0", "o").replace("1", "l") + "\n"
    )
    assert_all_back(
        archive.recover(key=["--key", str(paper)], out="2", without="blake3,cryptography"), archive
    )


def test_a_mistyped_recovery_key_is_told_by_its_group(pristine: Archive) -> None:
    text = recovery_text(pristine.keyring.recovery_key)
    wrong = text[:14] + ("Z" if text[14] != "Z" else "Y") + text[15:]
    found = pristine.recover(key=["--recovery-key"], typed=wrong, out="none")
    assert (found.code, found.files) == (USAGE, {})
    assert "group 3 of 13" in found.problems


def test_a_key_of_another_archive_is_recognised(archive: Archive) -> None:
    archive.key_file.write_text("RETENTION-ROOT-KEY-1 " + "5a" * 32 + "\n")
    found = archive.recover()
    assert (found.code, found.files) == (FAILED, {})
    assert "belongs to another archive" in found.problems


def test_a_keyring_damaged_here_is_read_there(archive: Archive) -> None:
    lines = len(archive.keyring.packages)
    for number, volume in enumerate(archive.volumes("cold-1", "cold-2", "cold-3", "hot-a")):
        path = volume / "keyring" / "packages-000001.keys"
        kept = path.read_bytes().splitlines(keepends=True)
        for damaged in {(number + step) % lines for step in (0, 1, 2)}:
            kept[damaged] = kept[damaged].replace(b'"wrapped":"', b'"wrapped":"A', 1)
        path.write_bytes(b"".join(kept))
    (archive.root / "cold-1/keyring/institutions.keys").write_bytes(b"\0" * 100)
    (archive.root / "cold-1/keyring/root.json").write_bytes(b"{")
    assert_all_back(archive.recover(), archive)


def test_without_a_keyring_it_asks_for_a_volume_that_has_one(pristine: Archive) -> None:
    found = pristine.recover(pristine.volumes("cold-4", "cold-5", "cold-6"), out="none")
    assert (found.code, found.files) == (FAILED, {})
    assert "none of these volumes holds a keyring" in found.problems


def test_a_destroyed_key_is_no_loss_even_if_a_stale_volume_still_has_it(archive: Archive) -> None:
    archive.keyring.forget(archive.packages["conflict"][1])
    archive.keyring.write(archive.root / "cold-2")
    del archive.expected[f"{STUDY}/{SOP(1)}.2.dcm"]
    found = archive.recover()
    assert_all_back(found, archive)
    assert "Packages destroyed on purpose, their keys with them: 1" in found.said


def test_when_an_institutions_key_was_destroyed_all_its_packages_were(archive: Archive) -> None:
    archive.keyring.forget_institution()
    archive.keyring.write(archive.root / "cold-3")
    found = archive.recover()
    assert (found.code, found.files) == (ALL, {})
    assert "Packages destroyed on purpose, their keys with them: 4" in found.said


def test_a_forged_destruction_does_not_count(archive: Archive) -> None:
    archive.keyring.forget(archive.packages["conflict"][1], parent_key=bytes(32))
    archive.keyring.write(archive.root / "cold-2")
    assert_all_back(archive.recover(), archive)


def test_a_recovery_key_on_the_command_line_is_refused(pristine: Archive) -> None:
    text = recovery_text(pristine.keyring.recovery_key)
    found = pristine.recover(key=[f"--recovery-key={text}"], out="none")
    assert (found.code, found.files) == (USAGE, {})


def test_what_comes_back_is_its_owners_alone(archive: Archive) -> None:
    assert_all_back(archive.recover(out="private"), archive)
    modes = {path.stat().st_mode & 0o077 for path in (archive.root / "private").rglob("*")}
    assert modes == {0}
