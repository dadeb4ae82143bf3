"""The volumes of one archive, opened once: which of them answer, and which carry journal and keyring.

The invariant: a volume is used only if it proved to be the one recorded. What is on its medium but not its identity is
never written to (design §6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from retention.model.errors import NotFoundError, ObjectNotFoundError, VolumeUnavailableError
from retention.model.layout import ArchiveSettings, TierSpec
from retention.storage.state import VolumeState
from retention.storage.volume import Volume

REPLICA_TIERS = (("hot", 2), ("cold", 3))
"""Journal and keyring lie on the first volumes of these tiers, so that losing any two loses nothing acknowledged."""

MIN_REPLICAS = 2

_DOCUMENTS = ("journal/", "keyring/")
_SHARD_KEY = re.compile(r"packages/([0-9a-f]{2})/(\1[0-9a-f]{30})\.([0-9]{2})\.g(0|[1-9][0-9]{0,8})\.shard\Z")


@dataclass(slots=True)
class VolumeReplica:
    """A volume as journal and keyring see it: `retention.model.replica.Replica`."""

    volume: Volume

    @property
    def name(self) -> str:
        return self.volume.name

    def append(self, key: str, data: bytes, expected_size: int) -> None:
        self.volume.append(key, data, expected_size)

    def replace(self, key: str, data: bytes) -> None:
        self.volume.replace(key, data)

    def truncate(self, key: str, size_bytes: int) -> None:
        self.volume.truncate(key, size_bytes)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        with self.volume.open(key) as reader:
            rest = max(0, reader.size_bytes - offset)
            return reader.read_at(offset, rest if length is None else min(length, rest))

    def size(self, key: str) -> int | None:
        try:
            return self.volume.stat(key).size_bytes
        except ObjectNotFoundError:
            return None

    def version(self, key: str) -> str | None:
        try:
            return self.volume.stat(key).version
        except ObjectNotFoundError:
            return None

    def list(self, prefix: str) -> list[str]:
        return [stat.key for stat in self.volume.list(prefix)]

    def delete(self, key: str) -> None:
        if not key.startswith(_DOCUMENTS):
            raise ValueError(f"not a part of journal or keyring: {key!r}")
        self.volume.delete_many([key])


class VolumeSet:
    """All volumes of the archive by name, in the order of archive.yaml.

    One that the catalog knows and archive.yaml does not is to whoever asks for it as one that is away.
    """

    def __init__(self, volumes: Mapping[str, Volume], settings: ArchiveSettings) -> None:
        self._volumes = dict(volumes)
        self._settings = settings
        self._pool: ThreadPoolExecutor | None = None

    def __iter__(self) -> Iterator[Volume]:
        return iter(self._volumes.values())

    def __getitem__(self, name: str) -> Volume:
        try:
            return self._volumes[name]
        except KeyError:
            raise VolumeUnavailableError(
                f"volume {name}: it is not among the volumes of archive.yaml",
                hint="put it back there, or into another's place: retention volume replace",
                volume=name,
            ) from None

    def put(self, volume: Volume) -> None:
        """Let a volume stand in the place of the one of its name."""
        self._volumes[volume.name] = volume

    def __contains__(self, name: str) -> bool:
        return name in self._volumes

    def states(self, names: Iterable[str] | None = None) -> dict[str, VolumeState]:
        """Return what a look at each volume, or at those named, finds now."""
        return {name: self._volumes[name].probe() for name in (self._volumes if names is None else names)}

    def of_tier(self, tier: TierSpec) -> list[Volume]:
        return [self._volumes[name] for name in tier.volumes]

    def spares(self) -> list[Volume]:
        """Return the volumes that belong to no tier: they stand in for lost ones."""
        used = {name for tier in self._settings.tiers.values() for name in tier.volumes}
        return [volume for name, volume in self._volumes.items() if name not in used]

    def tier(self, name: str) -> TierSpec:
        try:
            return self._settings.tiers[name]
        except KeyError:
            known = ", ".join(self._settings.tiers)
            raise NotFoundError(f"there is no tier {name}", hint=f"the tiers are: {known}") from None

    def replica_names(self) -> list[str]:
        """Return the names of the volumes that carry journal and keyring."""
        names: list[str] = []
        for tier, count in REPLICA_TIERS:
            if tier in self._settings.tiers:
                names += self._settings.tiers[tier].volumes[:count]
        able = [name for name in dict.fromkeys(names) if self._volumes[name].supports_append]
        if len(able) < MIN_REPLICAS:
            others = (name for name, volume in self._volumes.items() if volume.supports_append)
            able = list(dict.fromkeys([*able, *others]))[:5]
        return able

    def replicas(self, states: Mapping[str, VolumeState]) -> list[VolumeReplica]:
        """Return the replicas on volumes that can be read. Raises VolumeUnavailableError when there is none."""
        names = [name for name in self.replica_names() if states[name] is not VolumeState.EMPTIED]
        usable = [VolumeReplica(self._volumes[name]) for name in names if states[name].is_readable]
        if not usable:
            raise VolumeUnavailableError(
                f"no volume that carries the journal answers: {', '.join(self.replica_names())}",
                hint="mount one of them; retention volume list shows what is wrong with each",
            )
        return usable

    def pool(self) -> ThreadPoolExecutor:
        """Return the threads that wait for media: syncs of many files at once share their work."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="volumes")
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def shard_key(package: str, shard: int, generation: int) -> str:
    """Return where a shard lies on its volume (format §2)."""
    return f"packages/{package[:2]}/{package}.{shard:02d}.g{generation}.shard"


def parse_shard_key(key: str) -> tuple[str, int, int] | None:
    """Return package, shard number and generation that a key names, or None for what `shard_key` never makes."""
    found = _SHARD_KEY.match(key)
    return None if found is None else (found[2], int(found[3]), int(found[4]))
