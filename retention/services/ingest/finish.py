"""The end of an ingest: many packages made durable together, read back, and committed with one entry each.

Runs in one thread behind the builder, so that the disks write one group while the next is packed. The order never
changes: sync, publish, read back from the medium, keys, journal, catalog; only then is anything acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import RetentionError
from retention.package.manifest import KIND_STUDY
from retention.services import commit, events
from retention.services.events import Names
from retention.services.ingest.build import BuiltPackage
from retention.services.sessions import Session
from retention.services.stores import Stores
from retention.services.uploads import seal_and_publish


@dataclass(frozen=True, slots=True)
class FinishedPackage:
    """A package that is acknowledged: durable, read back and in the journal; or the error that stopped it."""

    built: BuiltPackage
    error: RetentionError | None = None


def finish(stores: Stores, names: Names, session: Session, group: Sequence[BuiltPackage]) -> list[FinishedPackage]:
    """Make a group of packages durable, verify and commit them; what fails is removed and reported, not committed."""
    session.intend([pair for built in group for pair in built.uploads.objects()])
    pool = stores.volumes.pool()
    seal_and_publish([built.uploads for built in group], stores.volumes, pool)
    errors = dict(zip(map(id, group), pool.map(_verify, group), strict=True))
    sound = [built for built in group if errors[id(built)] is None]
    if sound:
        try:
            _commit(stores, names, sound)
        except RetentionError as error:
            for built in sound:
                built.uploads.remove()
                errors[id(built)] = error
    return [FinishedPackage(built, errors[id(built)]) for built in group]


def _verify(built: BuiltPackage) -> RetentionError | None:
    try:
        built.uploads.require_enough()
        built.uploads.read_back(built.reference())
    except RetentionError as error:
        built.uploads.remove()
        return error
    return None


def _commit(stores: Stores, names: Names, group: Sequence[BuiltPackage]) -> None:
    with stores.commit_lock.hold():
        segments = stores.keyring.commit([built.key for built in group])
        entries = [_entry(stores, names, built, segments[built.key.key_id]) for built in group]
        commit.append_locked(stores, entries)


def _entry(stores: Stores, names: Names, built: BuiltPackage, key_segment: int) -> NewEntry:
    """Return the entry that makes the package part of the archive. Its payload is the manifest, sealed already."""
    protection = built.tier.protection
    placed = built.uploads.sound()
    data: dict[str, JsonValue] = {
        "kind": built.kind,
        "tier": built.tier.name,
        "data": protection.data,
        "parity": protection.parity,
        "instances": len(built.contents.instances),
        "bytes_received": built.received_bytes,
        "shard_bytes": built.tail.shard_bytes,
        "shards": [placed[shard].volume if shard in placed else None for shard in range(protection.shards)],
        "index_root": built.tail.entry.index_root.hex(),
        "manifest": built.tail.entry.manifest_digest.hex(),
        "key": built.key.key_id,
        "key_segment": key_segment,
    }
    return NewEntry(
        at=stores.clock.now(),
        actor=stores.actor,
        action=events.PACKAGE_INGEST,
        institution=built.institution,
        objects=_objects(names, built),
        data=data,
        payload=built.tail.manifest,
    )


def _objects(names: Names, built: BuiltPackage) -> dict[str, str]:
    objects = {"package": str(built.package)}
    study = built.contents.study
    if built.kind == KIND_STUDY and study is not None:
        objects["study"] = names.study(built.institution, study.study_uid)
        if study.patient.patient_id is not None:
            objects["patient"] = names.patient(built.institution, study.patient.patient_id, study.patient.issuer)
    return objects
