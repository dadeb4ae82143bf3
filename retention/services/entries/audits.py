"""Entries about audits: what was checked (`audit.run`), what a day's results are (`audit.day`), what a round's random
sample is drawn from (`audit.sample`).

Whoever has no key at all may audit: nothing here is sealed, and nothing needs the keyring. Applying an entry twice
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from retention.catalog.audit_records import AuditDayRecord, AuditRunRecord, AuditSampleRecord
from retention.catalog.audits import REPAIR_MODE
from retention.catalog.transaction import Transaction
from retention.journal.envelope import Entry, NewEntry
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant, parse_instant
from retention.model.findings import FindingKind
from retention.model.identifiers import PackageId
from retention.services import audit_record
from retention.services.audit_record import AuditOutcome, CheckedPackage, CheckedShard, Method
from retention.services.events import (
    AUDIT_RUN,
    instant_of,
    list_of,
    number_of,
    optional_text_of,
    text_of,
)

AUDIT_DAY = "audit.day"
AUDIT_SAMPLE = "audit.sample"


BESIDE_STATE = "audited_beside"
"""Since when everything beside the packages has not been looked at."""


def presence_state(tier: str) -> str:
    """Return under which name the catalog remembers how far the look at a slow tier has come."""
    return f"audit presence {tier}"[:63]


def late_state(tier: str) -> str:
    """Return under which name the catalog remembers on which day it was last said that a tier is late."""
    return f"audit late {tier}"[:63]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a walk over a tier has come: since when, and to which package in order of arrival."""

    tier: str
    began_at: datetime
    row: int

    @classmethod
    def parse(cls, tier: str, text: str) -> Mark:
        began_at, _, row = text.partition(" ")
        return cls(tier, parse_instant(began_at), int(row))

    def text(self) -> str:
        return f"{format_instant(self.began_at)} {self.row}"


@dataclass(frozen=True, slots=True)
class Notes:
    """What an audit remembers for the next one: walks, and whether what lies beside packages was looked at."""

    marks: tuple[Mark, ...] = ()
    is_beside_checked: bool = False


def run_entry(
    outcome: AuditOutcome,
    *,
    at: datetime,
    actor: str,
    mode: str,
    milliseconds: int,
    notes: Notes = Notes(),  # it is frozen
) -> NewEntry:
    """Say what a part of an audit came to."""
    data: dict[str, JsonValue] = {
        "mode": mode,
        "packages": len(outcome.checks),
        "shards": outcome.shards,
        "bytes": outcome.read_bytes,
        "milliseconds": milliseconds,
        "flawed": sum(map(len, outcome.flawed.values())),
        "findings": len(outcome.findings),
        "lost": len(outcome.lost),
    }
    if notes.marks:
        data["marks"] = {mark.tier: mark.text() for mark in notes.marks}
    if notes.is_beside_checked:
        data["beside"] = True
    return NewEntry(at=at, actor=actor, action=AUDIT_RUN, data=data, payload=audit_record.encode(outcome))


def day_entry(
    day: date, *, at: datetime, actor: str, results: int, read_bytes: int, digest: bytes
) -> NewEntry:
    """Commit to all results of a day."""
    data: dict[str, JsonValue] = {
        "day": day.isoformat(),
        "results": results,
        "bytes": read_bytes,
        "digest": digest.hex(),
    }
    return NewEntry(at=at, actor=actor, action=AUDIT_DAY, data=data)


def sample_entry(sample: AuditSampleRecord, *, at: datetime, actor: str) -> NewEntry:
    """Fix what a round's sample is drawn from, before anything of it is read."""
    data: dict[str, JsonValue] = {
        "tier": sample.tier,
        "round": sample.round,
        "began_at": format_instant(sample.began_at),
        "seed": sample.seed.hex(),
        "packages": sample.packages,
        "among": sample.among,
    }
    return NewEntry(at=at, actor=actor, action=AUDIT_SAMPLE, data=data)


