"""The stores a use case works on: volumes, journal, keyring and catalog of one archive, and its clock.

`retention.archive` wires them; services receive them and never choose a driver.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from retention.model.clock import Clock
from retention.model.errors import ArchiveError, LockedError
from retention.model.identifiers import ArchiveId
from retention.model.layout import ArchiveSettings
from retention.services.events import Names
from retention.services.together import Together

if TYPE_CHECKING:  # what a use case does not touch is not even imported: a look at the catalog stays quick
    from retention.catalog.catalog import Catalog
    from retention.journal.envelope import NewEntry
    from retention.journal.journal import Journal
    from retention.keyring.keyring import Keyring
    from retention.services.staging.view import StagedView
    from retention.services.volumes import VolumeSet
    from retention.signatures.signer import Signer

LOCK_TIMEOUT_S = 30.0
PROGRAM = "retention"
"""The program's own name as an actor: nobody has said who acts."""


class Stores:
    """Everything one archive consists of. What a use case does not touch is never opened.

    `person` is who says that he or she acts (`events.person_name`); None when nobody does. `signer` proves it with a
    key, which `open_signer` opens; `is_authenticated` says that a door has made sure of it. `is_config_waiting`:
    archive.yaml says something that is not in force, so `settings` are not what it says; `is_config_noted`: it is word
    for word what was applied last.
    """

    def __init__(
        self, root: Path, settings: ArchiveSettings, clock: Clock, archive_id: ArchiveId, openers: Openers
    ) -> None:
        self.root = root
        self.settings = settings
        self.clock = clock
        self.archive_id = archive_id
        self.person: str | None = None
        self.is_authenticated = False
        self.open_signer: Callable[[], Signer] | None = None
        self.is_config_waiting = False
        self.is_config_noted = False
        self.commit_lock = CommitLock(root / "lock")
        self.staged_view: StagedView | None = None
        self.disclosures: Together[Sequence[NewEntry]] = Together()
        self._openers = openers

    @property
    def ticking(self) -> Clock:
        """The archive's clock for what is opened before it is known whether this is a rehearsal."""
        return StoresClock(self)

    @property
    def actor(self) -> str:
        """How the journal names who acts: the program itself, or a keyed digest of the person's name."""
        if self.person is None:
            return PROGRAM
        return Names(self.keyring.index_key.secret).person(self.person)

    @cached_property
    def signer(self) -> Signer | None:
        """The key that whoever acts signs with, None without one; opened when needed: it may have a passphrase."""
        return None if self.open_signer is None else self.open_signer()

    @cached_property
    def catalog(self) -> Catalog:
        return self._openers.catalog()

    @cached_property
    def volumes(self) -> VolumeSet:
        return self._openers.volumes()

    @cached_property
    def journal(self) -> Journal:
        return self._openers.journal()

    @cached_property
    def keyring(self) -> Keyring:
        return self._openers.keyring()

    def reopen_replicas(self) -> None:
        """Open journal and keyring again: a volume that carries them has come back."""
        for name in ("journal", "keyring"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()

    def close(self) -> None:
        for name in ("journal", "keyring", "catalog", "volumes"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()


@dataclass(frozen=True, slots=True)
class StoresClock:
    """Whatever clock the stores have when it is asked."""

    stores: Stores

    def now(self) -> datetime:
        return self.stores.clock.now()

    def monotonic_s(self) -> float:
        return self.stores.clock.monotonic_s()


@dataclass(frozen=True, slots=True)
class Openers:
    """How to open each store; called once, when it is first needed."""

    catalog: Callable[[], Catalog]
    volumes: Callable[[], VolumeSet]
    journal: Callable[[], Journal]
    keyring: Callable[[], Keyring]


class CommitLock:
    """One committer at a time, over all processes on this machine: journal, keyring and catalog change together.

    Held for one commit, not for a whole run, so that an audit and an ingest work side by side.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Wait for the lock and hold it; not reentrant. Raises LockedError after `timeout_s`, ArchiveError when the
        archive's folder has no place for it."""
        descriptor = self._open()
        try:
            waited_s, pause_s = 0.0, 0.005
            while not _try_lock(descriptor):
                if waited_s >= timeout_s:
                    raise LockedError(
                        f"another process has been committing for more than {timeout_s:.0f} s",
                        hint="wait for it, or look for a retention process that hangs",
                    )
                time.sleep(pause_s)
                waited_s += pause_s
                pause_s = min(pause_s * 2, 0.25)
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ArchiveError(
                f"the archive cannot be changed, its lock {self._path} cannot be opened: {error.strerror}",
                hint="look at the permissions of the archive's folder, and whether its disk is read-only",
            ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
