"""Policy files before they are in force: the library, finding and reading files, examples as plain values."""

import errno
import os
from pathlib import Path

import pytest

from retention.markup.yaml_text import SIZE_BYTES
from retention.policy.loading import load_policies
from retention.services import policies
from retention.services.policies import ExampleRun, example_runs, files_below, read_files, title_of

LIBRARY = Path(__file__).parents[2] / "policies"
HEAD = """apiVersion: retention/v1
kind: RetentionPolicy
name: p
version: 1
effective_on: 1990-01-01
review_by: 2099-01-01
title: {fr: essai}
legal_basis: {text: test, checked_on: 2026-11-24, status: unverified}
rules: [{id: r, match: {any: true}, trigger: last_visit, keep: P20Y}]
"""
PLAN = (
    "apiVersion: retention/v1\nkind: StoragePlan\nname: plan\ntiers: [{tier: hot, for: P1Y}, {tier: cold}]\n"
)
EXAMPLE = "examples: [{name: it, at: 2026-11-24, study: {study_date: 2026-06-01}, expect: {%s}}]\n"


def run(text: str) -> ExampleRun:
    (loaded,) = load_policies(text, "p.yaml").documents
    (found,) = example_runs(loaded)
    return found


def place(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(HEAD)


def test_the_library_is_the_folder_of_policies():
    assert policies.library_names() == sorted(file.stem for file in LIBRARY.glob("*.yaml"))
    for name in policies.library_names():
        assert policies.library_text(name) == (LIBRARY / f"{name}.yaml").read_text()
        assert policies.library_entry(name).document.name == name


def test_a_title_is_said_in_the_language_there_is_and_without_one_the_name():
    (loaded,) = load_policies(HEAD, "p.yaml").documents
    assert (title_of(loaded).en, title_of(loaded).fr) == ("essai", "essai")
    (plan,) = load_policies(PLAN, "p.yaml").documents
    assert (title_of(plan).en, title_of(plan).fr) == ("plan", "plan")


def test_policy_files_are_found_in_order_at_any_depth(tmp_path):
    place(
        tmp_path,
        "b.yaml",
        "a.yml",
        "more/c.yaml",
        "more/.git/d.yaml",
        ".#b.yaml",
        "notes.txt",
        "policy.schema.json",
    )
    assert [file.relative_to(tmp_path).as_posix() for file in files_below(tmp_path)] == [
        "a.yml",
        "b.yaml",
        "more/c.yaml",
    ]


def test_a_file_stands_for_itself_whatever_it_is_called(tmp_path):
    assert files_below(tmp_path / "any.txt") == [tmp_path / "any.txt"]


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        files_below(tmp_path)


def test_a_file_named_twice_is_read_once(tmp_path):
    place(tmp_path, "a.yaml", "b.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "b.yaml")
    named = [
        tmp_path / "b.yaml",
        tmp_path / "a.yaml",
        tmp_path / "link.yaml",
        tmp_path / ".." / tmp_path.name / "a.yaml",
    ]
    assert [Path(file.name).name for file in read_files(named)] == ["b.yaml", "a.yaml"]


def test_no_more_is_read_of_a_file_than_is_allowed(tmp_path):
    """Not even of one without an end."""
    (tmp_path / "large.yaml").write_text("#" * (SIZE_BYTES + 1000))
    for file in read_files([tmp_path / "large.yaml", Path("/dev/zero")]):
        assert [str(fault) for fault in file.faults] == [
            f"the file has {SIZE_BYTES + 1} bytes, {SIZE_BYTES} are allowed"
        ]


def test_what_was_expected_and_what_came_out_are_plain_values():
    wrong = run(HEAD + EXAMPLE % "state: HELD, keep_until: 2046-06-02, winner: null, undetermined: [birth]")
    assert {each.key: (each.expected, each.actual) for each in wrong.differences} == {
        "state": ("HELD", "DETERMINED"),
        "keep_until": ("2046-06-02", "2046-06-01"),
        "winner": (None, "p/r"),
        "undetermined": (["birth"], []),
    }
    assert {each.fault.line for each in wrong.differences} == {10}
    assert not wrong.holds


def test_what_is_not_expected_is_not_compared():
    right = run(HEAD + EXAMPLE % "state: DETERMINED")
    assert (right.holds, right.differences) == (True, ())
    assert (right.document, right.example) == ("p", "it")


def test_a_decision_is_told_in_both_languages():
    first = run(HEAD + EXAMPLE % "state: DETERMINED").sentences[0]
    assert first.en == "DETERMINED: kept until 2046-06-01 inclusive, by p/r."
    assert first.fr == "DETERMINED : conservée jusqu'au 2046-06-01 inclus, par p/r."


def test_a_plan_says_where_a_study_lies_and_when_it_moves():
    wrong = run(PLAN + EXAMPLE % "tier: cold, next_tier: null, move_on: 2027-06-02")
    assert {each.key: (each.expected, each.actual) for each in wrong.differences} == {
        "tier": ("cold", "hot"),
        "next_tier": (None, "cold"),
        "move_on": ("2027-06-02", "2027-06-01"),
    }
    assert [sentence.en for sentence in wrong.sentences] == [
        "It lies on hot and moves to cold on 2027-06-01."
    ]
