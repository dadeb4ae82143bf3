"""`retention policy`: what an archivist sees while writing a policy, without an archive or beside one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from retention.cli import catalogue
from tests.cli.calling import retention
from tests.cli.test_documents import validator

LIBRARY = Path(__file__).parents[2] / "policies"
NAMES = sorted(file.stem for file in LIBRARY.glob("*.yaml"))
HEAD = """apiVersion: retention/v1
kind: RetentionPolicy
name: {name}
version: 1
effective_on: 1990-01-01
review_by: 2099-01-01
title: {{en: Test, fr: Essai}}
legal_basis: {{text: test, checked_on: 2026-11-24, status: unverified}}
rules:
  - id: visit
    match: {{any: true}}
    trigger: last_visit
    keep: P20Y
"""
EXAMPLES = """examples:
  - name: right
    at: 2026-11-24
    study: {{study_date: 2006-03-15, modality: CT}}
    expect: {{state: DETERMINED, keep_until: 2026-03-15}}
  - name: other
    at: 2026-11-24
    study: {{study_date: 2006-03-15, modality: CT}}
    expect: {{state: DETERMINED, keep_until: {day}, winner: {winner}}}
"""
HEADS = [
    "first.yaml has 2 faults:",
    "first.yaml:4:1: unknown key `versoin`; did you mean `version`?",
    "first.yaml:12:14: `lastvisit` is none of …; did you mean `last_visit`?",
    "second.yaml has 2 faults:",
    "second.yaml:11:18: `yes` is read as true or false by some and as text by others: …",
    "second.yaml:13:11: a bare number is no duration: 20 of what?; did you mean `P20Y`?",
    "ok  third.yaml: RetentionPolicy third, version 1",
    "Files: 3, 2 of them invalid. Faults: 4.",
]
SHOWN = """
second.yaml:13:11: a bare number is no duration: 20 of what?; did you mean `P20Y`?
   13 |     keep: 20
      |           ^^
