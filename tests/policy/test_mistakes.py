"""Every kind of mistake in a policy file, and what is said about it: where, what, what was probably meant, twice over.

Each case changes one thing in a valid file, so exactly one fault is expected, at the text that was changed.
"""

import ast
import re
from pathlib import Path

import pytest

from retention.model.errors import PolicyError
from retention.policy.loading import load_policies, read_policy_file
from retention.policy.messages import MESSAGES

POLICY_LAYER = Path(__file__).parents[2] / "retention" / "policy"
POLICY = """apiVersion: retention/v1
kind: RetentionPolicy
name: fr-test
version: 1
effective_on: 2026-01-01
review_by: 2027-11-24
title: {en: "Test", fr: "Essai"}
legal_basis: {text: "CSP", checked_on: 2026-11-24, status: secondary}
facts: [implant]
rules:
  - id: twenty-years
    match: {any: true}
    trigger: last_visit
    scope: institution
    keep: P20Y
    floor: {until_age: 28}
    on_death: {within: P10Y, keep_from_death: P10Y, may_shorten: true}
    suspend_on: [liability_appeal, implant]
    maximum: P50Y
  - id: mammogram
    match: {modality: [MG, DX], age_at_study: {from: 18, below: 80}, study_date: {from: 2000-01-01, before: 2030-01-01}}
    trigger: study_date
    keep: P11Y
    unless_followed_by: {match: {sop_class: 1.2.840.10008.5.1.4.1.1.1.2}, keep: P5Y}
final_action: destroy
disposal:
  approvals: [physician, director, {external: visa}]
  grace: P30D
  limits: {studies: 5000, percent: 5, per: P30D}
  method: [crypto_shred, delete_shards]
examples:
  - name: one
    at: 2026-11-24
    study: {study_date: 2005-02-10, modality: CT}
    facts: {birth: 2000-06-01, implant: {from: 2001-01-01, to: 2002-01-01}}
    expect: {state: DETERMINED, keep_until: 2029-02-10}
---
apiVersion: retention/v1
kind: StoragePlan
name: standard
tiers:
  - {tier: hot, for: P3Y, from: study_date, unless_accessed_within: P90D}
  - {tier: cold, for: P5Y}
  - {tier: glacier}
tiers_for:
  - match: {body_part: HEAD}
    tiers: [{tier: hot, for: P1Y}, {tier: cold}]
fixity:
  glacier: {sample: 2%, every: P1Y, full: P10Y, on_recall: full}
"""

DISPOSAL = POLICY[POLICY.index("disposal:") : POLICY.index("examples:")]
BY_PYDANTIC = r"missing|\w+_type|(string_)?too_\w+|greater\w*|less\w*"

