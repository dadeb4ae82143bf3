"""Recall: bringing a study back from a tier that answers slowly, for a time.

Who asked, and why, is in the journal before any medium is asked; so whatever dies in between, the next look asks again.
When the data can be read, a copy of each package is made on the fastest tier (as a move makes a new form, but nothing
is superseded), and the study can be read from there until the tier's `keep` is over. Several requests for one study
share its copies; each has its own reason and its own end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from retention.catalog.recalls import RecallProgress, RecallRecord
from retention.catalog.records import PackageSummary, ShardState, StudyDetail
from retention.journal.envelope import NewEntry
from retention.model.clock import format_instant
from retention.model.errors import (
    NotFoundError,
    NotReadyError,
    RetentionError,
    SettingsError,
    StorageError,
    UsageError,
)
from retention.model.findings import Finding
from retention.model.identifiers import KeyId, PackageId, new_id
from retention.model.layout import TierSpec
from retention.model.patient import PatientIdentity
from retention.services import commit, events
from retention.services.access import is_in_time, recalled_copies
from retention.services.audit.on_recall import audit_recalled
from retention.services.entries import recalls as entries
from retention.services.events import Names
from retention.services.facts.record import PatientKeys
from retention.services.making import MadePackage, make_durable, package_entry
from retention.services.move.budget import NO_LIMITS, Budget
from retention.services.move.recode import Recoder
from retention.services.sessions import Session
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Availability, RecallState, Urgency

KEEP = timedelta(days=7)
"""How long a copy stays where the slow tier does not say."""


@dataclass(slots=True)
class Advanced:
    """What a look at open requests came to: the requests that can be read now, what went wrong with others, and what an
    audit of what the slow tiers gave out found, where a plan asks for one."""

    ready: list[RecallRecord] = field(default_factory=list)
    failed: list[tuple[RecallRecord, RetentionError]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def request(stores: Stores, study: StudyDetail, reason: str, urgency: Urgency) -> RecallRecord:
    """Ask for a study; return the request as it is after a first look.

    Raises UsageError when the study can be read as it is, or no reason is given; what a commit raises.
    """
    if not reason.strip():
        raise UsageError(
            "a recall needs a reason", hint="say who needs the study and what for: --reason TEXT"
        )
    slow = slow_packages(stores, study)
    uid, institution = study.summary.study_uid, study.summary.institution
    if not slow:
        raise UsageError(
            f"study {uid} of {institution} can be read as it is",
            hint=f"retention study export {uid} --out DIR",
        )
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        (asked,) = note_locked(stores, [Wanted(study, slow[0].package_id, reason.strip(), urgency)])
    advance(stores)
    return stores.catalog.recalls.one(asked.recall_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study that somebody wants from a slow tier, named by a package of it; or that is to be moved from there."""

    study: StudyDetail
    package_id: PackageId
    reason: str
    urgency: Urgency
    moving_to: str | None = None

    @property
    def patient(self) -> PatientIdentity | None:
        named = self.study.patient
        if named.patient_id is None:
            return None
        return PatientIdentity(self.study.summary.institution_id, named.patient_id, named.issuer or "")


def note_locked(stores: Stores, wanted: Sequence[Wanted]) -> list[RecallRecord]:
    """Put requests into the journal, in one step; no volume is asked yet. The commit lock is held, and the archive up
    to date. Raises what a commit raises."""
    if not wanted:
        return []
    asked = [
        RecallRecord(
            recall_id=new_id(),
            study_uid=each.study.summary.study_uid,
            institution=each.study.summary.institution,
            state=RecallProgress.REQUESTED,
            urgency=each.urgency.value,
            reason=each.reason,
            asked_by=stores.person,
            requested_at=stores.clock.now(),
            ready_at=None,
            until_at=None,
            moving_to=each.moving_to,
        )
        for each in wanted
    ]
    actor, keys = stores.actor, PatientKeys(stores)
    keys.prepare(patient for each in wanted if (patient := each.patient) is not None)
    new = [
        entries.request_entry(
            record,
            each.package_id,
            each.study.summary.institution_id,
            actor=actor,
            under=_under(stores, keys, each),
        )
        for record, each in zip(asked, wanted, strict=True)
    ]
    commit.append_locked(stores, new, keys.secrets)
    return asked


