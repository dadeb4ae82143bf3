"""The published schema: what the loader accepts it accepts, and what it can say it says."""

import json

import pytest

from retention.markup.yaml_text import read_documents
from retention.policy.json_schema import policy_schema
from tests.policy.draft7 import errors
from tests.policy.making import LIBRARY
from tests.policy.test_mistakes import MISTAKES, POLICY

SCHEMA = policy_schema()
FILES = sorted(LIBRARY.glob("*.yaml"))
BEYOND_SCHEMA = (
    "stands here twice",  # keys and names are compared across a document
    "is negative",
    "is no time at all",
    "is longer than 200 years",
    "there is no day",
    "is not a share",
    "is no kind of fact here",
    "is known already",
    "nothing lies",
    "is not shorter than",
    "would be reached before",
    "needs `disposal",
    "is before",
    "`on` or `from`",
    "the first row only",
    "the last tier has no end",
    "needs `for`",
    "need each other",
    "storage plan has no trigger",
    "`studies`, `percent`",
    "for the text",
    "did you mean `implant`",
    "did you mean `liability_appeal`",
    "is not a day written as 2026-11-24",
    "anchors",
    "aliases",
    "tags",
)


def test_the_published_file_is_the_schema():
    published = json.loads((LIBRARY / "policy.schema.json").read_text())
    assert published == SCHEMA, "write it again: retention policy schema > policies/policy.schema.json"


def test_it_is_draft_7():
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "$defs" not in json.dumps(SCHEMA)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_policy_of_the_library_is_valid(file):
    for document in read_documents(file.read_text()):
        assert errors(SCHEMA, document.value) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [(old, new, message) for old, new, _, message in MISTAKES],
    ids=[str(n) for n in range(len(MISTAKES))],
)
def test_a_mistake_that_a_schema_can_see_is_seen(old, new, message):
    found = [
        error
        for document in read_documents(POLICY.replace(old, new, 1))
        for error in errors(SCHEMA, document.value)
    ]
    if not message or any(part in message for part in BEYOND_SCHEMA):
        return
    assert found != []


def test_editors_complete_from_closed_lists():
    rule = SCHEMA["definitions"]["Rule"]["properties"]
    assert "last_visit" in rule["trigger"]["enum"]
    assert rule["scope"]["enum"] == ["institution", "entity"]
    assert {"const": "forever"} in rule["keep"]["anyOf"]
    assert set(SCHEMA["definitions"]["Match"]["properties"]) == {
        "any", "all", "one_of", "not", "modality", "sop_class", "body_part", "department", "study_description",
        "manufacturer", "age_at_study", "age_at_trigger", "study_date", "institution", "fact",
    }  # fmt: skip
    assert set(rule) == {
        "id", "legal_basis", "match", "trigger", "scope", "keep", "floor", "on_death", "suspend_on",
        "unless_followed_by", "maximum",
    }  # fmt: skip
