"""The archive of the demonstration: each method does what a command does, by the same services."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from retention.archive import (
    add_institution,
    create_archive,
    open_archive,
    prepare_to_write,
    rebuild_archive_catalog,
)
from retention.catalog.records import StudyFilter, StudySummary
from retention.model.errors import CatalogMissingError
from retention.model.layout import ArchiveSettings, InstitutionSpec
from retention.services.audit.audit import AuditReport
from retention.services.audit.selection import Selection, audit
from retention.services.ingest.ingest import Ingest, IngestReport
from retention.services.progress import Progress
from retention.services.rebuild import RebuildReport
from retention.services.retrieve import every_study, export_quarantined, export_studies
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Life:
    """One archive, opened anew for everything that is done with it, as commands do."""

    root: Path
    progress: Progress

    def begin(self, name: str) -> ArchiveSettings:
        """`retention init`. Raises UsageError for a folder that is not empty."""
        stores = create_archive(self.root, name, is_rehearsal=False).stores
        with closing(stores):
            return stores.settings

    def keep(self, folder: Path, institution: str, tier: str) -> IngestReport:
        """`retention ingest`, for an institution that is made first. Raises the first failure."""
        with self._open_to_write() as stores:
            record = add_institution(stores, InstitutionSpec(institution))
            report = Ingest(stores, record.institution_id, tier, self.progress).run([folder])
        for failure in report.failures:
            raise failure
        return report

    def held(self) -> list[StudySummary]:
        """`retention study list`. Raises CatalogMissingError."""
        with closing(open_archive(self.root)) as stores:
            return list(stores.catalog.studies(StudyFilter()))

    def missing_catalog(self) -> CatalogMissingError | None:
        """Return what every command says while the catalog is gone."""
        try:
            self.held()
        except CatalogMissingError as error:
            return error
        return None

    def audit(self) -> AuditReport:
        """`retention audit run --all`."""
        with self._open_to_write() as stores:
            return audit(stores, Selection(), self.progress, repair=True)

    def rebuild(self) -> RebuildReport:
        """`retention catalog rebuild`."""
        return rebuild_archive_catalog(self.root, self.progress)

    def give_back(self, institution: str, out: Path) -> None:
        """`retention study export --all`, `retention quarantine export` of every item."""
        with closing(open_archive(self.root)) as stores:
            report = export_studies(stores, every_study(stores, institution, out), self.progress)
            for failure in report.failures:
                raise failure
            for item in list(stores.catalog.quarantined(institution)):
                export_quarantined(stores, item.item_id, out / "quarantine")

    def recover_alone(self, volumes: Sequence[str], out: Path) -> str | None:
        """Run the `recover.py` that lies on the first volume, in a Python of its own; return its complaint, if any."""
        places = [self.root / volume for volume in volumes]
        key = self.root / "secrets" / "root.key"
        arguments = map(str, ("-I", places[0] / "recover.py", "--key", key, "--out", out, *places))
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  # our own file
        return None if done.returncode == 0 else done.stderr.strip()

    @contextmanager
    def _open_to_write(self) -> Iterator[Stores]:
        with closing(open_archive(self.root)) as stores:
            prepare_to_write(stores)
            yield stores
