"""What the tests of storage agree on: names, identities, and how to put an object on a volume."""

from __future__ import annotations

from retention.model.identifiers import ArchiveId, VolumeId
from retention.model.layout import VolumeSpec
from retention.storage.identity import VolumeIdentity
from retention.storage.volume import Upload, Volume

SESSION = "run1"
KEY = "packages/3f/3f00.00.g0.shard"
OTHER_KEY = "packages/a0/a000.01.g0.shard"


def spec(name: str = "cold-1", domain: str = "disk-1") -> VolumeSpec:
    return VolumeSpec(name, f"file:{name}", "paris", domain)


def identity(name: str = "cold-1", *, volume: str = "b", archive: str = "a") -> VolumeIdentity:
    return VolumeIdentity(ArchiveId(archive * 32), VolumeId(volume * 32), name, "2026-11-24T05:32:03.000000Z")


def sealed(volume: Volume, key: str = KEY, data: bytes = b"bytes", session: str = SESSION) -> Upload:
    upload = volume.begin(key, session)
    upload.write(data)
    upload.seal()
    return upload


def put(volume: Volume, key: str = KEY, data: bytes = b"bytes") -> None:
    with sealed(volume, key, data) as upload:
        upload.publish()
    volume.flush()


def content(volume: Volume, key: str = KEY, *, from_medium: bool = False) -> bytes:
    with volume.open(key, from_medium=from_medium) as reader:
        return reader.read_at(0, reader.size_bytes)


def keys(volume: Volume, prefix: str = "packages/") -> list[str]:
    return [found.key for found in volume.list(prefix)]
