"""From journal to catalog: what each entry means for the index.

One way for both: a commit applies the entry it is about to append, a rebuild applies all of them; so a rebuilt catalog
cannot differ from one that grew. Applying an entry twice changes nothing, and an entry that speaks of what has changed
since (an audit that read a shard which another run replaced meanwhile) changes nothing either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from retention.catalog.records import (
    Arrival,
    PackageKind,
    PackageRecord,
    QuarantinedRecord,
    SeriesRecord,
    ShardRecord,
    ShardState,
    StudyRecord,
    VolumeRecord,
)
from retention.catalog.transaction import Transaction
from retention.journal.envelope import Entry, Envelope
from retention.keyring.keyring import Keyring
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import CatalogError, KeyringBrokenError, KeyUnavailableError
from retention.model.identifiers import InstitutionId, KeyId, PackageId, VolumeId
from retention.model.layout import Protection, VolumeSpec
from retention.package.manifest import KIND_QUARANTINE, Contents, read_contents
from retention.package.records import FORMAT_VERSION
from retention.package.sealing import Sealer
from retention.services import counting, events
from retention.services.entries import ACTIONS, audits
from retention.services.entries.applying import Applying
from retention.services.events import Names, instant_of, list_of, number_of, optional_text_of, text_of
from retention.services.payloads import PayloadReader
from retention.services.successors import Successors

BATCH_ENTRIES = 2000
BATCH_BYTES = 32 * 1024 * 1024


FEW_KEYS = 8
MAKES_PACKAGE = (events.PACKAGE_INGEST, events.PACKAGE_MOVE, events.PACKAGE_COPY)


class Projection:
    """Applies entries to a catalog. `keys` are package and patient keys that need not be looked up in the keyring.

    The keyring is opened when the first entry needs it: what an audit found is recorded by whoever has no key at all.

    `successors` is for who replays what happened long ago: keys of that time may be gone on purpose.
    """

    def __init__(
        self,
        open_keyring: Callable[[], Keyring],
        keys: Mapping[KeyId, bytes] | None = None,
        successors: Successors | None = None,
    ) -> None:
        self._open_keyring = open_keyring
        self._keys = keys or {}
        self._looked_up: Mapping[KeyId, bytes] = {}
        self._successors = successors
        self._actions: Mapping[str, Callable[[Transaction, Entry], None]] = {
            events.VOLUME_ADD: _volume,
            events.VOLUME_ADOPT: _volume,
            events.VOLUME_REPLACE: _volume_replaced,
            events.SHARD_REPAIR: _repaired,
            events.PACKAGE_DROP: _dropped,
            events.AUDIT_RUN: audits.apply_run,
            audits.AUDIT_DAY: audits.apply_day,
            audits.AUDIT_SAMPLE: audits.apply_sample,
            events.RECOVERY_STORED: _recovery_stored,
        }

    @cached_property
    def _keyring(self) -> Keyring:
        return self._open_keyring()

    @cached_property
    def _names(self) -> Names:
        return Names(self._keyring.index_key.secret)

    @cached_property
    def _payloads(self) -> PayloadReader:
        return PayloadReader(self._keyring, self._keys)

    def apply(self, transaction: Transaction, entries: Iterable[Entry]) -> None:
        """Apply entries in their order.

        Raises CatalogError naming the entry that cannot be understood, KeyUnavailableError when one needs the keyring
        and its root key is not there.
        """
        packages: list[PackageRecord] = []
        batch = list(entries)
        self._looked_up = self._look_up(batch)
        for entry in batch:
            try:
                if entry.envelope.action in MAKES_PACKAGE:
                    packages.append(self._package(entry))
                    continue
                action = entry.envelope.action
                if action in self._actions or action in ACTIONS:
                    transaction.record_packages(packages)
                    packages = []
                if action in self._actions:
                    self._actions[action](transaction, entry)
                elif action in ACTIONS:
                    ACTIONS[action](Applying(transaction, self._payloads, self._names), entry)
            except (KeyError, ValueError, TypeError) as error:
                raise CatalogError(
                    f"journal entry {entry.envelope.seq} ({entry.envelope.action}) cannot be understood: {error}",
                    hint="it may come from a newer version of retention: upgrade; else run retention journal verify",
                ) from error
        transaction.record_packages(packages)
        counting.count(transaction, batch)

    def _package(self, entry: Entry) -> PackageRecord:
        envelope = entry.envelope
        contents = None
        is_copy = (
            envelope.action == events.PACKAGE_COPY
        )  # what it holds, the package that was copied has told
        if entry.payload is not None and envelope.institution is not None and not is_copy:
            contents = self._contents(envelope, entry.payload)
        return package_record(envelope, contents, self._names)

    def _look_up(self, batch: Sequence[Entry]) -> Mapping[KeyId, bytes]:
        """Return the keys of a long batch's packages, as far as they are easily found: one by one they cost more."""
        wanted: dict[KeyId, int] = {}
        for entry in batch:
            key_id, segment = entry.envelope.data.get("key"), entry.envelope.data.get("key_segment")
            is_made = entry.envelope.action in MAKES_PACKAGE and entry.payload is not None
            if is_made and isinstance(key_id, str) and isinstance(segment, int) and key_id not in self._keys:
                wanted[KeyId(key_id)] = segment
        return self._keyring.package_keys(wanted) if len(wanted) > FEW_KEYS else {}

    def _contents(self, envelope: Envelope, manifest: bytes) -> Contents | None:
        """Open the manifest; a package whose key was destroyed or is damaged stays known by its public facts alone.

        One key that is gone must not take the whole catalog with it.
        """
        institution, package = (
            InstitutionId(envelope.institution or ""),
            PackageId(envelope.objects["package"]),
        )
        key_id, segment = KeyId(text_of(envelope.data, "key")), number_of(envelope.data, "key_segment")
        keyring = self._keyring  # that it cannot be opened is another matter than that it lacks a key
        try:
            key = self._keys.get(key_id) or self._looked_up.get(key_id)
            key = key or keyring.package_key(key_id, segment)
        except (KeyUnavailableError, KeyringBrokenError):
            return None if self._successors is None else self._successors.contents_of(package)
        return read_contents(manifest, Sealer.of(key, package, institution))