MISTAKES = [
    # keys
    ("name: fr-test", "nmae: fr-test", "nmae", "unknown key `nmae`; did you mean `name`?"),
    ("trigger: last_visit", "triger: last_visit", "triger", "unknown key `triger`; did you mean `trigger`?"),
    ("{modality: [MG", "{modalty: [MG", "modalty", "unknown key `modalty`; did you mean `modality`?"),
    ("within: P10Y", "witin: P10Y", "witin", "did you mean `within`?"),
    (
        "review_by: 2027-11-24",
        "xyz: 1\nreview_by: 2027-11-24",
        "xyz",
        "known here: apiVersion, name, kind, version",
    ),
    ("version: 1\n", "", "apiVersion", "`version` is missing"),
    ("    keep: P20Y\n", "", "id: twenty-years", "`keep` is missing"),
    (
        "grace: P30D",
        "grace: P30D\n  grace: P10D",
        "grace: P10D",
        "`grace` stands here twice, first in line 28",
    ),
    ("body_part: HEAD", "body_prat: HEAD", "body_prat", "did you mean `body_part`?"),
    ("glacier: {sample", "glacier: {samples", "samples", "unknown key `samples`; did you mean `sample`?"),
    # kinds of value
    ("version: 1", "version: '1'", "'1'", "expected a whole number, found text"),
    ("version: 1", "version: 1.5", "1.5", "expected a whole number, found a fraction"),
    ("version: 1", "version: 0", "0", "must be 1 or more"),
    ("percent: 5", "percent: 120", "120", "must be 100 or less"),
    ("percent: 5", "percent: 0", "0,", "must be greater than 0"),
    ("until_age: 28", "until_age: 200", "200", "must be 150 or less"),
    ("may_shorten: true", "may_shorten: maybe", "maybe", "expected `true` or `false`, found text"),
    ("{until_age: 28}", "28", "28", "expected a mapping of keys and values, found a number"),
    (
        "approvals: [physician, director, {external: visa}]",
        "approvals: director",
        "director",
        "expected a list `[a, b]`, found text",
    ),
    ('text: "CSP"', "text: ''", "''", "the text is empty"),
    ('text: "CSP"', "text: 5", "5", "expected text, found a number"),
    ("    keep: P20Y", "    keep:", "keep:", "`keep` has no value"),
    ("[physician, director, {external: visa}]", "[]", "[]", "at least 1 expected here"),
    ("[MG, DX]", "[]", "[]", "at least 1 expected here"),
    (
        "{external: visa}",
        "{external: visa, who: x}",
        "{external: visa, who",
        "an approver is a name, or `{external: name}`",
    ),
    # words
    ("retention/v1\nkind: Ret", "retention/v2\nkind: Ret", "retention/v2", "did you mean `retention/v1`?"),
    ("kind: RetentionPolicy", "kind: RetentionPolcy", "RetentionPolcy", "did you mean `RetentionPolicy`?"),
    (
        "name: fr-test",
        "name: FR test",
        "FR test",
        "`FR test` is not a name: 1 to 63 of a-z, 0-9 and inner hyphens",
    ),
    ("trigger: last_visit", "trigger: last_vist", "last_vist", "did you mean `last_visit`?"),
    ("scope: institution", "scope: tenant", "tenant", "`tenant` is none of institution, entity"),
    ("status: secondary", "status: secondry", "secondry", "did you mean `secondary`?"),
    ("final_action: destroy", "final_action: delete", "delete", "`delete` is none of keep, review, destroy"),
    ("liability_appeal,", "liability_apeal,", "liability_apeal", "did you mean `liability_appeal`?"),
    ("implant: {from", "implnt: {from", "implnt", "did you mean `implant`?"),
    ("facts: [implant]", "facts: [implant, birth]", "birth", "`birth` is known already"),
    ("facts: [implant]", "facts: [implant, Big]", "Big", "`Big` cannot name a fact"),
    ("method: [crypto_shred,", "method: [shred,", "shred", "`shred` is none of crypto_shred, delete_shards"),
    ("state: DETERMINED", "state: DETERMIND", "DETERMIND", "did you mean `DETERMINED`?"),
    (
        "sop_class: 1.2.840.10008.5.1.4.1.1.1.2",
        "sop_class: MRImage",
        "MRImage",
        "`MRImage` is not a DICOM UID",
    ),
    ("{any: true}", "{any: false}", "false", "`any` is only ever `true`"),
    ("{any: true}", "{any: yes}", "yes", 'write `true`, or "yes" for the text'),
    ("may_shorten: true", "may_shorten: on", "on}", "`on` is read as true or false by some"),
    ('fr: "Essai"', "fr: No", "No", 'write `false`, or "No" for the text'),
    # periods, days, shares
    ("keep: P20Y", "keep: 20", "20", "a bare number is no duration: 20 of what?; did you mean `P20Y`?"),
    ("grace: P30D", "grace: 90", "90", "did you mean `P90D`?"),
    ("keep: P20Y", "keep: 20Y", "20Y", "did you mean `P20Y`?"),
    ("keep: P20Y", "keep: p20y", "p20y", "did you mean `P20Y`?"),
    ("keep: P20Y", "keep: 20 years", "20 years", "is not a period of days, weeks, months or years"),
    ("keep: P20Y", "keep: PT12H", "PT12H", "is not a period of days, weeks, months or years"),
    ("keep: P20Y", "keep: P-20Y", "P-20Y", "`P-20Y` is negative"),
    ("keep: P20Y", "keep: P0D", "P0D", "`P0D` is no time at all"),
    ("keep: P20Y", "keep: P201Y", "P201Y", "`P201Y` is longer than 200 years"),
    ("keep: P20Y", "keep: for ever", "for ever", "did you mean `forever`?"),
    ("keep: P20Y", "keep: [P20Y]", "[P20Y]", "is not a period"),
    ("within: P10Y", "within: forever", "forever", "is not a period"),
    ("effective_on: 2026-01-01", "effective_on: 1.1.2026", "1.1.2026", "is not a day written as 2026-11-24"),
    ("effective_on: 2026-01-01", "effective_on: 2026-02-30", "2026-02-30", "there is no day 2026-02-30"),
    ("effective_on: 2026-01-01", "effective_on: 20260101", "20260101", "is not a day written as 2026-11-24"),
    ("study_date: 2005-02-10", "study_date: 10/02/2005", "10/02/2005", "is not a day written as 2026-11-24"),
    ("sample: 2%", "sample: 2", "2,", "is not a share between 0% and 100% such as 2%; did you mean `2%`?"),
    ("sample: 2%", "sample: 120%", "120%", "is not a share"),
    ("sample: 2%", "sample: 0%", "0%", "is not a share"),
    # what must agree
    (
        "id: mammogram",
        "id: twenty-years",
        "twenty-years\n    match: {mod",
        "`twenty-years` stands here twice",
    ),
    ("facts: [implant]", "facts: [implant, implant]", "implant]", "`implant` stands here twice"),
    (
        "director, {external: visa}",
        "director, {external: director}",
        "{external: director}",
        "`director` stands here twice",
    ),
    ("{any: true}", "{}", "{}", "a match needs a condition; `any: true` matches every study"),
    ("{any: true}", "{all: [{any: true}, {not: {}}]}", "{}}]", "a match needs a condition"),
    ("from: 18, below: 80", "from: 80, below: 18", "18}", "nothing lies 80 and below 18"),
    ("from: 18, below: 80", "from: 18, below: 18", "18},", "nothing lies 18 and below 18"),
    ("before: 2030-01-01", "before: 1999-01-01", "1999", "nothing lies 2000-01-01 and below 1999-01-01"),
    ("{from: 18, below: 80}", "{}", "age_at_study", "`from`, `below` or both are needed"),
    (
        "{studies: 5000, percent: 5, per: P30D}",
        "{per: P30D}",
        "limits",
        "`studies`, `percent` or both are needed",
    ),
    ('{en: "Test", fr: "Essai"}', "{}", "title", "`en`, `fr` or both are needed"),
    ("keep: P5Y}", "keep: P11Y}", "P11Y}", "P11Y is not shorter than P11Y"),
    ("maximum: P50Y", "maximum: P19Y", "P19Y", "the maximum P19Y would be reached before P20Y is over"),
    (DISPOSAL, "", "destroy", "`final_action: destroy` needs `disposal: {approvals: […]}`"),
    ("to: 2002-01-01", "to: 2000-01-01", "2000-01-01}}", "2000-01-01 is before 2001-01-01"),
    ("{from: 2001-01-01, to", "{on: 2001-01-01, to", "on: 2001-01-01", "`on` or `from` and `to`, not both"),
    (
        "for: P5Y}",
        "for: P5Y, from: study_date}",
        "from: study_date}\n  - {tier: gl",
        "`from` stands on the first row only",
    ),
    (
        "{tier: glacier}",
        "{tier: glacier, for: P1Y}",
        "for: P1Y}\ntiers_for",
        "the last tier has no end: `for` cannot stand here",
    ),
    (
        "{tier: cold, for: P5Y}",
        "{tier: cold}",
        "{tier: cold}\n  - {tier: gl",
        "a tier with another after it needs `for`",
    ),
    ("{tier: glacier}", "{tier: hot}", "hot}\ntiers_for", "`hot` stands here twice"),
    ("from: study_date, unless", "from: study, unless", "study, unless", "did you mean `study_date`?"),
    ("every: P1Y, ", "", "sample", "`sample` and `every` need each other"),
    ("sample: 2%, ", "", "every", "`sample` and `every` need each other"),
    ("on_recall: full", "on_recall: always", "always", "`always` is none of full"),
    ("{body_part: HEAD}", "{age_at_trigger: {from: 18}}", "age_at_trigger", "a storage plan has no trigger"),
    # YAML
    ("grace: P30D", "grace: &g P30D", "&g", "anchors (`&…`) are not allowed"),
    ("grace: P30D", "grace: *g", "*g", "aliases (`*…`) are not allowed"),
    ("grace: P30D", "grace: !period P30D", "!period", "tags (`!…`) are not allowed"),
]


