"""Errors in French: every text of the errors that people commonly meet has a translation, and none is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import retention
from retention.cli.translating import tables_of, translated
from retention.model import errors
from retention.model.errors import RetentionError
from tests.cli.calling import retention as program

ROOT = Path(retention.__file__).parent
MACHINES = ("web", "dimse", "dicom", "package")
"""What these say is said to machines, or within an answer to one, in English."""
COVERED = (
    errors.RefusedError,
    errors.LockedError,
    errors.BusyError,
    errors.NotReadyError,
    errors.ObjectLockedError,
    errors.ArchiveNotFoundError,
    errors.CatalogMissingError,
    errors.NotFoundError,
)
"""With everything below them in the error tree. Of other errors only some are translated."""
ERRORS = tables_of("fr")["errors"]
PHRASES = tables_of("fr")["phrases"]


def _tree(kind: type[RetentionError]) -> Iterator[type[RetentionError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


NAMES = {each.__name__ for kind in COVERED for each in _tree(kind)}


def _texts(node: ast.expr | None) -> Iterator[str]:
    """Every text that an expression can be, its places numbered."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        pieces, places = [], 0
        for piece in node.values:
            if isinstance(piece, ast.Constant):
                pieces.append(str(piece.value))
            else:
                pieces.append(f"{{{places}}}")
                places += 1
        yield "".join(pieces)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _raised(path: Path) -> Iterator[tuple[str, str]]:
    """The texts of the covered errors that a module makes, and where."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in NAMES:
                said = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "hint")]
                for text in (text for each in said for text in _texts(each)):
                    yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in MACHINES]
SOURCE = {
    text
    for path in sorted(ROOT.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.Constant | ast.JoinedStr)
    for text in _texts(node)
}


def test_every_text_of_the_covered_errors_is_translated():
    lacking = [f"{where}: {text}" for path in MODULES for text, where in _raised(path) if text not in ERRORS]
    assert lacking == []


@pytest.mark.parametrize("table", [ERRORS, PHRASES], ids=["errors", "phrases"])
def test_nothing_is_translated_that_nobody_says(table):
    assert [text for text in table if text not in SOURCE] == []


@pytest.mark.parametrize("table", [ERRORS, PHRASES], ids=["errors", "phrases"])
def test_a_translation_says_everything_that_is_filled_in(table):
    def places(text: str) -> set[str]:
        return set(re.findall(r"\{\d+\}", text))

    assert [text for text, said in table.items() if places(text) != places(said)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Bob does not have the role archivist or administrator at necker",
            "Bob n'a pas le rôle archivist ou administrator à necker",
        ),
        ("the signature of dim_physician comes next", "la signature de dim_physician vient ensuite"),
        (
            "the grace after the last approval ends on 2027-01-01",
            "le délai après la dernière approbation court jusqu'au 2027-01-01",
        ),
        (
            "archive.yaml lets records go earlier or with less control:\n  a\n  b",
            "archive.yaml laisse partir des dossiers plus tôt ou avec moins de contrôle :\n  a\n  b",
        ),
        ("something that nobody has translated", "something that nobody has translated"),
    ],
)
def test_what_is_filled_in_is_kept_and_phrases_are_translated_too(text, said):
    assert translated(text, "fr") == said
    assert translated(text, "en") == text


def test_the_program_refuses_in_french_on_the_terminal_and_in_json(archive):
    words = ("--archive", archive, "--lang", "fr", "hold", "release", "ffff", "--reason", "x")
    told = program(*words)
    assert "il n'y a pas de gel ffff" in told.err
    assert program("--json", *words).error["hint"] == "retention hold list les montre"
