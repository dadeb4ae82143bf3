"""An archive whose volumes lie in memory and fail on order: for every moment at which storage can let us down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.journal.journal import Journal
from retention.keyring.keyring import Keyring
from retention.keyring.rootkey import new_secret
from retention.model.clock import SystemClock
from retention.model.identifiers import ArchiveId, VolumeId, new_id
from retention.model.layout import ArchiveSettings, VolumeSpec
from retention.services import commit, initialise, institutions, sessions
from retention.services.audit.audit import AuditReport
from retention.services.audit.selection import Selection, audit
from retention.services.ingest.ingest import Ingest, IngestReport
from retention.services.journal_hint import hint_of
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from retention.services.stores import Openers, Stores
from retention.services.volumes import VolumeSet, shard_key
from retention.settings.default import default_settings_text
from retention.settings.load import parse_settings
from retention.storage.faults import Faults
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.memory import MemoryVolume
from retention.storage.memory_medium import Medium

INSTITUTION = "necker"


def volume(name: str = "hot-a", medium: Medium | None = None) -> MemoryVolume:
    """Return a volume of its own, ready to be used."""
    made = MemoryVolume(
        VolumeSpec(name, f"memory:{name}", "main", name), medium=medium or Medium(device=name)
    )
    made.initialise(
        VolumeIdentity(ArchiveId("a" * 32), VolumeId(new_id()), name, "2026-11-24T05:32:03.000000Z")
    )
    return made


@dataclass
class MemoryWorld:
    """Catalog, sessions and lock lie below `root`; volumes on `media`, whose faults are counted together."""

    root: Path
    settings: ArchiveSettings
    archive_id: ArchiveId
    secret: bytes
    media: dict[str, Medium]

    @classmethod
    def make(cls, root: Path) -> MemoryWorld:
        root.mkdir()
        text = default_settings_text("test")
        settings = parse_settings(text)
        media = {name: Medium(device=f"memory:{name}") for name in settings.volumes}
        world = cls(root, settings, ArchiveId(new_id()), new_secret(), media)
        volumes = VolumeSet(
            {name: MemoryVolume(spec, medium=media[name]) for name, spec in settings.volumes.items()},
            settings,
        )

        def replicas():
            return volumes.replicas(volumes.states())

        openers = Openers(
            catalog=lambda: Catalog.create(settings.catalog, world.archive_id, root=root),
            volumes=lambda: volumes,
            journal=lambda: Journal.create(replicas()),
            keyring=lambda: Keyring.create(replicas(), world.archive_id, world.secret, new_secret()),
        )
        stores = Stores(root, settings, SystemClock(), world.archive_id, openers)
        recorded = initialise.initialise_volumes(stores, volumes)
        initialise.record_beginning(stores, recorded, text, is_rehearsal=False)
        institutions.first_or_known(stores, INSTITUTION)
        stores.close()
        return world

    def copy(self, root: Path) -> MemoryWorld:
        """Return the same archive once more, with media of its own."""
        shutil.copytree(self.root, root)
        media = {}
        for name, old in self.media.items():
            media[name] = new = Medium(device=old.device.device)
            new.seen = dict(old.seen)
            new.durable = dict(old.durable)
            new.used_bytes = old.used_bytes
        return MemoryWorld(root, self.settings, self.archive_id, self.secret, media)

    def share_faults(self) -> Faults:
        """Let all media count their operations together, and return the one place where faults are ordered."""
        faults = Faults()
        for medium in self.media.values():
            medium.faults = faults
        return faults

    def heal(self) -> None:
        """No more faults: what happened has happened."""
        for medium in self.media.values():
            medium.faults = Faults()
            medium.is_missing = medium.is_read_only = False

    def cut_power(self) -> None:
        """Every medium loses what was not durable."""
        for name, medium in self.media.items():
            MemoryVolume(self.settings.volumes[name], medium=medium).crash()

    @contextmanager
    def opened(self) -> Iterator[Stores]:
        """Open the archive as every command does that writes."""
        stores = self._stores()
        try:
            with stores.commit_lock.hold():
                stores.journal.refresh()
                stores.journal.settle()
                commit.catch_up(stores)
                sessions.recover(stores.root, stores.volumes, stores.catalog)
            yield stores
        finally:
            stores.close()

    def ingest(self, source: Path, tier: str = "hot") -> IngestReport:
        with self.opened() as stores:
            owner = institutions.find(stores, INSTITUTION)
            return Ingest(stores, owner.institution_id, tier, NoProgress(), 2).run([source])

    def audit(self) -> AuditReport:
        with self.opened() as stores:
            return audit(stores, Selection(), NoProgress(), repair=True)

    def export(self, out: Path) -> dict[str, bytes]:
        shutil.rmtree(out, ignore_errors=True)
        with self.opened() as stores:
            for summary in list(stores.catalog.studies()):
                study = stores.catalog.study(summary.study_uid)
                report = export_study(stores, study, out / summary.study_uid, NoProgress(), 1)
                assert report.failures == []
        return {
            path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()
        }

    def shards(self) -> set[tuple[str, str]]:
        """Return (volume, key) of everything that lies under `packages/`."""
        return {
            (n, key) for n, medium in self.media.items() for key in medium.seen if key.startswith("packages/")
        }

    def known_shards(self) -> set[tuple[str, str]]:
        """Return (volume, key) of everything the catalog says lies somewhere."""
        with self.opened() as stores:
            placed = list(stores.catalog.placed_shards())
        return {(s.volume, shard_key(s.package_id, s.number, s.generation)) for s in placed}

    def unfinished(self) -> list[str]:
        return [name for medium in self.media.values() for name in medium.incoming]

    def _stores(self) -> Stores:
        catalog = Catalog.open(self.settings.catalog, root=self.root)
        volumes = {}
        for record in catalog.volumes():
            identity = VolumeIdentity(self.archive_id, record.volume_id, record.spec.name, "")
            volumes[record.spec.name] = MemoryVolume(
                record.spec,
                expected=identity,
                recorded=DeviceRecord(str(record.device), record.is_mount),
                medium=self.media[record.spec.name],
            )
        held = VolumeSet(volumes, self.settings)
        openers = Openers(
            catalog=lambda: catalog,
            volumes=lambda: held,
            journal=lambda: Journal.open(held.replicas(held.states()), hint=hint_of(catalog.position())),
            keyring=lambda: Keyring.open(held.replicas(held.states()), self.secret),
        )
        return Stores(self.root, self.settings, SystemClock(), self.archive_id, openers)