def _under(stores: Stores, keys: PatientKeys, wanted: Wanted) -> entries.Under:
    """Return the key for what is said about a study's patient."""
    if wanted.patient is None:
        return entries.Under(stores.keyring.payload_key(wanted.study.summary.institution_id))
    key, segment = keys.of(wanted.patient)
    return entries.Under(key, wanted.patient, segment)


def cancel(stores: Stores, recall_id: str) -> RecallRecord:
    """Give a request up. Raises NotFoundError, UsageError when it is over already, and what a commit raises."""
    recall = stores.catalog.recalls.one(recall_id)
    if recall.state not in (RecallProgress.REQUESTED, RecallProgress.READY):
        raise UsageError(f"recall {recall_id} is {recall.state} already", hint="retention recall list")
    names = {record.spec.name: record.institution_id for record in stores.catalog.institutions()}
    if recall.institution is None:
        raise NotFoundError(f"the study of recall {recall_id} is not held any more")
    at = stores.clock.now()
    commit.append(
        stores, [entries.cancel_entry(recall, names[recall.institution], at=at, actor=stores.actor)]
    )
    return stores.catalog.recalls.one(recall_id)


def advance(stores: Stores) -> Advanced:
    """Look at all open requests: ask volumes that were not asked, copy what can be read, say what is ready.

    What goes wrong with one study stops no other. Raises what a commit raises.
    """
    done = Advanced()
    waiting: dict[tuple[str, str], list[RecallRecord]] = {}
    for recall in stores.catalog.recalls.open():
        is_waiting = recall.state is RecallProgress.REQUESTED and recall.moving_to is None
        if is_waiting and recall.study_uid and recall.institution:
            waiting.setdefault((recall.institution, recall.study_uid), []).append(recall)
    if not waiting:
        return done
    with Session(stores.root) as session, ThreadPoolExecutor(1, "read") as reader:
        budget = Budget(NO_LIMITS, stores.clock)
        recoder = Recoder(stores, stores.volumes.states(), session.name, reader, budget)
        given_out: list[PackageSummary] = []
        for (institution, uid), recalls in waiting.items():
            try:
                study = stores.catalog.study(uid, institution)
                if _Copying(stores, session, recoder, study, recalls, given_out).run():
                    done.ready += recalls
            except NotReadyError:
                continue
            except RetentionError as error:
                done.failed += [(recall, error) for recall in recalls]
        audited = audit_recalled(stores, session, given_out)
        done.findings = [] if audited is None else audited.findings
    return done


def expected_at(stores: Stores, recall: RecallRecord) -> datetime | None:
    """Return when a request is expected to be ready, as far as the volumes can tell."""
    if recall.state is not RecallProgress.REQUESTED or recall.study_uid is None:
        return recall.ready_at
    with suppress(NotFoundError, UsageError):
        study = stores.catalog.study(recall.study_uid, recall.institution)
        times = [_expected(stores, package) for package in slow_packages(stores, study)]
        known = [time for time in times if time is not None]
        if known and len(known) == len(times):
            return max(known)
    return None


def slow_packages(stores: Stores, study: StudyDetail) -> list[PackageSummary]:
    """Return the packages of a study on tiers that answer slowly."""
    tiers = stores.settings.tiers
    return [
        package
        for package in study.packages
        if package.copy_of is None and package.tier in tiers and tiers[package.tier].is_slow
    ]


def _expected(stores: Stores, package: PackageSummary) -> datetime | None:
    """Return when enough shards of a package can be read; now, if they can."""
    times: list[datetime] = []
    for found in _availabilities(stores, package).values():
        if found.is_readable:
            times.append(stores.clock.now())
        elif found.state is RecallState.REQUESTED and found.ready_at is not None:
            times.append(found.ready_at)
    times.sort()
    needed = package.protection.data
    return times[needed - 1] if len(times) >= needed else None


def _availabilities(stores: Stores, package: PackageSummary) -> dict[int, Availability]:
    """Return which shards there are, and whether they can be read."""
    found: dict[int, Availability] = {}
    for shard in package.shards:
        if shard.volume is not None and shard.state is ShardState.SOUND:
            key = shard_key(package.package_id, shard.number, shard.generation)
            with suppress(StorageError):
                found[shard.number] = stores.volumes[shard.volume].availability(key)
    return found


def keep_of(stores: Stores, package: PackageSummary) -> timedelta:
    """Return for how long what is recalled from a package's tier stays."""
    recall = stores.settings.tiers[package.tier].recall
    return KEEP if recall is None else recall.keep


