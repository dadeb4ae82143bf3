"""The keyring that the program itself writes is one that recover.py reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retention.keyring.keyring import Keyring
from retention.keyring.recovery import write_recovery_key
from retention.keyring.rootkey import write_root_key
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, new_id
from tests.model.replicas import MemoryReplica
from tests.package.recovery.conftest import SOP, STUDY, build
from tests.package.recovery.keyring_files import KeyringFiles, recovery_text


@dataclass
class ProgramKeyring(KeyringFiles):
    """The program's keyring on replicas in memory, put down on volumes file by file."""

    def __post_init__(self) -> None:
        self.replicas = [MemoryReplica(name) for name in ("a", "b", "c")]
        self.program = Keyring.create(self.replicas, self.archive, self.root_key, self.recovery_key)
        self.program.add_institution(self.institution)

    def new_package_key(self) -> tuple[KeyId, bytes]:
        pending = self.program.new_package_key(self.institution)
        self.program.commit([pending])
        return pending.key_id, pending.secret

    def write(self, volume: Path) -> None:
        for name, content in self.replicas[0].files.items():
            (volume / name).parent.mkdir(exist_ok=True)
            (volume / name).write_bytes(content)


def test_what_the_program_writes_is_read(tmp_path: Path) -> None:
    keyring = ProgramKeyring(ArchiveId(new_id()), InstitutionId(new_id()))
    archive = build(tmp_path / "archive", keyring)
    archive.key_file.write_text(write_root_key(keyring.root_key))
    found = archive.recover()
    assert (found.code, found.files) == (0, archive.expected), found.problems

    paper = write_recovery_key(keyring.recovery_key)
    found = archive.recover(key=["--recovery-key"], typed=paper, out="by-paper")
    assert (found.code, found.files) == (0, archive.expected), found.problems

    keyring.program.set_recovery_key(bytes(range(32)))
    keyring.program.forget([archive.packages["conflict"][1]])
    keyring.write(archive.root / "cold-2")
    del archive.expected[f"{STUDY}/{SOP(1)}.2.dcm"]
    for number, text in enumerate((paper, write_recovery_key(bytes(range(32))))):
        found = archive.recover(key=["--recovery-key"], typed=text, out=f"destroyed-{number}")
        assert (found.code, found.files) == (0, archive.expected), found.problems
        assert "Packages destroyed on purpose, their keys with them: 1" in found.said
        assert ("was replaced by a newer one" in found.problems) == (text is paper)
    keyring.program.close()


def test_what_the_program_rotated_is_read_also_with_a_volume_from_before(tmp_path: Path) -> None:
    keyring = ProgramKeyring(ArchiveId(new_id()), InstitutionId(new_id()))
    archive = build(tmp_path / "archive", keyring)
    archive.key_file.write_text(write_root_key(keyring.root_key))
    rotation = keyring.program.rotation
    rotation.begin(keyring.institution)
    keyring.write(archive.root / "cold-1")  # cut short here: the new key is there, and wraps nothing yet
    for series, segment in rotation.files():
        rotation.rewrap([keyring.institution], series, segment)
    keyring.write(archive.root / "cold-2")
    found = archive.recover(out="cut-short")
    assert (found.code, found.files) == (0, archive.expected), found.problems
    assert len(rotation.end([keyring.institution], ["a", "b", "c"]).destroyed) == 1
    keyring.write(archive.root / "cold-3")
    for out in ("stale", "alone"):
        found = archive.recover(out=out)
        assert (found.code, found.files) == (0, archive.expected), found.problems
        for name in ("hot-a", "cold-1", "cold-2"):
            keyring.write(archive.root / name)
    keyring.program.close()


def test_recovery_keys_are_written_as_the_document_shows() -> None:
    shown = "000GD-40R4X-0M300-E209K-185G3-R38ED-1W811-24GKZ-2GAH1-C5RR2-34D1B-P70XX-3RFY4"
    assert recovery_text(bytes(range(32))) == write_recovery_key(bytes(range(32))) == shown
