"""What moved packages held, for a rebuild: their own manifests went with their keys, their successors' are left.

A move seals the same contents under a new key; the old one is forgotten once the old form is dropped. So whoever
replays the journal from its beginning finds the first manifest of a moved study closed, and reads the last one.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

from retention.journal.envelope import Entry
from retention.journal.journal import Journal
from retention.keyring.keyring import Keyring
from retention.model.errors import KeyringBrokenError, KeyUnavailableError
from retention.model.identifiers import InstitutionId, KeyId, PackageId
from retention.package.manifest import Contents, read_contents
from retention.package.sealing import Sealer
from retention.services.events import PACKAGE_MOVE, number_of, text_of

READ_AHEAD = 256
"""What was ingested together is moved together: manifests that follow one are likely to be wanted next."""
KEPT_BYTES = 64 * 1024 * 1024


class Successors:
    """Finds the last form of packages that were moved. The journal is looked through once, when first asked."""

    def __init__(self, journal: Journal, keyring: Keyring) -> None:
        self._journal = journal
        self._keyring = keyring
        self._moves: dict[str, tuple[str, int]] | None = None
        self._read: OrderedDict[int, Entry] = OrderedDict()
        self._read_bytes = 0

    def contents_of(self, package: PackageId) -> Contents | None:
        """Return what a package held, by the manifest of the last form of it; None if that cannot be opened either."""
        seq = self._last_move(package)
        return None if seq is None else self._open(self._entry(seq))

    def _last_move(self, package: str) -> int | None:
        if self._moves is None:
            self._moves = {
                entry.envelope.objects["supersedes"]: (entry.envelope.objects["package"], entry.envelope.seq)
                for entry in self._journal.read()
                if entry.envelope.action == PACKAGE_MOVE
            }
        seq = None
        while package in self._moves:
            package, seq = self._moves[package]
        return seq

    def _entry(self, seq: int) -> Entry:
        if seq not in self._read:
            for entry in islice(self._journal.read(seq), READ_AHEAD):
                if entry.envelope.action == PACKAGE_MOVE:
                    self._keep(entry)
        return self._read[seq]

    def _keep(self, entry: Entry) -> None:
        if entry.envelope.seq not in self._read:
            self._read_bytes += len(entry.payload or b"")
        self._read[entry.envelope.seq] = entry
        while self._read_bytes > KEPT_BYTES and len(self._read) > READ_AHEAD:
            _, gone = self._read.popitem(last=False)
            self._read_bytes -= len(gone.payload or b"")

    def _open(self, entry: Entry) -> Contents | None:
        envelope = entry.envelope
        try:
            key = self._keyring.package_key(
                KeyId(text_of(envelope.data, "key")), number_of(envelope.data, "key_segment")
            )
        except (KeyUnavailableError, KeyringBrokenError):
            return None
        institution = InstitutionId(envelope.institution or "")
        sealer = Sealer.of(key, PackageId(envelope.objects["package"]), institution)
        return read_contents(entry.payload or b"", sealer)