def in_batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cut a long replay into steps, so that neither a transaction nor memory grows with the journal."""
    batch: list[Entry] = []
    size_bytes = 0
    for entry in entries:
        batch.append(entry)
        size_bytes += len(entry.line) + len(entry.payload or b"")
        if len(batch) >= BATCH_ENTRIES or size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def package_record(envelope: Envelope, contents: Contents | None, names: Names) -> PackageRecord:
    """Return what the catalog learns from an entry that makes a package."""
    data, institution = envelope.data, InstitutionId(envelope.institution or "")
    protection = Protection(number_of(data, "data"), number_of(data, "parity"))
    shard_bytes = number_of(data, "shard_bytes")
    replaces = list_of(data, "replaces") if "replaces" in data else []
    unread = set(list_of(data, "unread")) if "unread" in data else set()
    shards = tuple(
        ShardRecord(
            number,
            None if volume is None else str(volume),
            shard_bytes,
            state=ShardState.UNPLACED if volume is None else ShardState.SOUND,
            verified_at=None if volume is None or number in unread else envelope.at,
        )
        for number, volume in enumerate(list_of(data, "shards"))
    )
    is_quarantine = text_of(data, "kind") == KIND_QUARANTINE
    return PackageRecord(
        package_id=PackageId(envelope.objects["package"]),
        institution_id=institution,
        sequence=envelope.seq,
        kind=PackageKind.QUARANTINE if is_quarantine else PackageKind.STUDY,
        tier=text_of(data, "tier"),
        protection=protection,
        format=FORMAT_VERSION,
        instances=number_of(data, "instances"),
        bytes_received=number_of(data, "bytes_received"),
        bytes_stored=shard_bytes * protection.shards,
        index_root=bytes.fromhex(text_of(data, "index_root")),
        manifest_digest=bytes.fromhex(text_of(data, "manifest")),
        key_id=KeyId(text_of(data, "key")),
        created_at=envelope.at,
        shards=shards,
        digests=() if contents is None else instance_digests(institution, contents, names),
        study=None if contents is None else _study(contents, envelope.at),
        series=() if contents is None else _series(contents),
        quarantined=() if contents is None or not is_quarantine else _quarantined(contents),
        key_segment=number_of(data, "key_segment"),
        supersedes=_package_of(envelope, "supersedes"),
        replaces=tuple(PackageId(str(lost)) for lost in replaces),
        arrivals=_arrivals(institution, contents, names) if contents is not None and replaces else (),
        copy_of=_package_of(envelope, "copy_of"),
        drop_at=instant_of(data, "drop_at") if "drop_at" in data else None,
        sop_classes=() if contents is None else _sop_classes(contents),
    )


def _package_of(envelope: Envelope, kind: str) -> PackageId | None:
    name = envelope.objects.get(kind)
    return None if name is None else PackageId(name)


def _arrivals(institution: InstitutionId, contents: Contents, names: Names) -> tuple[Arrival, ...]:
    digests = {ordinal: digest for digest, ordinal in instance_digests(institution, contents, names)}
    return tuple(
        Arrival(
            digests[row.ordinal],
            row.ordinal,
            row.size_bytes,
            None if row.series is None else contents.series[row.series].series_uid,
        )
        for row in contents.instances
    )


def instance_digests(
    institution: InstitutionId, contents: Contents, names: Names
) -> tuple[tuple[bytes, int], ...]:
    """Return for each instance the digest the catalog knows it by, and its ordinal."""
    return tuple(
        (
            names.content(institution, row.blake3)
            if row.sop_instance_uid is None
            else names.instance(institution, row.sop_instance_uid),
            row.ordinal,
        )
        for row in contents.instances
    )


def _sop_classes(contents: Contents) -> tuple[str | None, ...]:
    return tuple({row.sop_class_uid: None for row in contents.instances})


def _study(contents: Contents, received_at: datetime) -> StudyRecord | None:
    if contents.study is None:
        return None
    study = contents.study
    return StudyRecord(study.study_uid, study.patient, study.facts, received_at, study.other_patients)


def _series(contents: Contents) -> tuple[SeriesRecord, ...]:
    counts = Counter(row.series for row in contents.instances)
    return tuple(
        SeriesRecord(entry.series_uid, entry.facts, counts[position])
        for position, entry in enumerate(contents.series)
    )


def _quarantined(contents: Contents) -> tuple[QuarantinedRecord, ...]:
    return tuple(
        QuarantinedRecord(row.ordinal, row.reason or "", row.detail or "", row.name or "", row.size_bytes)
        for row in contents.instances
    )


def _volume(transaction: Transaction, entry: Entry) -> None:
    data = entry.envelope.data
    spec = VolumeSpec(
        text_of(data, "name"), text_of(data, "url"), text_of(data, "site"), text_of(data, "domain")
    )
    transaction.record_volume(
        VolumeRecord(
            spec,
            VolumeId(text_of(data, "volume_id")),
            optional_text_of(data, "device"),
            data.get("is_mount") is True,
            "ready",
            entry.envelope.seq,
        )
    )


def _volume_replaced(transaction: Transaction, entry: Entry) -> None:
    _volume(transaction, entry)
    transaction.mark_missing(text_of(entry.envelope.data, "name"))


def _repaired(transaction: Transaction, entry: Entry) -> None:
    data = entry.envelope.data
    package = PackageId(entry.envelope.objects["package"])
    shards = [_shard(row, entry.envelope.at) for row in list_of(data, "shards")]
    transaction.set_shards(package, shards)
    transaction.set_lost(package, lost=False)
    transaction.audits.run(audits.repair_record(entry))


def _dropped(transaction: Transaction, entry: Entry) -> None:
    package = PackageId(entry.envelope.objects["package"])
    transaction.forget_shards(package)
    transaction.recalls.expire(package, entry.envelope.at)


def _shard(row: JsonValue, at: datetime) -> ShardRecord:
    if not isinstance(row, dict):
        raise TypeError("a shard is not an object")
    return ShardRecord(
        number_of(row, "number"),
        text_of(row, "volume"),
        number_of(row, "bytes"),
        number_of(row, "generation"),
        ShardState.SOUND,
        at,
    )


def _recovery_stored(transaction: Transaction, entry: Entry) -> None:
    transaction.set_state(events.RECOVERY_STORED, format_instant(entry.envelope.at))
