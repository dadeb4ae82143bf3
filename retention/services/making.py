"""A new package on its way into the archive: what is known of it, how it becomes durable, and the entry that makes it.

The same for a package that is ingested, moved or recalled: listed, synced, published and read back before anybody
commits it; what fails on the way is discarded, and nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from retention.journal.envelope import NewEntry
from retention.keyring.keyring import PendingKey
from retention.model.canonical import JsonValue
from retention.model.errors import RetentionError
from retention.model.identifiers import InstitutionId, PackageId
from retention.model.layout import TierSpec
from retention.package.geometry import Geometry
from retention.package.manifest import KIND_STUDY, Contents, read_public
from retention.package.records import ShardHeader
from retention.package.shard import Reference
from retention.package.writer import Tail
from retention.services.events import Names
from retention.services.sessions import Session
from retention.services.uploads import PackageUploads, seal_and_publish
from retention.services.volumes import VolumeSet


@dataclass(slots=True)
class MadePackage:
    """A package whose shards are written and still unknown to anybody."""

    package: PackageId
    institution: InstitutionId
    tier: TierSpec
    kind: str
    key: PendingKey
    uploads: PackageUploads
    header: ShardHeader
    tail: Tail
    contents: Contents

    @property
    def received_bytes(self) -> int:
        return sum(row.size_bytes for row in self.contents.instances)

    def reference(self) -> Reference:
        """Return what every shard must agree with, from memory, to compare what was read back."""
        tail = self.tail
        geometry = Geometry(self.header.protection, self.header.cell_bytes, tail.entry.stream_bytes)
        return Reference(
            self.header, tail.entry, geometry, tail.index, tail.manifest, read_public(tail.manifest)
        )


Made = TypeVar("Made", bound=MadePackage)


def make_durable(
    volumes: VolumeSet, session: Session, group: Sequence[Made]
) -> list[tuple[Made, RetentionError | None]]:
    """Sync, publish and read back a group of packages; return each with the error that stopped it.

    What is raised is nobody's alone (the session's list cannot be written): then nothing of the group stays.
    """
    try:
        session.intend([pair for made in group for pair in made.uploads.objects()])
        seal_and_publish((shard for made in group for shard in made.uploads.sound().values()), volumes)
        errors = list(volumes.pool().map(_verify, group))
    except BaseException:
        for made in group:
            made.uploads.discard()
        raise
    return list(zip(group, errors, strict=True))


def _verify(made: MadePackage) -> RetentionError | None:
    try:
        made.uploads.require_enough()
        made.uploads.read_back(made.reference())
    except RetentionError as error:
        made.uploads.discard()
        return error
    return None


def package_entry(
    made: MadePackage,
    names: Names,
    key_segment: int,
    *,
    action: str,
    at: datetime,
    actor: str,
    objects: Mapping[str, str] | None = None,
    data: Mapping[str, JsonValue] | None = None,
) -> NewEntry:
    """Return the entry that makes the package part of the archive. Its payload is the manifest, sealed already.

    `objects` and `data` are what this action has beside what every new package has.
    """
    protection, tail, placed = made.tier.protection, made.tail, made.uploads.sound()
    public: dict[str, JsonValue] = {
        "kind": made.kind,
        "tier": made.tier.name,
        "data": protection.data,
        "parity": protection.parity,
        "instances": len(made.contents.instances),
        "bytes_received": made.received_bytes,
        "shard_bytes": tail.shard_bytes,
        "shards": [placed[shard].volume if shard in placed else None for shard in range(protection.shards)],
        "index_root": tail.entry.index_root.hex(),
        "manifest": tail.entry.manifest_digest.hex(),
        "key": made.key.key_id,
        "key_segment": key_segment,
    }
    if unread := made.uploads.unread():
        public["unread"] = list(unread)
    return NewEntry(
        at=at,
        actor=actor,
        action=action,
        institution=made.institution,
        objects=_objects(names, made) | dict(objects or {}),
        data=public | dict(data or {}),
        payload=tail.manifest,
    )


def _objects(names: Names, made: MadePackage) -> dict[str, str]:
    objects = {"package": str(made.package)}
    study = made.contents.study
    if made.kind == KIND_STUDY and study is not None:
        objects["study"] = names.study(made.institution, study.study_uid)
        if study.patient.patient_id is not None:
            objects["patient"] = names.patient(
                made.institution, study.patient.patient_id, study.patient.issuer
            )
    return objects