def test_the_file_without_a_mistake_has_none():
    assert read_policy_file(POLICY, "p.yaml").faults == []


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    MISTAKES,
    ids=[f"{n}: {new!r:.40}" for n, (_, new, _, _) in enumerate(MISTAKES)],
)
def test_one_mistake_is_one_fault_at_its_place(old, new, at, message):
    assert POLICY.count(old) >= 1
    text = POLICY.replace(old, new, 1)
    (fault,) = read_policy_file(text, "p.yaml").faults
    assert message in fault.sentence("en")
    shown = "\n".join(text.splitlines()[fault.line - 1 :])[fault.column - 1 :]
    assert shown.startswith(at), f"{fault.line}:{fault.column} points at {shown[:30]!r}"
    assert fault.sentence("fr") != fault.sentence("en")


def test_all_mistakes_are_shown_at_once():
    text = POLICY
    for old, new in (
        ("name: fr-test", "nmae: fr-test"),
        ("keep: P20Y", "keep: 20"),
        ("trigger: study_date", "trigger: study"),
        ("from: 18, below: 80", "from: 80, below: 18"),
        ("final_action: destroy", "final_action: destory"),
        ("grace: P30D", "grace: *x"),
        ("state: DETERMINED", "state: DONE"),
        ("for: P5Y", "for: 5"),
        ("sample: 2%", "sample: 2"),
    ):
        text = text.replace(old, new, 1)
    file = read_policy_file(text, "p.yaml")
    assert len(file.faults) == 9
    assert [fault.line for fault in file.faults] == sorted(fault.line for fault in file.faults)
    assert file.documents == []


