"""Whether the archive can work now: what it receives, keeps and writes down depends on.

The invariant: it is cheap, changes nothing, and says nothing of what is held.
"""

from __future__ import annotations

from retention.journal.journal import MINIMUM
from retention.model.errors import StorageError
from retention.services.staging.places import TIER, choose
from retention.services.stores import Stores
from retention.storage.state import VolumeState


def obstacles(stores: Stores) -> list[str]:
    """Return what keeps it from working, nothing when it can. Raises CatalogError, KeyUnavailableError."""
    found: list[str] = []
    stores.catalog.position()
    ready = {
        name
        for name, state in stores.volumes.states(stores.volumes.replica_names()).items()
        if state is VolumeState.READY
    }
    if len(ready) < MINIMUM:
        found.append(f"the journal can be written on {len(ready)} volumes, {MINIMUM} are needed")
    hot = stores.settings.tiers.get(TIER)
    try:
        choose(stores.volumes, () if hot is None else hot.volumes)
    except StorageError as error:
        found.append(f"nothing can be received: {error.message}")
    return found
