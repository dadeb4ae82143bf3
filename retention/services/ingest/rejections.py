"""Rejection notes among what was ingested: what they name is hidden from ordinary reading, and stays held.

A note hides instances of its own institution only, whatever it names; those that are not held yet are hidden when they
come. It never destroys: that is what disposal is for, and a note that says "retention expired" is a request like any.
"""

from __future__ import annotations

from collections.abc import Sequence

from retention.dicom.rejection import read_rejection
from retention.journal.envelope import NewEntry
from retention.model.errors import InputChangedError
from retention.model.identifiers import InstitutionId
from retention.services import commit
from retention.services.entries.hiding import INSTANCE_HIDE, hide_data
from retention.services.events import Names
from retention.services.ingest.pack import open_input
from retention.services.ingest.scan import ScannedFile
from retention.services.stores import Stores


def obey(stores: Stores, institution: InstitutionId, documents: Sequence[ScannedFile]) -> int:
    """Hide what the rejection notes among these Key Object Selections name; return how many instances.

    Raises as `commit.append`.
    """
    names = Names(stores.keyring.index_key.secret)
    entries: list[NewEntry] = []
    hidden = 0
    for document in documents:
        note = read_rejection(_bytes_of(document))
        for study, uids in (note.instances if note is not None else {}).items():
            digests = [names.instance(institution, uid) for uid in uids]
            hidden += len(digests)
            entries.append(
                NewEntry(
                    at=stores.clock.now(),
                    actor=stores.actor,
                    action=INSTANCE_HIDE,
                    institution=institution,
                    objects={"study": names.study(institution, study)},
                    data=hide_data("" if note is None else note.code, digests),
                )
            )
    if entries:
        commit.append(stores, entries)
    return hidden


def _bytes_of(document: ScannedFile) -> bytes:
    try:
        opened = open_input(document)
        try:
            return opened.read(0, document.stamp.size_bytes)
        finally:
            opened.close()
    except (OSError, InputChangedError):
        return b""  # it is held, and hides nothing