def test_the_error_shows_every_place_with_a_caret_in_the_language_asked_for():
    text = POLICY.replace("keep: P20Y", "keep: 20").replace("status: secondary", "status: second")
    with pytest.raises(PolicyError) as english:
        load_policies(text, "p.yaml")
    assert english.value.message == (
        "p.yaml has 2 faults:\n"
        "p.yaml:8:60: `second` is none of primary, secondary, unverified; did you mean `secondary`?\n"
        '    8 | legal_basis: {text: "CSP", checked_on: 2026-11-24, status: second}\n'
        "      |                                                            ^^^^^^\n"
        "p.yaml:15:11: a bare number is no duration: 20 of what?; did you mean `P20Y`?\n"
        "   15 |     keep: 20\n"
        "      |           ^^"
    )
    with pytest.raises(PolicyError) as french:
        load_policies(text, "p.yaml", "fr")
    assert "p.yaml : 2 erreurs :" in french.value.message
    assert (
        "un nombre seul n'est pas une durée : 20 quoi ? ; vouliez-vous dire `P20Y` ?" in french.value.message
    )
    assert french.value.hint == "corrigez le fichier, puis relancez la commande"


def test_a_sound_document_beside_a_faulty_one_is_still_read():
    file = read_policy_file(POLICY.replace("for: P5Y", "for: 5"), "p.yaml")
    assert [policy.name for policy in file.policies] == ["fr-test"]
    assert file.plans == []


def test_a_misspelt_section_is_read_as_it_was_meant():
    text = (
        POLICY.replace("rules:", "rulse:")
        .replace("keep: P20Y", "kep: 20")
        .replace("percent: 5", "percnt: 500")
    )
    assert [str(fault) for fault in read_policy_file(text, "p.yaml").faults] == [
        "unknown key `rulse`; did you mean `rules`?",
        "unknown key `kep`; did you mean `keep`?",
        "a bare number is no duration: 20 of what?; did you mean `P20Y`?",
        "unknown key `percnt`; did you mean `percent`?",
        "must be 100 or less",
    ]


def test_every_sentence_is_used_and_every_kind_of_fault_has_one():
    files = [file for file in POLICY_LAYER.glob("*.py") if file.name != "messages.py"]
    ours = {key for key in MESSAGES if not re.fullmatch(BY_PYDANTIC, key)}
    assert {key for key in ours if not any(f'"{key}"' in file.read_text() for file in files)} == set()
    used = {
        node.value
        for file in files
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        for node in call.args[{"wrong": 0, "Disagreement": 1}.get(call.func.id, 99) :][:1]
        if isinstance(node, ast.Constant)
    }
    assert len(used) > 20
    assert used - set(MESSAGES) == set()
