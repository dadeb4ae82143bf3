"""What people do with keys: so far, saying that the recovery key lies where it survives this machine."""

from __future__ import annotations

from retention.journal.envelope import NewEntry
from retention.services import commit, events
from retention.services.stores import Stores


def record_recovery_stored(stores: Stores) -> None:
    """Put into the journal that somebody says the recovery key was put away."""
    data = {"recovery_key": str(stores.keyring.status().recovery_key_id)}
    commit.append(stores, [NewEntry(stores.clock.now(), stores.actor, events.RECOVERY_STORED, data=data)])