def apply_run(transaction: Transaction, entry: Entry) -> None:
    """Note which shards were read whole, which are not as they must be, and what is lost; of what was destroyed while
    it was read nothing is noted any more."""
    if entry.payload is None:
        return
    envelope, outcome = entry.envelope, audit_record.decode(entry.payload)
    sound = outcome.sound
    known = transaction.audits.known([*{*sound, *outcome.flawed, *outcome.lost}])
    sound = {package: numbers for package, numbers in sound.items() if package in known}
    flawed = {package: shards for package, shards in outcome.flawed.items() if package in known}
    lost = known.intersection(outcome.lost)
    transaction.record_verified(sound, envelope.at)
    for package, found in flawed.items():
        now = {shard.number: (shard.generation, shard.volume) for shard in transaction.shards_of(package)}
        transaction.set_shards(
            package, [shard for shard in found if now.get(shard.number) == (shard.generation, shard.volume)]
        )
    for package in {*sound, *flawed} - lost:
        transaction.set_lost(package, lost=False)
    for package in lost:
        transaction.set_lost(package)
    transaction.audits.run(_run_record(envelope.seq, envelope.at, envelope.data))
    _apply_notes(transaction, entry, outcome)


def _apply_notes(transaction: Transaction, entry: Entry, outcome: AuditOutcome) -> None:
    data = entry.envelope.data
    marks = data.get("marks")
    if isinstance(marks, Mapping):
        for tier in marks:
            transaction.set_state(presence_state(tier), text_of(marks, tier))
    if data.get("beside") is True:
        transaction.set_state(BESIDE_STATE, format_instant(entry.envelope.at))
    for finding in outcome.findings:
        if finding.kind is FindingKind.LATE and finding.subject is not None:
            transaction.set_state(late_state(finding.subject), entry.envelope.at.date().isoformat())


def _run_record(seq: int, at: datetime, data: Mapping[str, JsonValue]) -> AuditRunRecord:
    return AuditRunRecord(
        seq,
        at,
        text_of(data, "mode"),
        number_of(data, "packages"),
        number_of(data, "shards"),
        number_of(data, "bytes"),
        number_of(data, "milliseconds"),
        number_of(data, "flawed"),
        number_of(data, "findings"),
        number_of(data, "lost"),
    )


def repair_record(entry: Entry) -> AuditRunRecord:
    """What a `shard.repair` entry came to: what was made again was read back too."""
    shards = list_of(entry.envelope.data, "shards")
    read_bytes = sum(number_of(shard, "bytes") for shard in shards if isinstance(shard, Mapping))
    return AuditRunRecord(
        entry.envelope.seq, entry.envelope.at, REPAIR_MODE, 1, len(shards), read_bytes, 0, 0, 0, 0
    )


def repaired_check(entry: Entry) -> CheckedPackage:
    """The same as checks of shards."""
    data = entry.envelope.data
    return CheckedPackage(
        PackageId(entry.envelope.objects["package"]),
        optional_text_of(data, "tier") or "",
        Method.REPAIR,
        tuple(
            CheckedShard(
                number_of(shard, "number"),
                number_of(shard, "generation"),
                text_of(shard, "volume"),
                number_of(shard, "bytes"),
                audit_record.SOUND,
                repaired=True,
            )
            for shard in list_of(data, "shards")
            if isinstance(shard, Mapping)
        ),
    )


def apply_day(transaction: Transaction, entry: Entry) -> None:
    data = entry.envelope.data
    transaction.audits.day(
        AuditDayRecord(
            date.fromisoformat(text_of(data, "day")),
            entry.envelope.seq,
            number_of(data, "results"),
            number_of(data, "bytes"),
            bytes.fromhex(text_of(data, "digest")),
        )
    )


def apply_sample(transaction: Transaction, entry: Entry) -> None:
    data = entry.envelope.data
    transaction.audits.sample(
        AuditSampleRecord(
            text_of(data, "tier"),
            number_of(data, "round"),
            entry.envelope.seq,
            instant_of(data, "began_at"),
            bytes.fromhex(text_of(data, "seed")),
            number_of(data, "packages"),
            number_of(data, "among"),
        )
    )
