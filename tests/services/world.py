"""An archive with the embedded defaults, to be used and damaged: what the tests of services share.

Archives lie in memory-backed storage where the machine has it: what is tested is what is done, not the disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from retention.archive import create_archive, open_archive, prepare_to_write
from retention.catalog.records import PackageSummary
from retention.services import institutions, sessions
from retention.services.audit.audit import AuditReport
from retention.services.audit.selection import Selection, audit
from retention.services.ingest.ingest import Ingest, IngestReport
from retention.services.progress import NoProgress
from retention.services.retrieve import export_quarantined, export_study
from retention.services.stores import Stores
from retention.services.volumes import shard_key

HOT = ("hot-a", "hot-b")
COLD = tuple(f"cold-{number}" for number in range(1, 7))
GLACIER = ("glacier-1", "glacier-2")
VOLUMES = (*HOT, *COLD, *GLACIER)
REPLICAS = (*HOT, *COLD[:3])
EVERYTHING = Selection()


@dataclass
class World:
    """One archive and a folder of files to be ingested."""

    root: Path
    source: Path
    institution: str = "necker"
    sent: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> World:
        create_archive(folder / "A", "test", is_rehearsal=False).stores.close()
        (folder / "in").mkdir()
        return cls(folder / "A", folder / "in")

    def copy(self, folder: Path) -> World:
        """Return the same archive in another place: volumes are found relative to it."""
        shutil.copytree(self.root, folder / "A")
        (folder / "in").mkdir()
        for name, data in self.sent.items():
            folder.joinpath("in", name).write_bytes(data)
        return World(folder / "A", folder / "in", self.institution, dict(self.sent))

    # using it

    def send(self, name: str, data: bytes) -> Path:
        """Put a file where the next `ingest` finds it."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.sent[name] = data
        return path

    @contextmanager
    def opened(self, *, to_write: bool = True, person: str | None = None) -> Iterator[Stores]:
        stores = open_archive(self.root, person=person)
        try:
            if to_write:
                prepare_to_write(stores)
            yield stores
        finally:
            stores.close()

    def ingest(self, *paths: Path, tier: str = "hot", jobs: int = 2) -> IngestReport:
        with self.opened() as stores:
            return self.ingest_into(stores, *paths, tier=tier, jobs=jobs)

    def ingest_into(self, stores: Stores, *paths: Path, tier: str = "hot", jobs: int = 2) -> IngestReport:
        owner = institutions.first_or_known(stores, self.institution)
        run = Ingest(stores, owner.institution_id, tier, NoProgress(), jobs)
        return run.run(paths or [self.source])

    def audit(self, selection: Selection = EVERYTHING, *, repair: bool = True) -> AuditReport:
        with self.opened() as stores:
            return audit(stores, selection, NoProgress(), repair=repair)

    def packages(self) -> list[PackageSummary]:
        with self.opened(to_write=False) as stores:
            return list(stores.catalog.all_packages())

    def export(self) -> dict[str, bytes]:
        """Return everything the archive gives back: study and file name, or quarantined item, to bytes."""
        out = self.root.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        with self.opened() as stores:
            for summary in list(stores.catalog.studies()):
                study = stores.catalog.study(summary.study_uid, summary.institution)
                report = export_study(stores, study, out / summary.study_uid, NoProgress(), jobs=2)
                assert report.failures == []
            for item in list(stores.catalog.quarantined()):
                export_quarantined(stores, item.item_id, out / "quarantine")
        return {
            path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()
        }

    # looking at it, and damaging it

    def volume(self, name: str) -> Path:
        return self.root / name

    def files(self, *volumes: str, suffix: str = "") -> list[Path]:
        """Return all files of these volumes (or all), in order."""
        found = (path for name in volumes or VOLUMES for path in self.volume(name).rglob(f"*{suffix}"))
        return sorted(path for path in found if path.is_file())

    def shards(self, *volumes: str) -> list[Path]:
        return self.files(*volumes, suffix=".shard")

    def shard(self, package: PackageSummary, number: int) -> Path:
        """Return where the catalog says that a shard lies."""
        shard = package.shards[number]
        return self.root / str(shard.volume) / shard_key(package.package_id, number, shard.generation)

    def leftovers(self) -> list[str]:
        """Return what no start should leave: unfinished uploads, session files, shards nobody accounts for."""
        with self.opened(to_write=False) as stores:
            placed = list(stores.catalog.placed_shards())
        known = {self.root / s.volume / shard_key(s.package_id, s.number, s.generation) for s in placed}
        found = [path for path in self.shards() if path not in known]
        found += [path for name in VOLUMES for path in self.volume(name).glob("incoming/*")]
        found += list(self.root.glob(f"{sessions.FOLDER}/*"))
        return [path.relative_to(self.root).as_posix() for path in found]

    def digest(self, *volumes: str) -> dict[str, str]:
        """Return every file of these volumes with its digest, to see what was touched."""
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files(*volumes)}


def flip(path: Path, offset: int, mask: int = 0xFF) -> None:
    """Change one byte of a file in place."""
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def contents(exported: Mapping[str, bytes]) -> list[bytes]:
    return sorted(exported.values())


def memory_backed(fallback: Path) -> Path:
    """Return where archives of tests lie: in memory if the machine offers it."""
    shared = Path("/dev/shm")  # noqa: S108 (the folder made below it has a name of its own)
    return shared if os.access(shared, os.W_OK) else fallback


def until(condition: Callable[[], bool], pause_s: float = 0.005, limit_s: float = 30.0) -> bool:
    """Wait for something another process does; return whether it came."""
    waited_s = 0.0
    while not condition():
        if waited_s > limit_s:
            return False
        time.sleep(pause_s)
        waited_s += pause_s
    return True
