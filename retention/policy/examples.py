"""Running the examples a policy file carries: the tests an archivist writes in the language of the policy.

An example is evaluated under its own policy alone; of what it expects, only what is written is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retention.markup.faults import Fault
from retention.markup.text import Text
from retention.markup.yaml_text import Path
from retention.policy.decision import Decision
from retention.policy.documents import RetentionPolicy
from retention.policy.enacted import PolicySet
from retention.policy.evaluate import evaluate
from retention.policy.example_documents import Example, ExampleFact, ExampleStudy
from retention.policy.facts import Facts
from retention.policy.loading import Loaded
from retention.policy.plan import CompiledPlan, Stay
from retention.policy.plan_documents import StoragePlan
from retention.policy.shape import Part
from retention.policy.subject import Fact, Hold, Study

_DIFFERS = Text("{key}: expected {expected}, got {actual}", "{key} : {expected} attendu, {actual} obtenu")
_NOTHING = Text("none", "aucun")


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """One example run. It passed if there are no `differences`; these are placed in the file, for showing there."""

    document: str
    example: str
    differences: tuple[Fault, ...]
    outcome: Decision | Stay

    @property
    def has_passed(self) -> bool:
        return not self.differences


def run_examples(loaded: Loaded) -> list[ExampleResult]:
    """Run the examples of one document."""
    document = loaded.document
    if isinstance(document, RetentionPolicy):
        return list(_run_policy(loaded, document))
    return list(_run_plan(loaded, document))


def study_of(example: ExampleStudy) -> Study:
    """Return the study an example describes."""
    return Study.of(
        example.study_date,
        ingested_on=example.ingest_date,
        institution=example.institution,
        entity=example.entity,
        attributes={
            "modality": example.modality,
            "sop_class": example.sop_class,
            "body_part": example.body_part,
            "manufacturer": example.manufacturer,
            "department": example.department,
            "study_description": example.study_description,
        },
    )


def facts_of(facts: dict[str, list[ExampleFact]]) -> list[Fact]:
    """Return the facts an example tells."""
    return [_fact(kind, fact) for kind, same in facts.items() for fact in same]


def _fact(kind: str, fact: ExampleFact) -> Fact:
    return Fact(
        kind,
        fact.on or fact.from_,
        fact.to,
        fact.assurance,
        fact.source or "",
        fact.institution,
        fact.entity,
    )


def _run_policy(loaded: Loaded, policy: RetentionPolicy) -> Iterator[ExampleResult]:
    policies = PolicySet([policy])
    for index, example in enumerate(policy.examples):
        decision = _decide(example, policies)
        actual: dict[str, object] = {
            "state": decision.state,
            "keep_until": decision.keep_until,
            "winner": decision.winner,
            "final_action": decision.final_action,
            "undetermined": list(decision.missing),
            "next_change_on": decision.next_change_on,
        }
        differences = _differences(loaded, ("examples", index, "expect"), example.expect, actual)
        yield ExampleResult(policy.name, example.name, differences, decision)


def _decide(example: Example, policies: PolicySet) -> Decision:
    study = study_of(example.study)
    others = [study_of(other) for other in example.later_studies]
    facts = Facts(facts_of(example.facts))
    holds = [Hold(str(number), hold.owner, hold.reason) for number, hold in enumerate(example.holds, start=1)]
    return evaluate(study, others, policies, facts, holds, example.at)


def _run_plan(loaded: Loaded, plan: StoragePlan) -> Iterator[ExampleResult]:
    compiled = CompiledPlan(plan)
    for index, example in enumerate(plan.examples):
        stay = compiled.stay(study_of(example.study), example.at, example.accessed_on)
        actual: dict[str, object] = {"tier": stay.tier, "next_tier": stay.next_tier, "move_on": stay.move_on}
        differences = _differences(loaded, ("examples", index, "expect"), example.expect, actual)
        yield ExampleResult(plan.name, example.name, differences, stay)


def _differences(loaded: Loaded, path: Path, expected: Part, actual: dict[str, object]) -> tuple[Fault, ...]:
    faults = []
    for key in sorted(expected.model_fields_set):
        wanted = getattr(expected, key)
        if wanted != actual[key]:
            words = {"key": key, "expected": _spoken(wanted), "actual": _spoken(actual[key])}
            faults.append(loaded.text.fault_at((*path, key), _DIFFERS.format(**words)))
    return tuple(faults)


def _spoken(value: object) -> object:
    if value is None or value == []:
        return _NOTHING
    return ", ".join(str(item) for item in value) if isinstance(value, list) else value
