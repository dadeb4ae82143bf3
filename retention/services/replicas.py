"""Journal and keyring beside what the catalog knows: files that a replica lacks, keys that no replica has.

An append looks only at the last file of each, and reading takes whichever replica has a thing; so what was deleted
elsewhere would go unnoticed until the last copy of it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from retention.catalog.records import PackageKey
from retention.model.errors import StorageError
from retention.services.stores import Stores

PREFIXES = ("journal/", "keyring/")
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LackingFile:
    """A file that a replica lacks, or has another size of than the others."""

    volume: str
    key: str
    size_bytes: int | None
    """What lies there; None when nothing does."""

    def __str__(self) -> str:
        if self.size_bytes is None:
            return f"{self.volume} has no {self.key}"
        return f"{self.key} on {self.volume} has {self.size_bytes} bytes, not as many as elsewhere"


def lacking_files(stores: Stores) -> list[LackingFile]:
    """Return the files of journal and keyring that replicas lack; names and sizes only, an audit reads the bytes.

    What a run that is writing has done on some and not yet on all is not among them. Raises VolumeUnavailableError
    when no replica answers.
    """
    first = _lacking(stores)
    if not first:
        return []
    time.sleep(PAUSE_S)
    return sorted(set(first) & set(_lacking(stores)), key=lambda found: (found.volume, found.key))


def keys_nowhere(stores: Stores) -> Iterator[PackageKey]:
    """Yield the packages whose key no replica of the keyring has: nobody can read them.

    Raises KeyUnavailableError without the root key, VolumeUnavailableError.
    """
    keyring = stores.keyring
    return (
        key for key in stores.catalog.package_keys() if not keyring.has_package_key(key.key_id, key.segment)
    )


def _lacking(stores: Stores) -> list[LackingFile]:
    found: dict[str, dict[str, int]] = {}
    for replica in stores.volumes.replicas(stores.volumes.states()):
        try:
            sizes = {stat.key: stat.size_bytes for prefix in PREFIXES for stat in replica.volume.list(prefix)}
        except StorageError:
            continue  # it is away, as others say
        found[replica.name] = sizes
    usual: dict[str, int] = {}
    for sizes in found.values():
        for key, size_bytes in sizes.items():
            usual[key] = max(size_bytes, usual.get(key, 0))
    return [
        LackingFile(volume, key, sizes.get(key))
        for volume, sizes in found.items()
        for key, size_bytes in usual.items()
        if sizes.get(key) != size_bytes
    ]
