"""The composition root: makes and opens archives, and wires their parts. The only place where drivers are chosen.

An archive is a folder with `archive.yaml`. Opening one never makes anything: what is missing is said. Each part is
imported when it is wired, so that a look at the catalog does not wait for codecs and ciphers.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from retention.model.clock import Clock, RehearsalClock, SystemClock
from retention.model.errors import (
    ArchiveError,
    ArchiveNotFoundError,
    CatalogError,
    ClockRefusedError,
    StorageError,
    UsageError,
)
from retention.model.identifiers import ArchiveId, new_id
from retention.model.layout import ArchiveSettings, InstitutionSpec
from retention.services.stores import Openers, Stores
from retention.settings.environment import root_key_path
from retention.settings.load import load_settings, parse_settings, read_file

if TYPE_CHECKING:
    from retention.catalog.catalog import Catalog
    from retention.catalog.records import InstitutionRecord, VolumeRecord
    from retention.journal.journal import Journal
    from retention.keyring.keyring import Keyring
    from retention.services.keys import Means
    from retention.services.loosening import Consent
    from retention.services.progress import Progress
    from retention.services.rebuild import RebuildReport
    from retention.services.volumes import VolumeReplica, VolumeSet

SETTINGS_FILE = "archive.yaml"


@dataclass(frozen=True, slots=True)
class NewArchive:
    """A new archive, and its recovery key: shown once, kept nowhere."""

    stores: Stores
    recovery_key: str


def create_archive(root: Path, name: str, *, is_rehearsal: bool, clock: Clock | None = None) -> NewArchive:
    """Make an archive with the embedded defaults in an empty or absent folder. Raises UsageError for another.

    `archive.yaml` comes last: nothing looks like an archive before it is one. What fails leaves nothing behind.
    """
    from retention.settings.default import default_settings_text

    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(
            f"{root} is not empty", hint="name a new folder; an archive is never made over another"
        )
    text = default_settings_text(name)
    settings = parse_settings(text)
    with _undone_on_failure(root):
        return _make_archive(root, settings, text, clock or SystemClock(), is_rehearsal=is_rehearsal)


def _make_archive(
    root: Path, settings: ArchiveSettings, text: str, clock: Clock, *, is_rehearsal: bool
) -> NewArchive:
    from retention.catalog.catalog import Catalog
    from retention.journal.journal import Journal
    from retention.keyring.keyring import Keyring
    from retention.keyring.recovery import write_recovery_key
    from retention.keyring.rootkey import new_secret
    from retention.services import initialise
    from retention.services.root_key_file import write_root_key_file
    from retention.services.volumes import VolumeSet
    from retention.settings.save import save_text
    from retention.storage.open import open_volume

    archive_id, root_secret, recovery_secret = ArchiveId(new_id()), new_secret(), new_secret()
    write_root_key_file(root_key_path(root, os.environ), root_secret)
    volumes = VolumeSet(
        {spec.name: open_volume(spec, root, clock) for spec in settings.volumes.values()}, settings
    )
    stores = Stores(
        root,
        settings,
        clock,
        archive_id,
        Openers(
            catalog=lambda: Catalog.create(settings.catalog, archive_id, root=root),
            volumes=lambda: volumes,
            journal=lambda: Journal.create(_replicas(volumes)),
            keyring=lambda: Keyring.create(_replicas(volumes), archive_id, root_secret, recovery_secret),
        ),
    )
    recorded = initialise.initialise_volumes(stores, volumes)
    initialise.record_beginning(stores, recorded, text, is_rehearsal=is_rehearsal)
    initialise.copy_library(root / initialise.POLICIES)
    save_text(root / SETTINGS_FILE, text)
    return NewArchive(stores, write_recovery_key(recovery_secret))


@contextmanager
def _undone_on_failure(root: Path) -> Iterator[None]:
    """Make the folder of a new archive; leave nothing there, nor a key elsewhere, when making it fails."""
    was_there, key = root.exists(), root_key_path(root, os.environ)
    had_key = key.exists()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in root.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not was_there:
            root.rmdir()
        if not had_key:
            key.unlink(missing_ok=True)
        raise


def open_archive(root: Path, *, as_of: datetime | None = None, person: str | None = None) -> Stores:
    """Open an archive to read from its catalog; other parts are opened when they are needed.

    `person` is who says that he or she acts. Raises ArchiveNotFoundError, SettingsError, CatalogMissingError,
    CatalogError; ClockRefusedError when `as_of` is given and the archive is not a rehearsal; UsageError when `person`
    is no name.
    """
    from retention.catalog.catalog import Catalog
    from retention.catalog.state import CONFIG_TEXT_STATE
    from retention.services.events import person_name

    written = read_file(root / SETTINGS_FILE)
    settings = parse_settings(written, str(root / SETTINGS_FILE))
    catalog = Catalog.open(settings.catalog, root=root)
    in_force = settings
    is_noted = catalog.state(CONFIG_TEXT_STATE) == written.decode("utf-8", "replace")
    if not is_noted:
        from retention.services.config_in_force import settings_in_force

        in_force = settings_in_force(catalog, written.decode("utf-8", "replace"), settings)
    stores = _stores(root, in_force, catalog.archive_id(), catalog, SystemClock())
    stores.is_config_waiting, stores.is_config_noted = in_force is not settings, is_noted
    if as_of is not None:
        _set_clock(stores, as_of)
    stores.person = None if person is None else person_name(person)
    return stores


def open_archive_to_examine(root: Path) -> Stores:
    """Open an archive whose catalog may be missing or unusable: whoever asks for that is told why.

    Raises ArchiveNotFoundError, SettingsError.
    """
    from retention.catalog.catalog import Catalog

    settings = load_settings(root / SETTINGS_FILE)
    try:
        catalog = Catalog.open(settings.catalog, root=root)
    except ArchiveError:
        return _stores(root, settings, _archive_id_from_volumes(root, settings), None, SystemClock())
    return _stores(root, settings, catalog.archive_id(), catalog, SystemClock())


def _set_clock(stores: Stores, as_of: datetime) -> None:
    from retention.services import initialise

    if not initialise.is_rehearsal(stores):
        raise ClockRefusedError(
            "this is a production archive: it takes its time from the clock alone",
            hint="rehearse on an archive made with `retention init --rehearsal`",
        )
    stores.clock = RehearsalClock(as_of)


def prepare_to_write(stores: Stores) -> None:
    """What every command that changes the archive does first: catch the catalog up, clean up after killed runs.

    Raises SettingsError when packages lie on a tier that archive.yaml does not name any more.
    """
    from retention.services import commit, disclosing, sessions, tiers, volume_care

    tiers.require_those_in_use(stores, stores.settings)
    with stores.commit_lock.hold():
        stores.journal.refresh()
        try:
            stores.journal.settle()  # what is acted upon is on enough replicas
        except StorageError:
            if not volume_care.adopt_emptied(stores):
                raise
            stores.journal.settle()
        commit.catch_up(stores)
        volume_care.record_moved(stores)
        if not stores.is_config_noted:
            from retention.services import config  # it needs signatures, requests, decisions …

            config.note(stores)
        sessions.recover(stores.root, stores.volumes, stores.catalog)
        disclosing.enter_late(stores)


def rebuild_archive_catalog(
    root: Path, progress: Progress, *, as_of: datetime | None = None
) -> RebuildReport:
    """Make the catalog anew from the online volumes alone.

    Raises as `rebuild_catalog`, ClockRefusedError as `open_archive`, and ArchiveNotFoundError when no volume answers.
    """
    from retention.services import rebuild, volume_care

    settings = load_settings(root / SETTINGS_FILE)
    archive_id = _archive_id_from_volumes(root, settings)
    stores = _stores(root, settings, archive_id, None, SystemClock())
    try:
        if as_of is not None:
            _set_clock(stores, as_of)
        with stores.commit_lock.hold():
            _refuse_to_forget(root, settings, stores)
            report = rebuild.rebuild_catalog(
                settings.catalog,
                root,
                archive_id,
                stores.journal,
                stores.keyring,
                progress,
                now=stores.clock.now(),
            )
            volume_care.record_moved(stores)  # the archive may have come from another machine
            return report
    finally:
        stores.close()


def _refuse_to_forget(root: Path, settings: ArchiveSettings, stores: Stores) -> None:
    """Refuse to replace a catalog that knows more than the journal: it is the only witness of what the journal lost."""
    from retention.catalog.catalog import Catalog

    try:
        with Catalog.open(settings.catalog, root=root) as old:
            applied = old.position().size
    except ArchiveError:
        return  # missing or unreadable: that is what a rebuild is for
    if applied > stores.journal.size:
        raise CatalogError(
            f"the catalog has applied {applied} journal entries, and the volumes have only {stores.journal.size}",
            hint="bring back the volumes that carry the journal's end; to give it up, move catalog.db* away first",
        )


def _stores(
    root: Path, settings: ArchiveSettings, archive_id: ArchiveId, catalog: Catalog | None, clock: Clock
) -> Stores:
    def open_volumes() -> VolumeSet:
        from retention.services.volumes import VolumeSet
        from retention.storage.identity import DeviceRecord, VolumeIdentity
        from retention.storage.open import open_volume

        recorded = {} if catalog is None else {record.spec.name: record for record in catalog.volumes()}
        opened = {}
        for name, spec in settings.volumes.items():
            record = recorded.get(name)
            expected = device = None
            if record is not None:
                expected = VolumeIdentity(archive_id, record.volume_id, name, "")
                device = DeviceRecord(record.device, record.is_mount) if record.device is not None else None
            opened[name] = open_volume(spec, root, stores.ticking, expected=expected, recorded=device)
        return VolumeSet(opened, settings)

    def open_journal() -> Journal:
        from retention.journal.journal import Journal
        from retention.services.journal_hint import hint_of

        hint = None if catalog is None else hint_of(catalog.position())
        return Journal.open(_replicas(stores.volumes), hint=hint)

    def open_catalog() -> Catalog:
        from retention.catalog.catalog import Catalog

        return catalog if catalog is not None else Catalog.open(settings.catalog, root=root)

    def open_keyring() -> Keyring:
        from retention.keyring.keyring import Keyring
        from retention.services.root_key_file import root_key_of

        return Keyring.open(_replicas(stores.volumes), root_key_of(root))

    openers = Openers(open_catalog, open_volumes, open_journal, open_keyring)
    stores = Stores(root, settings, clock, archive_id, openers)
    return stores


def _replicas(volumes: VolumeSet) -> list[VolumeReplica]:
    return volumes.replicas(volumes.states(volumes.replica_names()))


def _archive_id_from_volumes(root: Path, settings: ArchiveSettings) -> ArchiveId:
    """Return the archive that the volumes say they belong to. Raises ArchiveNotFoundError unless they agree."""
    from retention.storage.open import open_volume

    found: Counter[ArchiveId] = Counter()
    for spec in settings.volumes.values():
        try:
            identity = open_volume(spec, root, SystemClock()).identity()
        except StorageError:
            continue  # it is away
        if identity is not None:
            found[identity.archive_id] += 1
    if len(found) != 1:
        what = (
            "none of the volumes has an identity" if not found else "the volumes belong to different archives"
        )
        raise ArchiveNotFoundError(
            what, hint="check that the right disks are mounted at the places in archive.yaml"
        )
    return next(iter(found))


def root_key_by(root: Path, means: Means) -> bytes:
    """Return the root key that `means` open, proven by the keyring on the volumes; nothing is written.

    Raises as `services.keys.root_from`, and ArchiveNotFoundError when no volume answers.
    """
    from retention.keyring.rootdocument import ROOT_DOCUMENT
    from retention.model.replica import ReplicaSet, read_if_there
    from retention.services.keys import root_from

    settings = load_settings(root / SETTINGS_FILE)
    stores = _stores(root, settings, _archive_id_from_volumes(root, settings), None, SystemClock())
    replicas = ReplicaSet(_replicas(stores.volumes), 1)
    try:
        found = replicas.each(lambda replica: read_if_there(replica, ROOT_DOCUMENT)).done.values()
        return root_from(dict.fromkeys(document for document in found if document), means)
    finally:
        replicas.close()
        stores.close()


def migrate_archive_catalog(root: Path) -> tuple[str, ...]:
    """Bring the catalog's schema to this program's version; return the versions added, oldest first."""
    from retention.catalog.migration import migrate

    settings = load_settings(root / SETTINGS_FILE)
    return migrate(settings.catalog, root=root)


def replace_archive_volume(stores: Stores, name: str, url: str | None) -> VolumeRecord:
    """Make another place the volume `name`, in archive.yaml too. Raises as `volume_care.replace_volume`."""
    from retention.services import settings_file, volume_care

    record = volume_care.replace_volume(stores, name, url)
    if url is not None:
        settings_file.write_volume(stores, name, url)
    return record


def institution_of(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name; an archive without any makes it, and writes it into archive.yaml.

    Raises UsageError for a name that is not known or cannot be one, ArchiveError when archive.yaml cannot be written.
    """
    from retention.services import institutions, settings_file

    record = institutions.first_or_known(stores, name)
    settings_file.write_institution(stores, record.spec)
    return record


def add_institution(stores: Stores, spec: InstitutionSpec) -> InstitutionRecord:
    """Make an institution, in archive.yaml too. Raises as `institutions.add`, ArchiveError as `institution_of`."""
    from retention.services import institutions, settings_file

    record = institutions.add(stores, spec)
    settings_file.write_institution(stores, record.spec)
    return record


def change_institution(stores: Stores, spec: InstitutionSpec, consent: Consent) -> str | None:
    """Give an institution new particulars, in archive.yaml too; raises and returns as `institutions.change`."""
    from retention.services import decisions, institutions, settings_file

    request = institutions.change(stores, spec, consent)
    if request is None:
        settings_file.write_institution(stores, spec)
        decisions.refresh(stores)
    return request
