"""The page that maps standards names commands that exist, and sections that the report has."""

import re
from pathlib import Path

from retention.cli import main  # noqa: F401  # it registers every command
from retention.cli.invocation import registered
from retention.reports.pdf import words

PAGE = Path(__file__).parents[2] / "docs" / "standards.md"
COMMAND = re.compile(r"`retention ((?:[a-z][a-z-]* ?)+)(?:-[^`]*)?`")
SECTION = re.compile(r"report, ((?:\*[^*]+\*(?:, )?)+)")


def test_every_command_it_names_exists():
    named = {found.strip() for found in COMMAND.findall(PAGE.read_text())}
    assert len(named) > 20
    assert {name for name in named if name not in registered} == set()


def test_every_section_it_names_is_one():
    sections = {
        name for found in SECTION.findall(PAGE.read_text()) for name in re.findall(r"\*([^*]+)\*", found)
    }
    known = {text for text in words("en").values() if isinstance(text, str)}
    assert len(sections) > 5
    assert {name for name in sections if name not in known and name != "Access"} == set()


def test_it_says_how_each_text_was_read():
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert all("text" in heading or "through others" in heading for heading in headings)
