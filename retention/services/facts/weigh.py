"""What sayings would change before they count: for how many studies, and which of them need a second person.

policy.md, Facts: whatever would bring the end of any study earlier waits for somebody else. Holds and open suspensions
are looked through: one that ends later must not let a shorter end come to light that nobody approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from retention.catalog.deciding import PatientToDecide
from retention.catalog.fact_records import FactState, FactStatement, RecordedFact
from retention.model.identifiers import new_id
from retention.model.patient import PatientIdentity
from retention.policy.decision import Decision, would_shorten
from retention.policy.evaluate import evaluate
from retention.policy.fates import Fate, Tally
from retention.policy.standing import FactRecord, standing
from retention.policy.subject import Fact
from retention.policy.words import Assurance
from retention.services import decisions
from retention.services.decision_inputs import inputs_of, record_of
from retention.services.facts.saying import ONCE, Saying
from retention.services.in_force import Bound
from retention.services.patients_read import with_elsewhere
from retention.services.stores import Stores

VISIT = "last_visit"

Ends = tuple[Decision, Decision]
"""What the rules make of a study, and what they would make of it without the suspensions that are open."""


@dataclass(frozen=True, slots=True)
class ToRecord:
    """What is to be recorded about one patient."""

    patient: PatientIdentity
    statements: tuple[FactStatement, ...]


@dataclass(slots=True)
class Weighed:
    """What sayings come to. `tally` counts the studies they are about by what becomes of their ends, were all approved;
    `unchanged` are sayings that repeat what stands; `strangers` patients of whom no study is held."""

    to_record: list[ToRecord] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    unchanged: int = 0
    strangers: int = 0

    @property
    def facts(self) -> int:
        return sum(len(each.statements) for each in self.to_record)

    @property
    def pending(self) -> int:
        return sum(said.needs_approval for each in self.to_record for said in each.statements)

    @property
    def studies(self) -> int:
        return sum(self.tally.studies.values())

    def count(self, fate: Fate) -> int:
        return self.tally.studies[fate]


def weigh(stores: Stores, sayings: Iterable[Saying]) -> Weighed:
    """Return what sayings would change; nothing is changed by asking."""
    by_patient: dict[PatientIdentity, list[Saying]] = {}
    for saying in sayings:
        by_patient.setdefault(saying.patient, []).append(saying)
    weighed, now = Weighed(), stores.clock.now()
    with stores.catalog.deciding() as view:
        bounds = decisions.governed(view)
        for identity, said in by_patient.items():
            bound = bounds[identity.institution_id]
            recorded = stores.catalog.facts.of_patient(identity)
            statements = _statements(said, recorded)
            weighed.unchanged += len(said) - len(statements)
            if not statements:
                continue
            patient = view.patient(identity)
            if patient is None:
                weighed.strangers += 1
            else:
                (patient,) = with_elsewhere(view, bounds, [patient])
                statements = _weigh(weighed, Scale(patient, bound, now), statements)
            weighed.to_record.append(ToRecord(identity, tuple(statements)))
    return weighed


class Scale:
    """One patient, as his or her studies stand with what is known, to weigh what else is said against."""

    def __init__(self, patient: PatientToDecide, bound: Bound, now: datetime) -> None:
        self._patient, self._bound, self._now = patient, bound, now
        self._at = bound.day(now)
        self._suspends = frozenset().union(*(policy.suspends for policy in bound.policies.policies))
        self.before = self.ends([])

    def ends(self, statements: Iterable[FactStatement]) -> list[Ends]:
        """Return what the rules make of each study if these statements count too."""
        candidates = [_candidate(statement, self._now) for statement in statements]
        facts = standing([*map(record_of, self._patient.recorded), *candidates])
        lasting = [fact for fact in facts if fact.kind not in self._suspends or fact.to_on is not None]
        return list(zip(self._decide(facts), self._decide(lasting), strict=True))

    def shortens(self, statements: Iterable[FactStatement]) -> bool:
        return is_any_shorter(self.before, self.ends(statements))

    def tell(self, tally: Tally, statements: Iterable[FactStatement]) -> None:
        """Add to `tally` what becomes of each study."""
        for study, before, after in zip(
            self._patient.studies, self.before, self.ends(statements), strict=True
        ):
            tally.add(before[0], after[0], study.bytes_received)

    def _decide(self, facts: Sequence[Fact]) -> list[Decision]:
        inputs = inputs_of(self._patient, self._bound, facts)
        return [
            evaluate(study, inputs.companions.of(place), self._bound.policies, inputs.facts, (), self._at)
            for place, study in enumerate(inputs.studies)
        ]


def is_any_shorter(before: Iterable[Ends], after: Iterable[Ends]) -> bool:
    """Whether any study could end earlier, with open suspensions or without."""
    return any(
        would_shorten(was, now)
        for study_before, study_after in zip(before, after, strict=True)
        for was, now in zip(study_before, study_after, strict=True)
    )


def _weigh(weighed: Weighed, scale: Scale, statements: list[FactStatement]) -> list[FactStatement]:
    """Return the statements, those marked that need a second person; together the others shorten nothing."""
    scale.tell(weighed.tally, statements)
    if not scale.shortens(statements) and not any(map(scale.shortens, ([each] for each in statements))):
        return statements
    marked = [replace(each, needs_approval=scale.shortens([each])) for each in statements]
    if scale.shortens(each for each in marked if not each.needs_approval):
        return [replace(each, needs_approval=True) for each in statements]
    return marked


def _statements(said: Iterable[Saying], recorded: Sequence[RecordedFact]) -> list[FactStatement]:
    """Return what sayings add to what is recorded: each with what it takes the place of; repetitions are left out."""
    standing_now = {
        fact.statement.record_id: fact.statement
        for fact in recorded
        if fact.state is FactState.STANDING and not fact.statement.withdraws
    }
    waiting = [fact.statement for fact in recorded if fact.state is FactState.PENDING]
    statements: list[FactStatement] = []
    for saying in said:
        known = [*standing_now.values(), *waiting]
        if not saying.withdraws and any(_repeats(saying, each) for each in known) and not _confirms(saying):
            continue
        superseded = {*saying.supersedes, *(i for i, each in standing_now.items() if _corrects(saying, each))}
        statement = FactStatement(
            new_id(),
            saying.kind,
            saying.from_on,
            saying.to_on,
            saying.source,
            saying.assurance.value,
            tuple(sorted(superseded)),
            saying.withdraws,
        )
        statements.append(statement)
        if not saying.withdraws:
            standing_now[statement.record_id] = statement
    return statements


def _repeats(saying: Saying, known: FactStatement) -> bool:
    said = (saying.kind, saying.from_on, saying.to_on, saying.source, saying.assurance.value)
    return said == (known.kind, known.from_on, known.to_on, known.source, known.assurance)


def _confirms(saying: Saying) -> bool:
    """Whether saying it again is worth recording: that an authoritative source said so today (policy.md, Facts)."""
    return saying.kind == VISIT and saying.assurance is Assurance.VERIFIED


def _corrects(saying: Saying, known: FactStatement) -> bool:
    """Whether a saying takes the place of a standing fact without being told so: there is one birth and one death; a
    later word about the same event replaces the earlier."""
    if saying.withdraws or saying.kind != known.kind:
        return False
    return saying.kind in ONCE or (saying.from_on is not None and saying.from_on == known.from_on)


def _candidate(statement: FactStatement, now: datetime) -> FactRecord:
    fact = Fact(
        statement.kind,
        statement.from_on,
        statement.to_on,
        Assurance(statement.assurance),
        statement.source,
    )
    return FactRecord(
        statement.record_id,
        None if statement.withdraws else fact,
        "",
        now,
        frozenset(statement.supersedes),
    )
