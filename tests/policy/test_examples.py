"""`policy test`: examples in the words of an archivist."""

from retention.policy.decision import Decision
from retention.policy.examples import ExampleResult, run_examples
from retention.policy.loading import load_policies
from tests.policy.making import FRENCH, HEAD

PLAN = (
    "apiVersion: retention/v1\nkind: StoragePlan\nname: plan\ntiers: [{tier: hot, for: P1Y}, {tier: cold}]\n"
)


def run(example: str, rules: str = FRENCH, more: str = "") -> ExampleResult:
    head = HEAD.format(name="p", version=1, effective_on="1990-01-01")
    text = f"{head}{more}rules:\n  - {rules}\nexamples:\n  - {{name: it, at: 2026-11-24, {example}}}\n"
    (loaded,) = load_policies(text, "p.yaml").documents
    (result,) = run_examples(loaded)
    return result


def differences(result: ExampleResult) -> list[str]:
    return [str(fault) for fault in result.differences]


def test_only_what_is_written_is_compared():
    result = run("study: {study_date: 2006-03-15}, facts: {birth: 1960-01-01}, expect: {state: DETERMINED}")
    assert result.has_passed
    assert isinstance(result.outcome, Decision)
    assert (result.document, result.example) == ("p", "it")


def test_null_expects_that_there_is_none():
    assert run(
        "study: {study_date: 2016-03-15}, expect: {state: UNDETERMINED, keep_until: null, winner: null}"
    ).has_passed
    wrong = run(
        "study: {study_date: 2006-03-15}, facts: {birth: 1960-01-01}, expect: {state: DETERMINED, keep_until: null}"
    )
    assert differences(wrong) == ["keep_until: expected none, got 2026-03-15"]


def test_each_difference_is_told_at_its_place_in_both_languages():
    result = run(
        "study: {study_date: 2006-03-15}, facts: {birth: 1960-01-01}, "
        "expect: {state: HELD, keep_until: 2026-03-16, winner: p/other, final_action: destroy, undetermined: [birth]}"
    )
    assert differences(result) == [
        "final_action: expected destroy, got keep",
        "keep_until: expected 2026-03-16, got 2026-03-15",
        "state: expected HELD, got DETERMINED",
        "undetermined: expected birth, got none",
        "winner: expected p/other, got p/twenty-years",
    ]
    assert result.differences[2].sentence("fr") == "state : HELD attendu, DETERMINED obtenu"
    assert {fault.line for fault in result.differences} == {13}


def test_facts_are_written_as_days_periods_mappings_or_lists():
    def ends(on: str, told: str, day: str) -> bool:
        expected = f"expect: {{state: DETERMINED, keep_until: {day}}}"
        return run(
            f"study: {{study_date: {on}}}, facts: {{birth: 1950-01-01, {told}}}, {expected}"
        ).has_passed

    assert ends("2000-01-01", "last_visit: [2001-01-01, {on: 2002-01-01}]", "2022-01-01")
    assert ends("2020-05-04", "death: {on: 2022-01-10, assurance: declared}", "2040-05-04")
    assert ends("2020-05-04", "death: 2022-01-10", "2032-01-10")
    assert ends("2000-01-01", "liability_appeal: {from: 2001-01-01, to: 2001-01-02}", "2020-01-03")
    undated = run(
        "study: {study_date: 2000-01-01}, facts: {implant: {}}, expect: {state: PERMANENT}",
        "{id: r, match: {fact: implant}, trigger: study_date, keep: forever}",
        "facts: [implant]\n",
    )
    assert undated.has_passed


def test_a_study_may_have_the_date_a_modality_wrote():
    for written in ("20050000", "'20050231'", "null", "18991231"):
        assert run(
            f"study: {{study_date: {written}}}, facts: {{birth: 1960-01-01}}, expect: {{state: UNDETERMINED}}"
        ).has_passed
    assert run(
        "study: {study_date: 20060315}, facts: {birth: 1960-01-01}, expect: {state: DETERMINED, keep_until: 2026-03-15}"
    ).has_passed


def test_holds_later_studies_and_links():
    assert run("holds: [{owner: legal, reason: court}], expect: {state: HELD}").has_passed
    seen, birth = "study: {study_date: 2006-03-15, institution: a}", "birth: 1960-01-01"
    later = f"{seen}, later_studies: [{{study_date: 2010-01-01, institution: a}}], facts: {{{birth}}}"
    assert run(f"{later}, expect: {{state: DETERMINED, keep_until: 2030-01-01}}").has_passed
    linked = f"{seen}, facts: {{{birth}, last_visit: {{on: 2010-01-01, institution: b}}}}"
    assert run(f"{linked}, expect: {{state: DETERMINED, keep_until: 2026-03-15}}").has_passed


def test_plans_have_examples_too():
    example = "at: 2026-11-24, study: {study_date: 2026-06-01}"
    expected = "expect: {tier: hot, next_tier: cold, move_on: 2027-06-02}"
    text = f"{PLAN}examples: [{{name: it, {example}, {expected}}}]\n"
    (loaded,) = load_policies(text, "p.yaml").documents
    (result,) = run_examples(loaded)
    assert differences(result) == ["move_on: expected 2027-06-02, got 2027-06-01"]
