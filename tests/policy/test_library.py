"""The library of policies: valid, tested by its own examples, and plain about what nobody verified."""

import re

import pytest

from retention.policy.documents import RetentionPolicy
from retention.policy.examples import run_examples
from retention.policy.loading import PolicyFile, load_policies
from retention.policy.words import FinalAction
from tests.policy.making import LIBRARY

FILES = sorted(LIBRARY.glob("*.yaml"))
NAMES = [file.stem for file in FILES]
VECTORS = {
    "fr-csp-r1112-7": ["a,", "b,", "c,", "c',", "d,", "e,", "f,", "f',", "g,", "g',", "h,", "i,", "i',"],
    "de-strlschg-85": ["j,", "k,", "l,"],
    "us-mqsa": ["m,"],
}


def load(name: str) -> PolicyFile:
    return load_policies((LIBRARY / f"{name}.yaml").read_bytes(), f"{name}.yaml")


def test_what_the_library_holds():
    assert set(NAMES) >= {
        "fr-csp-r1112-7", "fr-private-practice", "fr-imaging", "de-strlschg-85", "gb-eng-rm-code-2021", "nl-wgbo",
        "be-quality-act-35", "it-radiology", "es-ley-41-2002", "es-ct-ley-21-2000", "us-mqsa", "ca-qc-physicians",
        "generic-15-years", "generic-20-years", "standard",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_example_holds(name):
    for loaded in load(name).documents:
        results = run_examples(loaded)
        assert results != []
        failed = {
            result.example: [str(fault) for fault in result.differences]
            for result in results
            if not result.has_passed
        }
        assert failed == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_expectation_is_told(name):
    """No example passes whatever the decision is: each with another state fails."""
    text = (LIBRARY / f"{name}.yaml").read_text()
    broken = re.sub(
        r"state: (\w+)", lambda found: f"state: {'HELD' if found[1] != 'HELD' else 'CONFLICT'}", text
    )
    broken = re.sub(r"expect: \{tier: \w+", "expect: {tier: other", broken)
    for loaded in load_policies(broken, name).documents:
        assert not any(result.has_passed for result in run_examples(loaded))


@pytest.mark.parametrize("name", NAMES)
def test_files_are_named_after_their_policy_and_say_who_approves(name):
    text = (LIBRARY / f"{name}.yaml").read_text()
    (loaded,) = load(name).documents
    assert loaded.document.name == name
    assert text.startswith("# yaml-language-server: $schema=policy.schema.json\n")
    comment = " ".join(re.findall(r"^# ?(.*)$", text, re.MULTILINE))
    assert re.search(r"ha(s|ve) to (check and )?approve|have your operator approve", comment)


@pytest.mark.parametrize("name", NAMES)
def test_laws_say_where_they_come_from_and_how_sure_that_is(name):
    (loaded,) = load(name).documents
    document = loaded.document
    if not isinstance(document, RetentionPolicy):
        return
    assert document.title.en
    assert document.title.fr
    assert document.review_by > document.legal_basis.checked_on
    text = (LIBRARY / f"{name}.yaml").read_text()
    if document.legal_basis.status != "primary":
        assert re.search(r"UNVERIFIED|[Ss]econdary|not in the Code|No country's law", text)


def test_only_the_french_law_destroys_and_only_after_three_signatures():
    destroying = [
        policy
        for name in NAMES
        for policy in load(name).policies
        if policy.final_action is FinalAction.DESTROY
    ]
    assert [policy.name for policy in destroying] == ["fr-csp-r1112-7"]
    assert destroying[0].disposal is not None
    assert len(destroying[0].disposal.approvals) == 3


@pytest.mark.parametrize("name", VECTORS)
def test_the_golden_vectors_live_here(name):
    examples = [example.name for policy in load(name).policies for example in policy.examples]
    for vector in VECTORS[name]:
        assert any(example.startswith(vector) for example in examples), vector