"""


def write(name: str = "p", day: str = "2026-03-15", winner: str = "p/visit", more: str | None = None) -> Path:
    """Write a policy in the current folder: valid, with two examples, unless said otherwise."""
    file = Path(f"{name}.yaml")
    file.write_text(
        HEAD.format(name=name) + (EXAMPLES if more is None else more).format(day=day, winner=winner)
    )
    return file


def spoil(file: Path, *changes: tuple[str, str]) -> Path:
    text = file.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    return file


def spoilt() -> tuple[Path, Path]:
    """Two files with two faults each."""
    first = spoil(write("first"), ("trigger: last_visit", "trigger: lastvisit"), ("version: 1", "versoin: 1"))
    return first, spoil(write("second"), ("keep: P20Y", "keep: 20"), ("any: true", "any: yes"))


# From the library


def test_without_a_name_the_library_is_listed():
    outcome = retention("policy", "new")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[2:-2]] == NAMES
    assert "Germany: radiation records, 10 and 30 years" in outcome.out
    listed = retention("policy", "new", "--json", "--lang", "fr").data["policies"]
    assert [each["name"] for each in listed] == NAMES
    assert {each["kind"] for each in listed} == {"RetentionPolicy", "StoragePlan"}
    assert "Allemagne : dossiers de radiologie, 10 et 30 ans" in [each["title"] for each in listed]


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_library_s_file_and_its_examples_hold(name):
    written = (LIBRARY / f"{name}.yaml").read_text()
    assert retention("policy", "new", "--from", name).out == written
    outcome = retention("policy", "new", "--from", name, "--out", "mine.yaml", "--json")
    assert outcome.data["policies"][0] | {"title": ""} == {
        "name": name,
        "kind": outcome.data["policies"][0]["kind"],
        "title": "",
        "text": written,
        "file": "mine.yaml",
    }
    assert Path("mine.yaml").read_text() == written
    assert retention("policy", "test", "mine.yaml").code == 0


def test_a_copy_goes_into_a_folder_under_its_own_name():
    Path("mine").mkdir()
    outcome = retention("policy", "new", "--from", "us-mqsa", "--out", "mine")
    assert outcome.out.startswith("Wrote mine/us-mqsa.yaml: a draft")
    assert outcome.err == "Next: change it, then retention policy test mine/us-mqsa.yaml\n"
    assert retention("policy", "validate", "mine").code == 0


def test_nothing_is_written_over():
    Path("mine.yaml").write_text("mine")
    outcome = retention("policy", "new", "--from", "us-mqsa", "--out", "mine.yaml", "--json")
    assert (outcome.code, outcome.error["message"]) == (2, "mine.yaml is there already")
    assert Path("mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--from fr-csp", "did you mean fr-csp-r1112-7?"),
        ("--from ../../../etc/passwd", "there are: be-quality-act-35"),
        ("--from policy.schema.json", "there are: be-quality-act-35"),
        ("--out mine.yaml", "name one with --from"),
    ],
)
def test_what_the_library_does_not_have_is_told_with_what_was_meant(typed, said):
    outcome = retention("policy", "new", *typed.split(), "--json")
    assert outcome.code == 2
    assert said in outcome.error["hint"]
    assert not Path("mine.yaml").exists()


def test_the_schema_is_the_one_published_beside_the_library():
    published = (LIBRARY / "policy.schema.json").read_text()
    assert retention("policy", "schema").out == published
    assert retention("policy", "schema", "--json").data == {"schema": json.loads(published)}


# Checking


def test_the_library_is_valid():
    outcome = retention("policy", "validate", LIBRARY)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == f"Files: {len(NAMES)}, 0 of them invalid. Faults: 0."


def test_every_fault_of_every_file_is_shown_at_its_place_at_once():
    spoilt()
    write("third")
    outcome = retention("policy", "validate", "first.yaml", "second.yaml", "third.yaml")
    assert (outcome.code, outcome.err) == (5, "")
    heads = [line for line in outcome.out.splitlines() if line[:1] not in ("", " ")]
    shortened = [re.sub("last_visit, .*transplant|write `true`.*", "…", head) for head in heads]
    assert shortened == HEADS
    assert SHOWN in outcome.out


def test_faults_are_rows_for_machines():
    spoilt()
    outcome = retention("policy", "validate", ".", "--json")
    assert outcome.code == 5
    assert not outcome.data["valid"]
    assert [row["valid"] for row in outcome.data["files"]] == [False, False]
    assert [
        (each["file"], each["line"], each["column"], each["length"]) for each in outcome.data["problems"]
    ] == [
        ("first.yaml", 4, 1, 7),
        ("first.yaml", 12, 14, 9),
        ("second.yaml", 11, 18, 3),
        ("second.yaml", 13, 11, 2),
    ]
    assert [each["where"] for each in outcome.data["problems"]] == [
        "versoin",
        "rules[0].trigger",
        "rules[0].match.any",
        "rules[0].keep",
    ]
    assert [each["suggestion"] for each in outcome.data["problems"]] == [
        "version",
        "last_visit",
        None,
        "P20Y",
    ]
    lines = retention("policy", "validate", ".", "--jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == outcome.data["problems"]


def test_faults_are_told_in_french():
    _, second = spoilt()
    outcome = retention("--lang", "fr", "policy", "validate", second)
    assert outcome.code == 5
    assert "second.yaml : 2 erreurs :" in outcome.out
    assert (
        "second.yaml:13:11: un nombre seul n'est pas une durée : 20 quoi ? ; vouliez-vous dire `P20Y` ?"
        in outcome.out
    )
    assert outcome.out.endswith("Fichiers : 1, dont 1 invalides. Erreurs : 2.\n")


def test_a_file_that_is_no_policy_at_all_is_invalid_and_nothing_worse():
    for number, content in enumerate(
        (b"", b"\xff\xfe\x00", b"\0" * 1000, b"a: [", b"&a [*a]", b"- " * 40_000, b"---\n" * 300)
    ):
        Path(f"{number}.yaml").write_bytes(content)
    outcome = retention("policy", "validate", ".", "--json")
    assert outcome.code == 5
    assert {each["file"] for each in outcome.data["problems"]} == {f"{number}.yaml" for number in range(7)}


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize(
    ("named", "said"),
    [("nowhere.yaml", "nowhere.yaml does not exist"), ("empty", "there is no policy file in empty")],
)
def test_what_is_not_there_is_exit_6(verb, named, said):
    Path("empty").mkdir()
    Path("empty/notes.txt").write_text("x")
    outcome = retention("policy", verb, write(), named, "--json")
    assert (outcome.code, outcome.error["message"]) == (6, said)
    assert outcome.error["hint"]


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_something_must_be_named(verb):
    assert retention("policy", verb, "--json").code == 2


def test_what_stands_in_a_file_cannot_steer_the_terminal():
    Path("a\x1b[2J.yaml").write_text("name: \x1b[31m\nodd: \u202eabc\n")
    for verb in ("validate", "test"):
        outcome = retention("policy", verb, "a\x1b[2J.yaml")
        assert outcome.code == 5
        assert all(line.isprintable() for line in outcome.out.splitlines())


# Testing


def test_the_library_s_examples_hold():
    outcome = retention("policy", "test", LIBRARY, "--json")
    assert outcome.code == 0
    assert outcome.data["wrong"] == 0
    assert outcome.data["held"] == len(outcome.data["examples"]) >= 17
    assert all(each["holds"] and each["sentences"] for each in outcome.data["examples"])


def test_a_wrong_expectation_is_told_with_what_was_decided_and_why():
    outcome = retention("policy", "test", write(day="2026-03-16", winner="p/other"))
    assert (outcome.code, outcome.err) == (4, "")
    assert (
        outcome.out
        == """\
wrong  p.yaml: 1 of 2 examples as expected

p: other
p.yaml:22:45: keep_until: expected 2026-03-16, got 2026-03-15
   22 |     expect: {state: DETERMINED, keep_until: 2026-03-16, winner: p/other}
      |                                             ^^^^^^^^^^
