"""The rehearsal archive: each method does what a command does on a given day, by the same services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from retention.archive import (
    add_institution,
    create_archive,
    open_archive,
    prepare_to_write,
    rebuild_archive_catalog,
)
from retention.catalog.disposal_records import ProposalRecord
from retention.catalog.recalls import RecallRecord
from retention.catalog.records import StudyFilter, StudySummary
from retention.cli.demo.cast import ARCHIVIST, CAST, HOSPITAL, POLICY, ROLES, Patient
from retention.cli.demo.damage import lose_catalog
from retention.model.clock import RehearsalClock
from retention.model.errors import RefusedError, RetentionError
from retention.model.layout import InstitutionSpec
from retention.model.patient import PatientIdentity
from retention.policy.decision import Decision
from retention.policy.words import Assurance
from retention.services import (
    approvals,
    decisions,
    holds,
    institutions,
    policies,
    policy_changes,
    recall,
    registry,
)
from retention.services.disposal import execution, proposals
from retention.services.disposal.certified import certified
from retention.services.explaining import explain_study
from retention.services.facts.record import record as record_sayings
from retention.services.facts.saying import Saying
from retention.services.handlers import handler_of
from retention.services.ingest.ingest import Ingest
from retention.services.lifecycle.carry_out import carry_out
from retention.services.lifecycle.plan import plan_moves
from retention.services.move.budget import NO_LIMITS
from retention.services.move.leaving import drop_due
from retention.services.progress import Progress
from retention.services.retrieve import export_study
from retention.services.stores import Stores
from retention.settings.save import save_text
from retention.storage.volume import Urgency

if TYPE_CHECKING:
    from retention.model.canonical import JsonValue
    from retention.services.approvals import Visa
    from retention.services.audit.audit import AuditReport
    from retention.services.audit.coverage import Coverage
    from retention.services.compliance.report import MadeReport

SMALL_STAY, SMALL_GO = "from: {bytes: 1MiB}", "from: {bytes: 1KiB}"
"""What `init` writes of its glacier, and what lets studies as small as these go there."""


@dataclass(slots=True)
class Years:
    """One rehearsal archive. Every day that matters is written where it is used; no clock is read."""

    root: Path
    progress: Progress

    def begin(self, day: date, sources: Path) -> dict[Patient, str]:
        """Make the archive and its hospital, put the policy in force, and take the studies in; return their UIDs."""
        at = _noon(day)
        create_archive(self.root, "twenty-years", is_rehearsal=True, clock=RehearsalClock(at)).stores.close()
        settings = self.root / "archive.yaml"
        save_text(settings, settings.read_text("utf-8").replace(SMALL_STAY, SMALL_GO))
        policy = self.root / "policies" / "twenty-years.yaml"
        policy.write_text(POLICY, "utf-8")
        with self.on(day) as stores:
            files = policies.read_files([policy])
            policy_changes.apply(stores, policy_changes.propose(stores, files))
            spec = InstitutionSpec(HOSPITAL, policies=("twenty-years",), plan="standard")
            owner = add_institution(stores, spec).institution_id
            for name, roles in ROLES.items():
                place = () if name == ARCHIVIST else (owner,)
                registry.add(stores, registry.NewPerson(name, place, roles))
            record_sayings(stores, [each for who in CAST for each in _birth(stores, who)])
            for failure in Ingest(stores, owner, "hot", self.progress).run([sources]).failures:
                raise failure
            held = [
                stores.catalog.study(each.study_uid, None) for each in stores.catalog.studies(StudyFilter())
            ]
            by_patient = {study.patient.patient_id: study.summary.study_uid for study in held}
        return {who: by_patient[who.patient_id] for who in CAST}

    @contextmanager
    def on(self, day: date, person: str = ARCHIVIST, hour: int = 12) -> Iterator[Stores]:
        """Open the archive to write, as somebody does on that day with `--as-of` and `--as`."""
        at = _noon(day).replace(hour=hour)
        with closing(open_archive(self.root, as_of=at, person=person)) as stores:
            prepare_to_write(stores)
            yield stores

    def coverage(self, day: date, hour: int = 0) -> Coverage:
        """`retention audit status`."""
        from retention.services.audit.coverage import coverage_of

        with self.on(day, hour=hour) as stores:
            return coverage_of(stores)

    def audit(self, day: date, hour: int) -> AuditReport:
        """`retention audit run --due`."""
        from retention.services.audit.rounds import run_due

        with self.on(day, hour=hour) as stores:
            return run_due(stores, progress=self.progress)

    def studies(self, day: date) -> list[StudySummary]:
        """`retention study list`."""
        with self.on(day) as stores:
            return list(stores.catalog.studies(StudyFilter()))

    def age(self, day: date) -> tuple[int, int]:
        """`retention lifecycle run`; return how many studies moved, and how many older forms went.

        Raises the first failure.
        """
        with self.on(day) as stores:
            decisions.refresh(stores)
            recall.advance(stores)
            outcome = carry_out(stores, plan_moves(stores), NO_LIMITS, self.progress)
            for _, error in outcome.failed:
                raise error
            return len(outcome.moved), len(drop_due(stores).packages)

    def decision(self, day: date, study_uid: str) -> Decision:
        """`retention policy explain`."""
        with self.on(day) as stores:
            return explain_study(stores, study_uid, at=day).decision

    def die(self, day: date, who: Patient, died_on: date) -> str:
        """`retention fact record … death`; return the request that waits for somebody else."""
        with self.on(day) as stores:
            saying = Saying(_identity(stores, who), "death", died_on, None, "register", Assurance.VERIFIED)
            (request,) = record_sayings(stores, [saying]).batches
            return request

    def approve(self, day: date, request: str, person: str, visa: Visa | None = None) -> RefusedError | None:
        """`retention approval approve`; return why it was refused, if it was."""
        with self.on(day, person) as stores:
            try:
                approvals.approve(stores, request, handler_of, visa)
            except RefusedError as error:
                return error
            decisions.refresh(stores)
            return None

    def hold(self, day: date, study_uid: str, reassess_on: date) -> None:
        """`retention hold place`."""
        with self.on(day) as stores:
            owner = institutions.find(stores, HOSPITAL).institution_id
            holds.place(stores, holds.Case(owner, "court", "RG 12/0042", reassess_on, study_uid))

    def read(self, day: date, study_uid: str, out: Path, hour: int = 12) -> RetentionError | None:
        """`retention study export`; return why it cannot be read, if so."""
        with self.on(day, hour=hour) as stores:
            try:
                report = export_study(stores, stores.catalog.study(study_uid, None), out, self.progress)
            except RetentionError as error:
                return error
            return next(iter(report.failures), None)

    def recall(self, day: date, study_uid: str) -> RecallRecord:
        """`retention recall request`."""
        with self.on(day, hour=0) as stores:
            study = stores.catalog.study(study_uid, None)
            return recall.request(stores, study, "a new scan to compare with", Urgency.ROUTINE)

    def confirm_visits(self, day: date) -> None:
        """`retention fact import`: the register says that nobody has come again."""
        with self.on(day) as stores:
            said = [
                Saying(
                    _identity(stores, who), "last_visit", who.seen_on, None, "register", Assurance.VERIFIED
                )
                for who in CAST
            ]
            record_sayings(stores, said)

    def propose(self, day: date) -> ProposalRecord:
        """`retention disposal propose`."""
        with self.on(day) as stores:
            return proposals.propose(stores, institutions.find(stores, HOSPITAL).institution_id)

    def request(self, day: date, record: ProposalRecord) -> str:
        """`retention approval list`; return what the approvers of a proposal sign."""
        with self.on(day) as stores:
            (request,) = stores.catalog.approvals.about(proposals.KIND, record.proposal_id)
            return request.request_id

    def outcomes(self, day: date, record: ProposalRecord) -> dict[str, str]:
        """`retention disposal show`: what is to become of each study, by its UID."""
        with self.on(day) as stores:
            uids = proposals.held_uids(stores, record)
        return {uids[study.study]: study.outcome for study in record.studies if study.study in uids}

    def execute(self, day: date, record: ProposalRecord) -> execution.Executed | RefusedError:
        """`retention disposal execute`; return why it was refused, if it was."""
        with self.on(day) as stores:
            try:
                return execution.execute(stores, record.proposal_id)
            except RefusedError as error:
                return error

    def certificate(self, day: date, record: ProposalRecord) -> dict[str, JsonValue]:
        """`retention disposal certificate`."""
        with self.on(day) as stores:
            return certified(stores, record.proposal_id)

    def rebuild(self, day: date) -> None:
        """`rm catalog.db*`, `retention catalog rebuild`."""
        lose_catalog(self.root)
        rebuild_archive_catalog(self.root, self.progress, as_of=_noon(day))

    def report(self, day: date, year: int, out: Path, language: str) -> MadeReport:
        """`retention report compliance`. Raises UsageError without the libraries that a report needs."""
        from retention.services.compliance.report import make_report

        with self.on(day) as stores:
            return make_report(stores, date(year, 1, 1), date(year, 12, 31), out, language=language)


def refused_clock(root: Path, day: date) -> RefusedError | None:
    """Return what an archive says of `--as-of`, if it refuses."""
    try:
        open_archive(root, as_of=_noon(day)).close()
    except RefusedError as error:
        return error
    return None


def _birth(stores: Stores, who: Patient) -> Iterator[Saying]:
    if who.born_on is not None:
        yield Saying(_identity(stores, who), "birth", who.born_on, None, "register", Assurance.VERIFIED)


def _identity(stores: Stores, who: Patient) -> PatientIdentity:
    return PatientIdentity(institutions.find(stores, HOSPITAL).institution_id, who.patient_id, "")


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
