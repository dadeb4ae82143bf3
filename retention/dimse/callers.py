"""Who may call: the AE titles that archive.yaml gives to institutions. Nobody else is let in.

An AE title is a name, not a proof of identity; it says whose institution's an instance becomes. The file is read again
when it changed, so that an institution added while the archive serves is known at its next association.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from retention.model.errors import ArchiveError, InputError
from retention.model.identifiers import InstitutionId
from retention.services.stores import Stores
from retention.settings.load import FILE_NAME, load_settings


class Callers:
    """Institutions by calling AE title. Used by many threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._path = Path(stores.root, FILE_NAME)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, InstitutionId] = {}

    def institution_of(self, ae_title: str) -> InstitutionId | None:
        """Return whose device calls itself so, None if nobody's."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._known, self._stamp = self._read(), stamp
            return self._known.get(ae_title.strip())

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return self._stamp
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> dict[str, InstitutionId]:
        """Return the titles in force; those known before while the file is not valid."""
        try:
            settings = load_settings(self._path)
        except (ArchiveError, InputError):
            return self._known
        ids = {record.spec.name: record.institution_id for record in self._stores.catalog.institutions()}
        return {
            title: ids[name]
            for name, spec in settings.institutions.items()
            if name in ids
            for title in spec.ae_titles
        }
