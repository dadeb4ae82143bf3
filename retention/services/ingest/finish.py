"""The end of an ingest: many packages made durable together, read back, and committed with one entry each.

Runs in one thread behind the builder, so that the disks write one group while the next is packed. The order never
changes: list what is to be published, sync, publish, read back from the medium, keys, journal and catalog; only then is
anything acknowledged. What goes wrong before the commit is removed at once; once it has begun nobody but the next start
can say what counts, so nothing is removed any more.
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
from retention.services.projection import instance_digests
from retention.services.sessions import Session
from retention.services.stores import Stores
from retention.services.uploads import seal_and_publish


@dataclass(frozen=True, slots=True)
class FinishedPackage:
    """A package that is acknowledged: durable, read back and in the journal.

    Or the `error` that stopped it; or it was `overtaken`: another commit brought one of its instances first, so what it
    holds has to be recognised again. Nothing of these stays.
    """

    built: BuiltPackage
    error: RetentionError | None = None
    is_overtaken: bool = False


def finish(
    stores: Stores, names: Names, session: Session, group: Sequence[BuiltPackage]
) -> list[FinishedPackage]:
    """Make a group of packages durable, verify and commit them.

    Raises what the commit raises; then the group's shards are left to the next start.
    """
    try:
        session.intend([pair for built in group for pair in built.uploads.objects()])
        seal_and_publish(
            (shard for built in group for shard in built.uploads.sound().values()), stores.volumes
        )
        errors = list(stores.volumes.pool().map(_verify, group))
    except BaseException:
        for built in group:
            built.uploads.discard()
        raise
    finished = [FinishedPackage(built, error) for built, error in zip(group, errors, strict=True) if error]
    sound = [built for built, error in zip(group, errors, strict=True) if error is None]
    if sound:
        finished += _commit(stores, names, sound)
    if any(built.uploads.is_left for built in group):
        session.leave_open()
    return finished


def _verify(built: BuiltPackage) -> RetentionError | None:
    try:
        built.uploads.require_enough()
        built.uploads.read_back(built.reference())
    except RetentionError as error:
        built.uploads.discard()
        return error
    return None


def _commit(stores: Stores, names: Names, group: Sequence[BuiltPackage]) -> list[FinishedPackage]:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        overtaken = _overtaken(stores, names, group)
        fresh = [built for built in group if id(built) not in overtaken]
        if fresh:
            segments = stores.keyring.commit([built.key for built in fresh])
            entries = [_entry(stores, names, built, segments[built.key.key_id]) for built in fresh]
            commit.append_locked(stores, entries, {built.key.key_id: built.key.secret for built in fresh})
    for built in group:
        if id(built) in overtaken:
            built.uploads.discard()
    return [FinishedPackage(built, is_overtaken=id(built) in overtaken) for built in group]


def _overtaken(stores: Stores, names: Names, group: Sequence[BuiltPackage]) -> set[int]:
    """Return the packages (by `id`) with an instance that came in since the package's files were recognised."""
    digests = {
        id(b): {digest for digest, _ in instance_digests(b.institution, b.contents, names)} for b in group
    }
    wanted = list(set().union(*digests.values()))
    held = stores.catalog.find_instances(group[0].institution, wanted)
    overtaken: set[int] = set()
    taken: set[bytes] = set()
    for built in group:
        mine = digests[id(built)]
        is_new = all(len(held.get(digest, ())) == built.known.get(digest, 0) for digest in mine)
        if is_new and mine.isdisjoint(taken):
            taken |= mine
        else:
            overtaken.add(id(built))
    return overtaken


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
            objects["patient"] = names.patient(
                built.institution, study.patient.patient_id, study.patient.issuer
            )
    return objects
