"""What format 1 wrote, every later version reads: by recover.py alone, and as an archive of its own."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import runpy
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from retention.archive import open_archive
from retention.model.layout import Protection
from retention.package.geometry import CODE_CELL_BYTES
from retention.package.manifest import ROLE_CONFLICT, ROLE_FIRST
from retention.package.packing.blocks import Packing
from retention.services.access import PackageAccess
from retention.services.documents import NAMES
from tests.golden.instances import Row, batches, table
from tests.golden.make import ARCHIVE, EXPECTED, RECOVERY_KEY, ROOT_KEY, run

RECOVER = Path(__file__).parents[2] / "retention" / "package" / "recovery" / "recover.py"
HOT = ("hot-a", "hot-b")
COLD = tuple(f"cold-{number}" for number in range(1, 7))
GLACIER = ("glacier-1", "glacier-2")
ROWS: list[Row] = json.loads(EXPECTED.read_text())
ANY_FOUR = list(itertools.combinations(COLD, 4))


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A copy in another place, as somebody finds it: git keeps neither empty folders nor who may read a file."""
    copy = Path(shutil.copytree(ARCHIVE, tmp_path / "A"))
    (copy / "secrets" / ROOT_KEY.name).chmod(0o600)
    monkeypatch.delenv("RETENTION_ROOT_KEY_FILE", raising=False)
    run(copy, "catalog", "rebuild")
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def digests(found: dict[str, bytes]) -> Counter[tuple[str, int, str]]:
    """Name (of a quarantined file: none), size and SHA-256."""
    return Counter(
        (name if name.endswith(".dcm") else "", len(content), hashlib.sha256(content).hexdigest())
        for name, content in found.items()
        if not name.endswith(".reason.txt")
    )


def expected(tier: str | None = None) -> Counter[tuple[str, int, str]]:
    return Counter(
        (f"{row['study']}/{row['file']}" if row["study"] else "", row["size"], row["sha256"])
        for row in ROWS
        if tier in (None, row["tier"])
    )


# as it lies here


def test_the_table_is_what_went_in():
    assert table(batches()) == ROWS


def test_it_is_small_and_holds_no_documents():
    sizes = {name: len(content) for name, content in contents(ARCHIVE).items()}
    assert sum(sizes.values()) < 1_000_000
    assert [name for name in sizes if name.endswith(NAMES)] == []


# by recover.py, with neither program nor catalog


