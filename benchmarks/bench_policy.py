"""Decisions a second of one core's time: French law over a mix of patients, and with facts that nobody knows.

Run: python -m benchmarks.bench_policy [--decisions 100000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from retention.policy.enacted import PolicySet
from retention.policy.evaluate import evaluate
from retention.policy.facts import Facts
from retention.policy.loading import load_policies
from retention.policy.plan import CompiledPlan
from retention.policy.subject import Fact, Study
from retention.policy.words import Assurance

LIBRARY = Path(__file__).parent.parent / "policies"
AT = date(2026, 11, 24)
ROUNDS = 3
TARGET_A_SECOND = 20_000

Subject = tuple[Study, list[Study], Facts]


def subjects(count: int, seed: int, *, is_birth_known: bool = True) -> list[Subject]:
    """Patients with one to four studies; some have died, some were transfused, some appeal."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        born_on = date(1930, 1, 1) + timedelta(days=chance.randrange(33_000))
        first_on = max(born_on, date(2000, 1, 1)) + timedelta(days=chance.randrange(3_000))
        studies = [
            Study.of(
                first_on + timedelta(days=number * chance.randrange(1, 900)),
                ingested_on=AT,
                institution="necker",
                attributes={"modality": chance.choice(["CT", "MR", "MG", "DX"])},
            )
            for number in range(chance.randrange(1, 5))
        ]
        facts = [Fact("last_visit", studies[-1].study_on, assurance=Assurance.VERIFIED, source="adt")]
        if is_birth_known:
            facts.append(Fact("birth", born_on, assurance=Assurance.VERIFIED, source="adt"))
        if chance.random() < 0.1:
            facts.append(Fact("death", date(2024, 5, 5), assurance=Assurance.VERIFIED, source="adt"))
        if chance.random() < 0.05:
            facts.append(Fact("transfusion", first_on, source="lab"))
        if chance.random() < 0.02:
            facts.append(Fact("liability_appeal", first_on, date(2020, 1, 1), source="legal"))
        made.append((studies[0], studies[1:], Facts(facts)))
    return made


def decisions_a_second(policies: PolicySet, made: list[Subject]) -> float:
    start = time.process_time()
    for study, others, facts in made:
        evaluate(study, others, policies, facts, (), AT)
    return len(made) / (time.process_time() - start)


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


def policies_of(*names: str) -> PolicySet:
    return PolicySet(
        policy
        for name in names
        for policy in load_policies((LIBRARY / f"{name}.yaml").read_bytes(), name).policies
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    count: int = parser.parse_args().decisions
    french = policies_of("fr-csp-r1112-7")
    print(f"| {count:,} decisions, one core | a second | target |")
    print("|---|---|---|")
    for what, policies, made in (
        ("French law, birth known", french, subjects(count, 1)),
        ("French law, birth unknown", french, subjects(count, 2, is_birth_known=False)),
        (
            "German law, birth unknown",
            policies_of("de-strlschg-85"),
            subjects(count, 3, is_birth_known=False),
        ),
    ):
        figure = median(partial(decisions_a_second, policies, made))
        print(f"| {what} | {figure:,.0f} | {TARGET_A_SECOND:,} |")
    plan = CompiledPlan(load_policies((LIBRARY / "fr-imaging.yaml").read_bytes(), "plan").plans[0])
    made = subjects(count, 1)

    def stays_a_second() -> float:
        start = time.process_time()
        for study, _, _ in made:
            plan.stay(study, AT)
        return len(made) / (time.process_time() - start)

    print(f"| tier and next move | {median(stays_a_second):,.0f} | |")


if __name__ == "__main__":
    main()
