"""Make the golden archive of format 1: `python -m tests.golden.make`, from the project's root.

The real program does it, as a user would, so that what lies here is what archives in the field hold: a hot and a cold
tier, two institutions, volumes that were lost once and made again by an audit. README.md says when it may be made.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from retention.archive import open_archive, prepare_to_write
from retention.model.layout import InstitutionSpec
from retention.services import institutions
from tests.cli.calling import retention
from tests.golden.instances import Batch, Kind, batches, table

HOME = Path(__file__).parent / "format-1"
ARCHIVE, EXPECTED = HOME / "archive", HOME / "expected.json"
ROOT_KEY, RECOVERY_KEY = ARCHIVE / "secrets" / "root.key", ARCHIVE / "secrets" / "recovery.key"
LOST, REPLACED = "cold-5", "cold-6"
# The documents belong to the program, not to the format; the rest is not the archive's, or made anew by it.
LEFT_OUT = shutil.ignore_patterns("FORMAT.md", "recover.py", "incoming", "catalog.db*", "lock", "sessions")


def run(archive: Path, *arguments: str | Path, code: int = 0) -> Any:
    """Run the program on an archive; return the `data` of its document."""
    done = retention("--archive", archive, "--json", *arguments)
    if done.code != code:
        raise RuntimeError(f"{arguments}: exit {done.code}\n{done.out}\n{done.err}")
    return done.document["data"]


def ingest(archive: Path, batch: Batch, folder: Path) -> None:
    """Ingest a batch's files, and see that the program takes each for what it is meant to be."""
    for file in batch.files:
        path = os.fsencode(folder) + b"/" + file.path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(file.content)
    options = ("--institution", batch.institution, "--tier", batch.tier)
    code = 3 if any(file.kind in (Kind.CONFLICT, Kind.QUARANTINED) for file in batch.files) else 0
    found = run(archive, "ingest", folder, *options, code=code)
    wanted = {kind.value: sum(file.kind is kind for file in batch.files) for kind in Kind}
    if found | wanted != found:
        raise RuntimeError(f"{batch.institution}, {batch.tier}: {wanted} was meant, the program says {found}")


def lose_volumes(archive: Path) -> None:
    """Let two volumes be lost and made again, one of them as a new one: their shards are then of generation 1."""
    for name in (LOST, REPLACED):
        shutil.rmtree(archive / name)
        (archive / name).mkdir()
    run(archive, "volume", "replace", REPLACED)
    run(archive, "audit", "run", "--all", code=4)
    run(archive, "audit", "run", "--all")


def make(work: Path) -> Path:
    """Make the archive in an empty folder; return it."""
    archive = work / "golden"
    made = run(archive, "init", archive)
    (archive / "secrets" / RECOVERY_KEY.name).write_text(made["recovery_key"] + "\n")
    run(archive, "keys", "status", "--recovery-stored")
    first, second, late = batches()
    ingest(archive, first, work / "1")
    stores = open_archive(archive)
    try:
        prepare_to_write(stores)
        institutions.add(
            stores, InstitutionSpec(second.institution, "Hôpital d’essai", timezone="Europe/Paris")
        )
    finally:
        stores.close()
    ingest(archive, second, work / "2")
    lose_volumes(archive)
    ingest(archive, late, work / "3")
    export = ("study", "export", late.files[0].study, "--out", work / "export")
    run(archive, "--as", "Dr Essai", *export)
    run(archive, "catalog", "check")
    return archive


def main() -> None:
    """Write `format-1`. It is never written over: whoever removes it first has read README.md."""
    if HOME.exists():
        sys.exit(f"{HOME} is there already: README.md says when it may be removed")
    for name in [name for name in os.environ if name.startswith("RETENTION_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(make(Path(work)), ARCHIVE, ignore=LEFT_OUT)
    rows = ",\n".join(json.dumps(row) for row in table(batches()))
    EXPECTED.write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main()
