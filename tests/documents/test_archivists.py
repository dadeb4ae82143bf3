"""The page for archivists, followed step by step: every command is run, and prints what the page shows."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calling import retention
from tests.services.instances import instance

PAGE = Path(__file__).parents[2] / "docs" / "archivists.md"
BLOCK = re.compile(r"^```(?P<kind>[a-z ]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
POLICY = Path("our-hospital.yaml")


@pytest.fixture(autouse=True)
def plain_folder(monkeypatch, tmp_path):
    """The page needs nothing of the caller's environment; its archive holds one study."""
    for name in list(os.environ):
        if name.startswith("RETENTION_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("sent").mkdir()
    Path("sent", "a.dcm").write_bytes(instance(1, on="20120210", born="19600101"))
    for call in (("init", "archive"), ("--archive", "archive", "ingest", "sent", "--institution", "necker")):
        assert retention(*call).code == 0


def follow(page: str) -> Iterator[tuple[str, str, str]]:
    """Do what the page says; yield each command, what it printed, and what the page shows."""
    for block in BLOCK.finditer(page):
        kind, text = block["kind"], block["text"]
        if kind == "yaml":
            POLICY.write_text(text)
        elif kind == "yaml add":
            POLICY.write_text(POLICY.read_text() + text)
        elif kind == "diff":
            before, after = (line[1:] for line in text.splitlines())
            assert POLICY.read_text().count(before) == 1, before
            POLICY.write_text(POLICY.read_text().replace(before, after))
        else:
            assert kind == "console"
            yield from _run(text)


def _run(console: str) -> Iterator[tuple[str, str, str]]:
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        call, _, file = command.partition(" > ")
        program, *arguments = shlex.split(call)
        assert program == "retention"
        outcome = retention(*arguments)
        if file:
            Path(file).write_text(outcome.out)
        yield command, outcome.err if file else outcome.out + outcome.err, shown


def pattern_of(shown: str) -> str:
    """`…` stands for the rest of a line, or for lines, where it stands alone."""
    lines = shown.splitlines(keepends=True)
    return "".join("(?:.*\n)*" if line == "…\n" else re.escape(line).replace("…", ".*") for line in lines)


def test_every_command_prints_what_the_page_shows():
    steps = list(follow(PAGE.read_text()))
    assert len(steps) == 13
    assert [
        (command, printed)
        for command, printed, shown in steps
        if not re.fullmatch(pattern_of(shown), printed)
    ] == []


def test_the_page_comes_to_a_policy_that_holds():
    for _ in follow(PAGE.read_text().partition("## Put it in force")[0]):
        pass
    assert retention("policy", "test", POLICY, "--json").data["held"] == 4
    assert Path("policy.schema.json").read_text().startswith("{")


def test_a_page_that_shows_something_else_is_noticed():
    page = PAGE.read_text().replace("2034-06-01 inclusive", "2034-06-02 inclusive")
    assert any(not re.fullmatch(pattern_of(shown), printed) for _, printed, shown in follow(page))