def ask(stores: Stores, package: PackageSummary, urgency: Urgency, keep: timedelta) -> bool:
    """Ask for as many shards of a package as reading needs; return whether they can be read already."""
    found = _availabilities(stores, package)
    needed = package.protection.data
    in_order = sorted(found, key=lambda number: (not found[number].is_readable, number))
    if len(in_order) < needed:
        raise NotReadyError(
            f"package {package.package_id}: {len(in_order)} of {needed} needed shards can be asked for",
            hint="bring its volumes back: retention volume list",
            package=package.package_id,
        )
    for number in in_order[:needed]:
        shard = package.shards[number]
        key = shard_key(package.package_id, number, shard.generation)
        if not found[number].is_readable:
            found[number] = stores.volumes[shard.volume or ""].recall(key, urgency=urgency, keep=keep)
    return all(found[number].is_readable for number in in_order[:needed])


@dataclass(frozen=True, slots=True)
class _Copying:
    """One study on its way to where it can be read. `given_out` gets the packages that could be read for it."""

    stores: Stores
    session: Session
    recoder: Recoder
    study: StudyDetail
    recalls: Sequence[RecallRecord]
    given_out: list[PackageSummary]

    def run(self) -> bool:
        """Do what can be done now; return whether the study can be read. Raises what stands in the way."""
        missing = self._missing()
        urgency = max((Urgency(recall.urgency) for recall in self.recalls), key=list(Urgency).index)
        can_read = [ask(self.stores, package, urgency, self._keep(package)) for package in missing]
        if not all(can_read):
            return False
        self.given_out.extend(missing)
        made: list[MadePackage] = []
        try:
            made += map(self._copy, missing)
            is_ready = self._commit(missing, made)
        except RetentionError:
            self.session.leave_open()  # what counts of it, the next start knows
            raise
        return is_ready

    def _missing(self) -> list[PackageSummary]:
        copied = recalled_copies(self.stores, self.study.packages)
        return [p for p in slow_packages(self.stores, self.study) if p.package_id not in copied]

    def _keep(self, package: PackageSummary) -> timedelta:
        return keep_of(self.stores, package)

    def _copy(self, package: PackageSummary) -> MadePackage:
        made = self.recoder.recode(package, fastest_tier(self.stores), supersedes=False)
        ((_, error),) = make_durable(self.stores.volumes, self.session, [made])
        if error is not None:
            raise error
        return made

    def _commit(self, sources: Sequence[PackageSummary], made: Sequence[MadePackage]) -> bool:
        """Commit the copies and say that the requests are ready; False if another run was quicker."""
        stores = self.stores
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            fits = all(
                not stores.catalog.package(source.package_id).is_superseded
                and not any(
                    is_in_time(stores, copied) for copied in stores.catalog.copies_of(source.package_id)
                )
                for source in sources
            )
            if fits:
                segments = stores.keyring.commit([each.key for each in made])
                keys = {each.key.key_id: each.key.secret for each in made}
                commit.append_locked(stores, self._entries(sources, made, segments), keys)
        if not fits:
            for each in made:
                each.uploads.discard()
        return fits

    def _entries(
        self, sources: Sequence[PackageSummary], made: Sequence[MadePackage], segments: Mapping[KeyId, int]
    ) -> list[NewEntry]:
        stores, at = self.stores, self.stores.clock.now()
        keep = max((self._keep(package) for package in slow_packages(stores, self.study)), default=KEEP)
        names = Names(stores.keyring.index_key.secret)
        copies = [
            package_entry(
                each,
                names,
                segments[each.key.key_id],
                action=events.PACKAGE_COPY,
                at=at,
                actor=stores.actor,
                objects={"copy_of": source.package_id},
                data={"from": source.tier, "drop_at": format_instant(at + keep)},
            )
            for source, each in zip(sources, made, strict=True)
        ]
        owner = self.study.summary.institution_id
        ready = entries.ready_entry(self.recalls, owner, at=at, until_at=at + keep, actor=stores.actor)
        return [*copies, ready]


def fastest_tier(stores: Stores) -> TierSpec:
    """Return the first tier of archive.yaml that answers at once. Raises SettingsError when there is none."""
    for tier in stores.settings.tiers.values():
        if not tier.is_slow:
            return tier
    raise SettingsError(
        "no tier answers at once", hint="archive.yaml needs an ONLINE tier for recalled copies"
    )
