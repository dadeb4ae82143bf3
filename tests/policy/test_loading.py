"""Reading policy files: documents, their sources and digests, and bounds no bytes get past."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.markup.yaml_text import SIZE_BYTES
from retention.policy.documents import RetentionPolicy, fact_kinds
from retention.policy.loading import load_policies, read_policy_file
from retention.policy.period import Period
from retention.policy.plan_documents import StoragePlan
from retention.policy.words import FACT_KINDS, FinalAction
from tests.policy.making import LIBRARY, policy, rule

FRENCH = (LIBRARY / "fr-csp-r1112-7.yaml").read_text()
PLAN = (LIBRARY / "standard.yaml").read_text()


def faults_of(data: bytes | str) -> list[str]:
    return [f"{fault.line}:{fault.column} {fault}" for fault in read_policy_file(data, "p.yaml").faults]


def test_a_file_may_hold_several_documents():
    file = load_policies(f"{FRENCH}---\n{PLAN}", "both.yaml")
    assert [type(loaded.document) for loaded in file.documents] == [RetentionPolicy, StoragePlan]
    assert [document.name for document in file.policies] == ["fr-csp-r1112-7"]
    assert [document.name for document in file.plans] == ["standard"]


def test_each_document_keeps_its_own_text_comments_included():
    file = load_policies(f"{FRENCH}---\n{PLAN}", "both.yaml")
    assert [loaded.source for loaded in file.documents] == [FRENCH, PLAN]
    for loaded in file.documents:
        assert load_policies(loaded.source, "again").documents[0].document == loaded.document


def test_keys_have_their_places():
    (loaded,) = load_policies(FRENCH, "fr.yaml").documents
    place = loaded.place(("rules", 0, "keep"))
    assert FRENCH.splitlines()[place.line - 1][place.column - 1 :] == "P20Y"


def test_the_digest_is_of_what_a_document_says_not_how():
    one = policy(rule(more="scope: institution"), more="final_action: keep\n")
    assert one.digest() == policy(rule()).digest()
    assert one.digest() != policy(rule("P21Y")).digest()
    assert one.digest() != policy(rule(), version=2).digest()
    assert len(one.digest()) == 64
    assert '"keep":"P20Y"' in one.canonical()


def test_defaults():
    document = policy(rule())
    assert document.final_action is FinalAction.KEEP
    assert (document.disposal, document.examples, document.facts) == (None, [], [])
    assert (document.rules[0].scope, document.rules[0].keep) == ("institution", Period.years(20))
    dead = policy(rule(more="on_death: {keep_from_death: P1Y}")).rules[0].on_death
    assert dead is not None
    assert (dead.within, dead.may_shorten) == (None, False)


def test_the_kinds_of_facts_that_may_be_recorded():
    declaring = [policy(rule(), more=f"facts: [{kinds}]\n") for kinds in ("implant, cancer", "cancer")]
    assert fact_kinds(declaring) == [*FACT_KINDS, "implant", "cancer"]


def test_documents_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        policy(rule()).version = 2


def test_two_documents_of_one_name_and_version_are_a_fault():
    assert (
        faults_of(f"{PLAN}---\n{PLAN}")
        == [f"{3 + 2 * PLAN.count(chr(10)) // 2 + 5}:7 StoragePlan `standard` is also in line 7"]
        or "StoragePlan `standard` is also in line" in faults_of(f"{PLAN}---\n{PLAN}")[0]
    )
    second = FRENCH.replace("version: 1", "version: 2")
    assert faults_of(f"{FRENCH}---\n{second}") == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "[]", "5", "text", "- a\n- b\n"])
def test_a_file_that_says_nothing_is_a_fault(text):
    assert len(faults_of(text)) == 1


def test_an_unknown_kind_is_checked_as_what_it_looks_like():
    faults = faults_of("apiVersion: retention/v1\nkind: Policy\nname: p\ntiers: [{tier: hot, for: P1Y}]\n")
    assert faults == [
        "2:7 `Policy` is none of StoragePlan",
        "4:21 the last tier has no end: `for` cannot stand here",
    ]


def test_size_depth_and_number_of_values_are_bounded():
    assert faults_of("#" * (SIZE_BYTES + 1)) == [
        f"1:1 the file has {SIZE_BYTES + 1} bytes, {SIZE_BYTES} are allowed"
    ]
    deep = "rules: [{match: " + "{not: " * 40 + "{any: true}" + "}" * 40 + "}]"
    assert any("nested deeper than 32 levels" in fault for fault in faults_of(deep))
    many = "a: [" + "1," * 40_000 + "]"
    assert any("more than 30000 values" in fault for fault in faults_of(many))
    wrong = "\n".join(f"k{number}: *x" for number in range(1_000))
    assert 200 <= len(faults_of(wrong)) <= 210


@given(st.binary(max_size=300) | st.text(alphabet="ab:{}[]-?&*!|>'\"%@`#,\n\t é\u2028", max_size=100))
def test_any_bytes_are_read_or_refused(data):
    read_policy_file(data, "p.yaml")


VALUES = st.recursive(
    st.sampled_from(
        ["x", "P20Y", "2026-01-01", "5", "yes", "null", "1.5", "true", "''", "forever", "{}", "[]"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(["any", "keep", "match", "id", "from", "on", "x", "fact", "birth", "state"]),
            inner,
            max_size=3,
        ).map(lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs.items()) + "}"),
    ),
    max_leaves=6,
)
LINES = [line for line in FRENCH.splitlines() if not line.lstrip().startswith("#") and ": " in line]


@given(st.sampled_from(LINES), VALUES)
def test_whatever_stands_behind_a_key_is_read_or_refused_in_both_languages(line, value):
    key, _, _ = line.partition(": ")
    file = read_policy_file(FRENCH.replace(line, f"{key}: {value}", 1), "p.yaml")
    for fault in file.faults:
        assert 1 <= fault.line <= len(FRENCH.splitlines()) + 1
        assert "{" not in fault.sentence("fr").split("`")[0]
        assert "(" not in fault.sentence("en")[:18], "a kind of fault without a sentence of its own"
