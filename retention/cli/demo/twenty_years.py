"""The second act: twenty years of a hospital on a rehearsal archive, whose clock is told what day it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from retention.catalog.disposal_records import ProposalRecord
from retention.cli.demo import cast, endings
from retention.cli.demo.proof import SourceFile, compare
from retention.cli.demo.stage import Stage
from retention.cli.demo.years import Years, refused_clock
from retention.cli.invocation import current
from retention.model.errors import NotFoundError, NotReadyError, RefusedError
from retention.model.states import StudyState
from retention.services.approvals import Visa
from retention.services.disposal.proposals import to_destroy

BEGUN_ON = date(2004, 9, 1)
COLD_ON, OLD_FORMS_GO_ON = date(2007, 9, 1), date(2007, 9, 4)
DIED_ON, TOLD_ON = date(2010, 6, 1), date(2010, 6, 15)
HELD_ON, REASSESSED_ON = date(2012, 3, 1), date(2030, 3, 1)
GLACIER_ON, NOTHING_LEFT_ON = date(2015, 9, 1), date(2015, 9, 4)
RECALLED_ON, RETURNED_ON = date(2016, 1, 10), date(2016, 1, 20)
TWENTY_ON, BIRTHDAY, DAY_AFTER = date(2024, 8, 27), date(2026, 3, 10), date(2026, 3, 11)
PROPOSED_ON, SIGNED_ON, IN_GRACE_ON, EXECUTED_ON = (
    date(2026, 4, 1),
    date(2026, 4, 2),
    date(2026, 4, 20),
    date(2026, 6, 1),
)
AUDITED_ON, REPORTED_ON, REPORTED_YEAR, FAR_ON = (
    date(2027, 1, 1),
    date(2027, 1, 2),
    2026,
    date(2056, 1, 1),
)
DOOMED = (cast.RECALLED, cast.CHILD, cast.DECEASED)


@dataclass(slots=True)
class TwentyYears:
    """Everything in its order. `production` is the archive of the first act; the workspace is taken away afterwards."""

    stage: Stage
    years: Years
    samples: Path
    production: Path
    workspace: Path
    uids: dict[cast.Patient, str] = field(default_factory=dict)

    def tell(self) -> None:
        """Tell the whole act. Raises whatever stops a step."""
        self.stage.show("")
        self.stage.show(current.say("demo.interval", begun=BEGUN_ON.year, studies=len(cast.CAST)))
        self._begin()
        self._age("to_cold", "cold", COLD_ON, OLD_FORMS_GO_ON)
        self._die()
        self._hold()
        self._age("to_glacier", "glacier", GLACIER_ON, NOTHING_LEFT_ON)
        self._recall()
        self._grow_up()
        proposal = self._approve()
        self._destroy(proposal)
        self._push_clock()
        self._audit()
        self._report()

    def _begin(self) -> None:
        with self.stage.step("rehearsal", day=BEGUN_ON) as step:
            sources = self.workspace / "cast"
            sources.mkdir()
            for who in cast.CAST:
                shutil.copy(self.samples / "test_files" / who.file, sources)
            self.uids = self.years.begin(BEGUN_ON, sources)
            states = [study.state for study in self.years.studies(BEGUN_ON)]
            self.stage.say("rehearsal_done", day=BEGUN_ON, studies=len(states))
            known = states.count(StudyState.DETERMINED)
            unknown = states.count(StudyState.UNDETERMINED)
            step.prove(
                (known, unknown) == (len(cast.CAST) - 1, 1), known=known, studies=len(states), unknown=unknown
            )

    def _age(self, key: str, tier: str, due_on: date, after: date) -> None:
        with self.stage.step(key, day=due_on) as step:
            moved, _ = self.years.age(due_on)
            _, dropped = self.years.age(after)
            self.stage.say("age_done", moved=moved, tier=tier, dropped=dropped)
            there = [study.tiers for study in self.years.studies(after)].count((tier,))
            step.prove(moved == there == dropped == len(cast.CAST), there=there, studies=len(cast.CAST))

    def _die(self) -> None:
        with self.stage.step("death", day=TOLD_ON) as step:
            uid = self.uids[cast.DECEASED]
            before = self.years.decision(TOLD_ON, uid).keep_until
            request = self.years.die(TOLD_ON, cast.DECEASED, DIED_ON)
            waiting = self.years.decision(TOLD_ON, uid).keep_until
            refused = self.years.approve(TOLD_ON, request, cast.ARCHIVIST)
            self._show_refusal(refused)
            self.years.approve(TOLD_ON, request, cast.SECOND)
            after = self.years.decision(TOLD_ON, uid).keep_until
            self.stage.say("death_done", second=cast.SECOND)
            expected = DIED_ON.replace(year=DIED_ON.year + 10)
            is_right = waiting == before and after == expected
            step.prove(is_right and refused is not None, before=before, after=after)

    def _hold(self) -> None:
        with self.stage.step("hold", day=HELD_ON) as step:
            uid = self.uids[cast.HELD]
            before = self.years.decision(HELD_ON, uid)
            self.years.hold(HELD_ON, uid, REASSESSED_ON)
            after = self.years.decision(HELD_ON, uid)
            self.stage.say("hold_done", until=before.keep_until)
            was_known = before.state is StudyState.DETERMINED
            step.prove(was_known and after.state is StudyState.HELD, state=after.state)

    def _recall(self) -> None:
        with self.stage.step("recall", day=RECALLED_ON) as step:
            uid, out = self.uids[cast.RECALLED], self.workspace / "recalled"
            early = self.years.read(RECALLED_ON, uid, out, hour=0)
            self.stage.say("recall_early", message="" if early is None else early.message)
            self.years.recall(RECALLED_ON, uid)
            self.years.age(RECALLED_ON)
            late = self.years.read(RECALLED_ON, uid, out, hour=13)
            found = compare([SourceFile.of(self.workspace / "cast" / cast.RECALLED.file, 0)], out)
            self.years.age(RETURNED_ON)
            (study,) = (each for each in self.years.studies(RETURNED_ON) if each.study_uid == uid)
            self.stage.say("recall_done", hours=12)
            is_back = found.is_proof and late is None and study.tiers == ("glacier",)
            step.prove(is_back and isinstance(early, NotReadyError), equal=found.equal)

    def _grow_up(self) -> None:
        with self.stage.step("birthday", day=DAY_AFTER) as step:
            uid = self.uids[cast.CHILD]
            until = self.years.decision(TWENTY_ON, uid).keep_until
            self.stage.say("birthday_twenty", day=TWENTY_ON, until=until)
            self.years.confirm_visits(BIRTHDAY)
            on_it = self._doomed(BIRTHDAY)
            after = self._doomed(DAY_AFTER)
            self.stage.say("birthday_done", before=BIRTHDAY, after=DAY_AFTER)
            step.prove(until == BIRTHDAY and uid not in on_it and uid in after, until=until)

    def _doomed(self, day: date) -> set[str]:
        """Return what might be destroyed on a day. A proposal has no effect."""
        outcomes = self.years.outcomes(day, self.years.propose(day))
        return {uid for uid, outcome in outcomes.items() if outcome == "DESTROY"}

    def _approve(self) -> ProposalRecord:
        with self.stage.step("approvals", day=PROPOSED_ON) as step:
            self.years.confirm_visits(PROPOSED_ON)
            proposal = self.years.propose(PROPOSED_ON)
            wanted = {self.uids[who] for who in DOOMED}
            outcomes = self.years.outcomes(PROPOSED_ON, proposal)
            doomed = {uid for uid, outcome in outcomes.items() if outcome == "DESTROY"}
            self.stage.say("approvals_proposed", doomed=len(doomed), kept=len(outcomes) - len(doomed))
            request = self.years.request(PROPOSED_ON, proposal)
            refused = self.years.approve(SIGNED_ON, request, cast.DIRECTOR)
            self._show_refusal(refused)
            visa = Visa(cast.VISA, "2026/117", SIGNED_ON, endings.digest_of("the archives agree"))
            given = [
                self.years.approve(SIGNED_ON, request, cast.PHYSICIAN),
                self.years.approve(SIGNED_ON, request, cast.DIRECTOR),
                self.years.approve(SIGNED_ON, request, cast.ARCHIVIST, visa),
            ]
            early = self.years.execute(IN_GRACE_ON, proposal)
            self._show_refusal(early if isinstance(early, RefusedError) else None)
            signed = given.count(None)
            is_refused = refused is not None and isinstance(early, RefusedError)
            step.prove(is_refused and doomed == wanted and signed == len(given), signed=signed)
        return proposal

    def _destroy(self, proposal: ProposalRecord) -> None:
        with self.stage.step("disposal", day=EXECUTED_ON) as step:
            done = self.years.execute(EXECUTED_ON, proposal)
            document = self.years.certificate(EXECUTED_ON, proposal)
            for line in endings.certificate_lines(document):
                self.stage.show(f"     {line}")
            self.years.rebuild(EXECUTED_ON)
            left = {study.study_uid for study in self.years.studies(EXECUTED_ON)}
            gone = [self.years.read(EXECUTED_ON, self.uids[who], self.workspace / "gone") for who in DOOMED]
            self.stage.say("disposal_done", left=len(left))
            is_gone = all(isinstance(error, NotFoundError) for error in gone)
            is_done = not isinstance(done, RefusedError) and done.destroyed == len(to_destroy(proposal))
            is_left = left == {self.uids[who] for who in cast.CAST if who not in DOOMED}
            is_certified = endings.is_proven(document) and endings.finds_nothing(document)
            step.prove(is_gone and is_done and is_left and is_certified, destroyed=len(gone), left=len(left))

    def _push_clock(self) -> None:
        with self.stage.step("clock", day=FAR_ON) as step:
            refused = refused_clock(self.production, FAR_ON)
            self._show_refusal(refused)
            step.prove(refused is not None)

    def _audit(self) -> None:
        """What lies on glacier was not read for ten years: it is recalled, and read half a day later."""
        with self.stage.step("audits", day=AUDITED_ON) as step:
            before = self.years.coverage(AUDITED_ON)
            self.stage.say("audits_before", share=f"{before.share:.0%}", late=before.late)
            self.years.audit(AUDITED_ON, hour=0)
            report = self.years.audit(AUDITED_ON, hour=13)
            after = self.years.coverage(AUDITED_ON, hour=14)
            self.stage.say("audits_done", share=f"{after.share:.0%}", late=after.late, checked=report.checked)
            is_right = before.late > 0 and not after.late and after.share == 1.0
            step.prove(
                is_right and not report.damaged, before=f"{before.share:.0%}", after=f"{after.share:.0%}"
            )

    def _report(self) -> None:
        with self.stage.step("report", year=REPORTED_YEAR) as step:
            bundle = self.workspace / "report"
            made = self.years.report(REPORTED_ON, REPORTED_YEAR, bundle, current.language)
            self.stage.say("report_made", files=len(made.files))
            for line in made.exceptions:
                self.stage.say("report_exception", line=line)
            is_good = endings.is_accepted(bundle, made.signing_key)
            tried, caught = endings.tamper_with_each(bundle, made.signing_key)
            self.stage.say("report_done", tried=tried, caught=caught)
            is_good_again = endings.is_accepted(bundle, made.signing_key)
            is_proof = is_good and is_good_again and tried == caught > 0
            step.prove(is_proof, tried=tried, caught=caught)

    def _show_refusal(self, refused: RefusedError | None) -> None:
        if refused is not None:
            self.stage.say("refused", message=refused.message)
