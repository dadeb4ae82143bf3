"""Who may call: the AE titles that archive.yaml gives to institutions. Nobody else is let in.

An AE title is a name, not a proof of identity; it says whose institution's an instance becomes. With TLS the names in a
certificate say what may be asked for; without it, on this machine, a device may send and ask. The file is read again
when it changed, so that an institution added while the archive serves is known at its next association.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pynetdicom.association import Association

from retention.model.errors import ArchiveError, InputError
from retention.model.identifiers import InstitutionId
from retention.model.layout import PeerSpec
from retention.services.authorisation import Caller, Method, Need, is_allowed, let_in
from retention.services.events import Names
from retention.services.identity.certificates import grants_of
from retention.services.people import INGEST, READER
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
        self._peers: tuple[PeerSpec, ...] = ()
        self._access = stores.settings.access

    def institution_of(self, ae_title: str) -> InstitutionId | None:
        """Return whose device calls itself so, None if nobody's."""
        with self._lock:
            self._refresh()
            return self._known.get(ae_title.strip())

    def caller_of(self, ae_title: str, names: frozenset[str], *, is_encrypted: bool) -> Caller | None:
        """Return who calls itself so, None if nobody may: with TLS the certificate's names say what its roles are."""
        with self._lock:
            self._refresh()
            institution = self._known.get(ae_title.strip())
            access = self._access
        if institution is None:
            return None
        actor = Names(self._stores.keyring.index_key.secret).caller("device", ae_title.strip())
        if not is_encrypted:
            return Caller(actor, Method.LOCAL, frozenset({(institution, READER), (institution, INGEST)}))
        grants = grants_of(self._stores, access, names)
        own = frozenset((place, role) for place, role in grants if place == institution)
        return Caller(actor, Method.CERTIFICATE, own) if own else None

    def admitted(self, association: Association, need: Need) -> InstitutionId | None:
        """Return the institution of who called, None when it may not ask for this (any more)."""
        institution = self.institution_of(str(association.requestor.ae_title))
        caller: Caller | None = getattr(association, "caller", None)
        if institution is None or caller is None or not is_allowed(caller, institution, need):
            return None
        let_in(caller)
        return institution

    def named(self, institution: str) -> InstitutionId | None:
        """Return the institution of that name."""
        for record in self._stores.catalog.institutions():
            if record.spec.name == institution:
                return record.institution_id
        return None

    def peers(self) -> tuple[PeerSpec, ...]:
        """Return the peers that archive.yaml names now."""
        with self._lock:
            self._refresh()
            return self._peers

    def destination(self, ae_title: str, institution: InstitutionId) -> PeerSpec | None:
        """Return where a move may go: what is configured, for everybody or for this institution."""
        for peer in self.peers():
            if peer.ae_title == ae_title and (
                peer.institution is None or self.named(peer.institution) == institution
            ):
                return peer
        return None

    def _refresh(self) -> None:
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._read()
            self._stamp = stamp

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return self._stamp
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> None:
        """Take what is in force; what was known before stays while the file is not valid."""
        try:
            settings = load_settings(self._path)
        except (ArchiveError, InputError):
            return
        ids = {record.spec.name: record.institution_id for record in self._stores.catalog.institutions()}
        self._peers = tuple(settings.peers.values())
        self._access = settings.access
        self._known = {
            title: ids[name]
            for name, spec in settings.institutions.items()
            if name in ids
            for title in spec.ae_titles
        }
