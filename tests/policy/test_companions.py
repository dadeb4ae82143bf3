"""A decision made with the reduced companions equals the one made with all of them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from retention.policy.companions import Companions
from retention.policy.enacted import PolicySet
from retention.policy.evaluate import evaluate
from retention.policy.facts import Facts
from retention.policy.loading import load_policies
from retention.policy.subject import Fact, Study
from retention.policy.words import Assurance

LIBRARY = Path(__file__).parents[2] / "policies"
AT = date(2026, 11, 24)
DAYS = st.dates(date(1990, 1, 1), AT)


def policies(*names: str) -> PolicySet:
    return PolicySet(
        policy
        for name in names
        for policy in load_policies((LIBRARY / f"{name}.yaml").read_bytes(), name).policies
    )


FRENCH, MQSA = policies("fr-csp-r1112-7"), policies("us-mqsa")

STUDIES = st.lists(
    st.builds(
        lambda on, came, modality: Study.of(
            on, ingested_on=came, institution="necker", attributes={"modality": modality}
        ),
        st.none() | DAYS,
        st.none() | DAYS,
        st.sampled_from(["CT", "MG"]),
    ),
    min_size=1,
    max_size=8,
)
FACTS = st.lists(
    st.builds(
        lambda kind, on, assurance: Fact(kind, on, assurance=assurance),
        st.sampled_from(["birth", "death", "last_visit", "study_date", "transfusion"]),
        st.none() | DAYS,
        st.sampled_from(Assurance),
    ),
    max_size=4,
)


@settings(max_examples=300)
@given(STUDIES, FACTS, st.sampled_from([FRENCH, MQSA]), st.integers(0, 20_000))
def test_the_reduced_ones_decide_as_all_of_them(studies, recorded, bound, ahead):
    facts, at = Facts(recorded), AT + timedelta(days=ahead)
    companions = Companions(studies, bound)
    for number, study in enumerate(studies):
        others = studies[:number] + studies[number + 1 :]
        assert evaluate(study, companions.of(number), bound, facts, (), at) == evaluate(
            study, others, bound, facts, (), at
        )


def test_a_thousand_studies_are_reduced_to_a_few():
    studies = [Study.of(AT - timedelta(days=n), ingested_on=AT) for n in range(1000)]
    assert len(Companions(studies, FRENCH).of(500)) <= 8


def test_where_followers_count_all_others_stay():
    studies = [Study.of(AT - timedelta(days=n), ingested_on=AT) for n in range(20)]
    assert len(Companions(studies, MQSA).of(5)) == 19
