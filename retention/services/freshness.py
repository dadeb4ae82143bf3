"""Does the catalog show what the journal says? A cheap look for commands that only read.

A catalog that was put back from an old backup answers as readily as a fresh one; only the journal's files, grown
beyond where the catalog stopped, give it away. A look costs the size of one file on each replica.
"""

from __future__ import annotations

import time
from enum import StrEnum

from retention.journal.segment import envelopes_key
from retention.model.errors import ArchiveError, StorageError
from retention.services.journal_hint import hint_of
from retention.services.stores import Stores

LOOKS = 4
PAUSE_S = 0.05
"""Between journal and catalog a commit takes some milliseconds: what looks behind then is not."""


class Lag(StrEnum):
    """How the catalog stands to the journal when they are not in step."""

    BEHIND = "behind"
    AHEAD = "ahead"


def lag(stores: Stores) -> Lag | None:
    """Compare how far the catalog applied the journal with how far the journal's files reach; None: in step.

    None too where no replica of the journal answers: that is for others to say.
    """
    found, size = None, -1
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE_S)
        position = stores.catalog.position()
        found = _lag(stores, position.size) if size in (-1, position.size) else None
        if found is None:
            return None
        size = position.size
    return found


def _lag(stores: Stores, applied: int) -> Lag | None:
    known = hint_of(stores.catalog.position())
    if known is None:
        return Lag.BEHIND if stores.journal.size > applied else None
    try:
        replicas = stores.volumes.replicas(stores.volumes.states())
    except (StorageError, ArchiveError):
        return None
    reached, is_following = [], False
    for replica in replicas:
        try:
            reached.append(replica.size(envelopes_key(known.segment.seq)) or 0)
            is_following |= known.size != known.segment.seq and bool(replica.size(envelopes_key(known.size)))
        except StorageError:
            continue
    if not reached:
        return None
    if is_following or max(reached) > known.end.envelopes_bytes:
        return Lag.BEHIND
    return Lag.AHEAD if max(reached) < known.end.envelopes_bytes else None