def recovered(out: Path, volumes: tuple[str, ...], *key: str | Path) -> Counter[tuple[str, int, str]]:
    """Run recover.py on volumes as they lie here, see that it leaves them alone, and return what it wrote."""
    before = contents(ARCHIVE)
    arguments = [RECOVER, "--out", out, *key, *(ARCHIVE / volume for volume in volumes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(argument) for argument in arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(RECOVER), run_name="__main__")
    assert end.value.code == 0
    assert contents(ARCHIVE) == before
    return digests(contents(out))


@pytest.mark.parametrize("volumes", ANY_FOUR, ids=lambda four: "".join(name[-1] for name in four))
def test_any_four_cold_volumes_and_the_root_key_give_back_what_is_cold(tmp_path, volumes):
    assert recovered(tmp_path / "out", volumes, "--key", ROOT_KEY) == expected("cold")


@pytest.mark.parametrize("volume", HOT)
def test_one_hot_volume_and_the_root_key_give_back_what_is_hot(tmp_path, volume):
    assert recovered(tmp_path / "out", (volume,), "--key", ROOT_KEY) == expected("hot")


def test_the_recovery_key_gives_everything_back(tmp_path, monkeypatch):
    typed = io.StringIO(RECOVERY_KEY.read_text())
    monkeypatch.setattr(sys, "stdin", typed)
    assert recovered(tmp_path / "cold", COLD[2:], "--recovery-key") == expected("cold")
    assert recovered(tmp_path / "all", (HOT[0], *COLD[:4]), "--key", RECOVERY_KEY) == expected()


# by the program


def test_the_catalog_is_made_again_and_everything_is_listed(archive):
    studies = run(archive, "study", "list")["studies"]
    held = Counter((row["institution"], row["study"]) for row in ROWS if row["study"])
    assert {(study["institution"], study["study_uid"]): study["instances"] for study in studies} == held
    assert {study["health"] for study in studies} == {"sound"}
    assert len(run(archive, "quarantine", "list")["items"]) == 2
    assert run(archive, "journal", "verify")["valid"] is True


def test_every_part_of_the_format_occurs(archive):
    """Every packing, a dictionary, instances of several blocks, packages of several stripes, repaired shards."""
    stores = open_archive(archive)
    try:
        packages = list(stores.catalog.all_packages())
        manifests = [PackageAccess(stores).contents(package.package_id) for package in packages]
    finally:
        stores.close()
    instances = [instance for manifest in manifests for instance in manifest.instances]
    blocks = [block for instance in instances for block in instance.blocks]
    assert {block.packing for block in blocks} == set(Packing)
    assert any(block.dictionary is not None for block in blocks)
    assert max(len(instance.blocks) for instance in instances) == 4  # head, twice samples, the rest
    assert {instance.role for instance in instances} == {ROLE_FIRST, ROLE_CONFLICT}
    longest = max(block.start + block.stored_bytes for block in blocks)
    assert longest > Protection(data=4, parity=2).data * CODE_CELL_BYTES
    assert {package.protection for package in packages} == {
        Protection.copies(2),
        Protection(data=4, parity=2),
    }
    generations = {shard.generation for package in packages for shard in package.shards}
    assert generations == {0, 1}


def test_every_file_is_exported_as_it_came(archive, tmp_path):
    for study in run(archive, "study", "list")["studies"]:
        uid = study["study_uid"]
        run(archive, "study", "export", uid, "--out", tmp_path / "out" / uid)
    for item in run(archive, "quarantine", "list")["items"]:
        run(archive, "quarantine", "export", item["id"], "--out", tmp_path / "out")
    assert digests(contents(tmp_path / "out")) == expected()


def test_an_audit_puts_the_documents_there_and_finds_nothing_else(archive):
    findings = audit(archive, code=4)
    assert {finding["kind"] for finding in findings} == {"corrupt"}
    assert all(finding["repaired"] for finding in findings)
    volumes = (*HOT, *COLD, *GLACIER)
    assert Counter(finding["volume"] for finding in findings) == dict.fromkeys(volumes, len(NAMES))
    assert audit(archive, code=0) == []


def audit(archive: Path, *, code: int) -> list[dict[str, Any]]:
    found = run(archive, "audit", "run", "--all", code=code)
    assert (found["damaged"], found["lost"], found["unreachable"]) == (0, 0, 0)
    findings: list[dict[str, Any]] = found["findings"]
    return findings


def test_reading_changes_no_volume(archive, tmp_path):
    """Rebuilding, listing and verifying write nothing there; giving something out adds an entry to the journal."""
    volumes = (*HOT, *COLD)
    run(
        archive, "catalog", "check"
    )  # notes what archive.yaml says, which this archive's program did not do yet
    before = {name: contents(archive / name) for name in volumes}
    for command in (("study", "list"), ("catalog", "check"), ("journal", "verify"), ("doctor",)):
        run(archive, *command)
    assert {name: contents(archive / name) for name in volumes} == before
    run(archive, "study", "export", ROWS[0]["study"], "--out", tmp_path / "out")
    for name in volumes:
        after = contents(archive / name)
        assert after.keys() == before[name].keys()
        changed = {key for key, content in after.items() if content != before[name][key]}
        assert all(key.startswith("journal/") and after[key].startswith(before[name][key]) for key in changed)


def test_the_recovery_key_is_the_one_that_was_put_away(archive):
    assert run(archive, "keys", "status")["recovery_stored"] is not None
