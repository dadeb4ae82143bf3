"""What the documents say is so: links lead somewhere, paths exist, examples are valid."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:retention|docs|tests|tools|benchmarks|policies|deploy|\.ci)/[A-Za-z0-9_./-]*")
VERSION = re.compile(r"/v[0-9]+$")  # `retention/config/v1` names a schema


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    targets = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_named_exist(page):
    named = [
        code for code in CODE.findall(page.read_text()) if PATH.fullmatch(code) and not VERSION.search(code)
    ]
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_short_enough_to_compare(page):
    long = [line for line in page.read_text().splitlines() if len(line) > 130 and not line.startswith("|")]
    assert long == []


def test_every_page_can_be_reached_from_the_first():
    """From README.md, by links alone, except the fragments that a release collects."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached:
            continue
        reached.add(page)
        links = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
        waiting += [page.parent / target for target in links if target.endswith(".md")]
    fragments = {page for page in PAGES if page.parent.name == "changelog.d" and page.name != "README.md"}
    assert {
        name_of(page.resolve()) for page in PAGES if page not in fragments and page.resolve() not in reached
    } == set()


def test_the_format_document_exists_once_and_is_shipped():
    """docs/format.md is a link to the file that is package data, not the other way round (docs/adr/0009)."""
    shipped = ROOT / "retention" / "package" / "recovery" / "FORMAT.md"
    assert shipped.is_file()
    assert not shipped.is_symlink()
    assert (ROOT / "docs" / "format.md").resolve() == shipped.resolve()