p.yaml:22:65: winner: expected p/other, got p/visit
   22 |     expect: {state: DETERMINED, keep_until: 2026-03-16, winner: p/other}
      |                                                                 ^^^^^^^
What was decided, and why:
  DETERMINED: kept until 2026-03-15 inclusive, by p/visit.
  p/visit (version 1): last visit 2006-03-15 (study date) + 20 years = 2026-03-15; ends 2026-03-15.
  Then it stays: the final action is keep.

Examples: 1 as expected, 1 not. Files: 1, 0 of them invalid.
"""
    )


def test_the_same_in_french():
    outcome = retention("--lang", "fr", "policy", "test", write(day="2026-03-16"))
    assert outcome.code == 4
    assert "p.yaml:22:45: keep_until : 2026-03-16 attendu, 2026-03-15 obtenu" in outcome.out
    assert "  DETERMINED : conservée jusqu'au 2026-03-15 inclus, par p/visit." in outcome.out
    assert outcome.out.endswith("Exemples : 1 conformes, 1 non. Fichiers : 1, dont 0 invalides.\n")


def test_the_same_for_machines():
    outcome = retention("policy", "test", write(day="null"), "--json")
    assert outcome.code == 4
    assert (outcome.data["held"], outcome.data["wrong"], outcome.data["valid"]) == (1, 1, True)
    right, wrong = outcome.data["examples"]
    assert (right["example"], right["holds"], right["differences"]) == ("right", True, [])
    assert wrong["differences"] == [
        {"key": "keep_until", "expected": None, "actual": "2026-03-15", "line": 22, "column": 45}
    ]
    assert wrong["sentences"][0] == "DETERMINED: kept until 2026-03-15 inclusive, by p/visit."
    assert list(validator("policy test").iter_errors(outcome.document)) == []


def test_an_invalid_file_is_exit_5_and_the_others_are_tested():
    spoilt()
    write("third", day="2026-03-16", winner="third/visit")
    outcome = retention("policy", "test", ".", "--json")
    assert outcome.code == 5
    assert (outcome.data["held"], outcome.data["wrong"], len(outcome.data["problems"])) == (1, 1, 4)
    assert list(validator("policy test").iter_errors(outcome.document)) == []
    shown = retention("policy", "test", ".").out
    assert SHOWN in shown
    assert "keep_until: expected 2026-03-16, got 2026-03-15" in shown
    assert shown.endswith("Examples: 1 as expected, 1 not. Files: 3, 2 of them invalid.\n")


def test_a_policy_without_examples_is_not_called_tested():
    outcome = retention("policy", "test", write(more=""))
    assert outcome.code == 0
    assert outcome.out.startswith("untested  p.yaml: 0 of 0 examples as expected\n")


def test_several_documents_in_a_file_are_all_tested():
    both = Path("both.yaml")
    both.write_text(f"{write('p').read_text()}---\n{(LIBRARY / 'standard.yaml').read_text()}")
    spoil(both, ("move_on: 2029-01-31", "move_on: 2029-02-01"))
    outcome = retention("policy", "test", both, "--json")
    assert outcome.code == 4
    (wrong,) = (each for each in outcome.data["examples"] if not each["holds"])
    assert (wrong["policy"], wrong["example"]) == ("standard", "a young study")
    assert wrong["sentences"] == ["It lies on hot and moves to cold on 2029-01-31."]
    assert [each["name"] for each in outcome.data["files"][0]["documents"]] == ["p", "standard"]


# Around them


@pytest.mark.parametrize("root", ["made", "nowhere", None])
def test_no_archive_is_needed_or_looked_at(root, request, tmp_path):
    place = request.getfixturevalue("made") if root == "made" else tmp_path / "nowhere"
    where = () if root is None else ("--archive", place)
    for call in (("new",), ("schema",), ("validate", LIBRARY), ("test", write())):
        assert retention(*where, "policy", *call, "--json").code == 0


def test_only_what_is_there_is_offered():
    shown = retention("policy", "--help").out
    commands = shown.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in commands] == [
        "new", "schema", "validate", "test", "diff", "apply", "list", "show", "explain"
    ]  # fmt: skip
    assert "..." not in shown.partition("Commands:")[2]


def test_nothing_of_policies_is_imported_for_help():
    code = (
        "import sys; from retention.cli.main import main; main(['policy', '--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    call = [sys.executable, "-c", code]
    loaded = subprocess.run(call, cwd=LIBRARY.parent, capture_output=True, text=True, check=True).stderr
    heavy = ("retention.policy", "retention.markup", "retention.services", "ruamel")
    assert "retention.cli.commands.policy" in loaded.split()
    assert [name for name in loaded.split() if name.startswith(heavy)] == []


@pytest.mark.parametrize("table", ["policy", "names", "errors"])
def test_what_they_say_is_said_in_french_too(table):
    english, french = (
        {key: text for key, text in catalogue._load(language).items() if key.startswith(f"{table}.")}
        for language in ("en", "fr")
    )
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert sorted(places(french[key])) == sorted(places(text)), key


def places(text: str) -> list[str]:
    from string import Formatter

    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
