"""A match on its own, for holds placed by query."""

import pytest

from retention.model.errors import PolicyError
from retention.policy.facts import Facts
from retention.policy.query import read_query
from tests.policy.making import fact, study


@pytest.mark.parametrize(
    "text",
    ["modality: CT, body_part: HEAD", "{modality: CT, body_part: HEAD}", " modality: CT,\n body_part: HEAD"],
)
def test_braces_may_be_left_out(text):
    query = read_query(text)
    assert query.may_cover(study(modality="CT", body_part="HEAD"), Facts())
    assert not query.may_cover(study(modality="CT", body_part="CHEST"), Facts())


def test_what_nobody_knows_is_covered():
    assert read_query("modality: CT").may_cover(study(), Facts())
    assert read_query("not: {modality: CT}").may_cover(study(), Facts())


def test_facts_and_ages_can_be_asked_for():
    query = read_query("fact: transfusion, age_at_study: {below: 18}")
    known = Facts([fact("transfusion"), fact("birth", "2000-01-01")])
    assert query.may_cover(study("2010-01-01"), known)
    assert not query.may_cover(study("2020-01-01"), known)
    assert not query.may_cover(study("2010-01-01"), Facts())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a match needs a condition"),
        ("modalty: CT", "unknown key `modalty`; did you mean `modality`?"),
        ("age_at_trigger: {from: 3}", "has no trigger"),
        ("modality: [", "this is not YAML"),
        ("[a]", "a key must be a plain word"),
        ("fact: nonsense", "is no kind of fact here"),
        (
            "study_date: {from: 2020-01-01, before: 2019-01-01}",
            "nothing lies 2020-01-01 and below 2019-01-01",
        ),
    ],
)
def test_mistakes_are_shown(text, message):
    with pytest.raises(PolicyError, match="query has 1 fault") as error:
        read_query(text)
    assert message in error.value.message
