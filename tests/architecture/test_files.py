"""Files say what they are: short, named after their matter, and opening with why they exist."""

import ast
from pathlib import Path

from tests.architecture.sources import PACKAGE, ROOT, STANDALONE, sources

LINES = 400
SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "tools", "stuff", "lib"}
WHY_CHARACTERS = 20
UNFINISHED = ("TODO", "FIXME", "XXX", "NotImplementedError")
TEXTS = sorted(
    file
    for folder in ("retention", "tests", "benchmarks")
    for file in (ROOT / folder).rglob("*.py")
    if not file.is_relative_to(STANDALONE)
)


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_a_person_reads_in_one_go():
    lines = {name_of(file): len(file.read_text().splitlines()) for file in TEXTS}
    assert {name: count for name, count in lines.items() if count > LINES} == {}


def test_no_file_or_folder_has_a_name_that_says_nothing():
    assert [name_of(path) for path in PACKAGE.rglob("*") if path.stem.lower() in SAY_NOTHING] == []


def test_every_module_says_why_it_exists():
    silent = [s.path for s in sources() if len(ast.get_docstring(s.tree) or "") < WHY_CHARACTERS]
    assert silent == []


def test_nothing_is_left_for_later():
    later = [f"{s.path}: {word}" for s in sources() for word in UNFINISHED if word in s.text]
    assert later == []
