"""What the journal tells of a period: one pass over its envelopes, in bounded memory.

The invariant: every sum here is made from entries that the checkpoint of the report covers, so that whoever has the
journal can make it again. Only public data is read, and the records of audits; nothing here needs a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from retention.journal.envelope import Entry
from retention.journal.merkle import Frontier, leaf_hash
from retention.model.findings import Finding
from retention.model.identifiers import InstitutionId
from retention.package.manifest import KIND_STUDY
from retention.services import audit_record, events
from retention.services.compliance.happenings import Happened, Happenings
from retention.services.entries import disposal
from retention.services.events import number_of, text_of

MAX_INCIDENTS = 1000
EXPORTS = frozenset({events.STUDY_EXPORT, events.QUARANTINE_EXPORT})
DIGEST_BYTES = 8


@dataclass(slots=True)
class Amount:
    """Packages as received; instances and bytes are those of the originals; `studies` that first came in."""

    packages: int = 0
    instances: int = 0
    bytes_received: int = 0
    studies: int = 0

    def add(self, other: Amount) -> None:
        self.packages += other.packages
        self.instances += other.instances
        self.bytes_received += other.bytes_received


@dataclass(frozen=True, slots=True)
class Incident:
    """A finding of the period, and when the audit that found it wrote it down."""

    at: datetime
    seq: int
    finding: Finding


@dataclass(slots=True)
class Checks:
    """What was checked by one method on one tier."""

    packages: int = 0
    shards: int = 0
    read_bytes: int = 0
    not_sound: int = 0


@dataclass(slots=True)
class Audits:
    """The audits of the period: `entries` is how many records of audits there are."""

    entries: int = 0
    packages: int = 0
    findings: int = 0
    repaired: int = 0
    lost: int = 0
    shards_read: int = 0
    unreadable_records: int = 0
    incidents: list[Incident] = field(default_factory=list)
    methods: dict[tuple[str, str], Checks] = field(default_factory=dict)
    """By tier and method."""


@dataclass(slots=True)
class History:
    """All that a report says of what happened. Months are `YYYY-MM` in UTC.

    `size_before` is the journal's size when the period began, `size` at its end; `by_month` has what arrived
    in each month, on a tier, for an institution (its id).
    """

    size_before: int = 0
    size: int = 0
    root: bytes = b""
    """Over the lines that were read: it has to be the one that is signed."""
    began_at: datetime | None = None
    opening: Amount = field(default_factory=Amount)
    arrived: Amount = field(default_factory=Amount)
    gone: Amount = field(default_factory=Amount)
    studies_before: int = 0
    studies_arrived: int = 0
    studies_gone: int = 0
    rearrived: int = 0
    """Instances of packages that brought again, among others, what had been lost."""
    quarantined: int = 0
    by_month: dict[tuple[str, str, str], Amount] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    exports: int = 0
    """What was given out; that something was about to be is another entry, and not counted."""
    actors: set[str] = field(default_factory=set)
    audits: Audits = field(default_factory=Audits)
    happened: Happened = field(default_factory=Happened)


class Reading:
    """Follows the journal entry by entry; `history` is the sum."""

    def __init__(self, from_at: datetime, until_at: datetime, institution: InstitutionId | None) -> None:
        self.history = History()
        self._happenings = Happenings(self.history.happened)
        self._has_begun = False
        self._from_at = from_at
        self._until_at = until_at
        self._institution = institution
        self._studies: set[bytes] = set()

    def follow(self, entries: Iterable[Entry]) -> History:
        """Read all entries up to the period's end."""
        history, frontier = self.history, Frontier()
        for entry in entries:
            envelope = entry.envelope
            if envelope.at >= self._until_at:
                break
            if not self._has_begun and envelope.at >= self._from_at:
                self._begin()
            frontier.append(leaf_hash(entry.line))
            history.size = envelope.seq + 1
            history.began_at = history.began_at or envelope.at
            is_ours = self._is_ours(envelope.institution)
            if self._has_begun and is_ours:
                history.actions[envelope.action] += 1
                history.exports += envelope.action in EXPORTS and not envelope.data.get("intent")
                history.actors.add(envelope.actor)
            if envelope.action == events.PACKAGE_INGEST and is_ours:
                self._arrived(entry)
            elif envelope.action == disposal.DESTROY and is_ours:
                self._gone(entry)
            elif self._has_begun and envelope.action == events.AUDIT_RUN:
                self._audited(entry)
            elif self._has_begun and is_ours:
                self._happenings.note(envelope)
        if not self._has_begun:
            self._begin()
        history.root = frontier.root()
        return history

    def _begin(self) -> None:
        """The period begins here; what comes later belongs to it, whatever a clock that was set back says."""
        self._has_begun = True
        self.history.size_before = self.history.size

    def _is_ours(self, institution: InstitutionId | None) -> bool:
        return self._institution is None or institution == self._institution

    def _arrived(self, entry: Entry) -> None:
        envelope, history = entry.envelope, self.history
        data = envelope.data
        if text_of(data, "kind") != KIND_STUDY:
            history.quarantined += number_of(data, "instances")
            return
        amount = Amount(1, number_of(data, "instances"), number_of(data, "bytes_received"))
        if "replaces" in data:
            history.rearrived += amount.instances
        (history.arrived if self._has_begun else history.opening).add(amount)
        key = (
            f"{envelope.at.year:04d}-{envelope.at.month:02d}",
            text_of(data, "tier"),
            envelope.institution or "",
        )
        of_month = history.by_month.setdefault(key, Amount())
        of_month.add(amount)
        study = envelope.objects.get("study")
        if study is None:
            return
        digest = bytes.fromhex(study)[:DIGEST_BYTES]
        if digest not in self._studies:
            self._studies.add(digest)
            of_month.studies += 1
            if self._has_begun:
                history.studies_arrived += 1
            else:
                history.studies_before += 1

    def _gone(self, entry: Entry) -> None:
        """A study was destroyed: what left before the period is no part of its opening."""
        data, history = entry.envelope.data, self.history
        amount = Amount(0, number_of(data, "instances"), number_of(data, "bytes_received"))
        self._studies.discard(bytes.fromhex(entry.envelope.objects["study"])[:DIGEST_BYTES])
        if self._has_begun:
            history.gone.add(amount)
            history.studies_gone += 1
            return
        history.opening.instances -= amount.instances
        history.opening.bytes_received -= amount.bytes_received
        history.studies_before -= 1

    def _audited(self, entry: Entry) -> None:
        audits, data = self.history.audits, entry.envelope.data
        audits.entries += 1
        audits.packages += number_of(data, "packages")
        audits.findings += number_of(data, "findings")
        audits.lost += number_of(data, "lost")
        try:
            outcome = audit_record.decode(entry.payload or b"")
        except (ValueError, KeyError, TypeError):
            audits.unreadable_records += 1
            return
        for one in outcome.checks:
            sums = audits.methods.setdefault((one.tier, one.method.value), Checks())
            sums.packages += 1
            sums.shards += len(one.shards)
            sums.read_bytes += sum(shard.read_bytes for shard in one.shards)
            sums.not_sound += sum(shard.result != audit_record.SOUND for shard in one.shards)
        audits.shards_read += sum(map(len, outcome.sound.values()))
        audits.repaired += sum(finding.repaired for finding in outcome.findings)
        room = MAX_INCIDENTS - len(audits.incidents)
        audits.incidents += [
            Incident(entry.envelope.at, entry.envelope.seq, finding) for finding in outcome.findings[:room]
        ]
