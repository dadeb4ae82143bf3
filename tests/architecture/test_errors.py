"""One error tree, with stable codes that the documentation explains."""

import ast
import re

import pytest

from retention.model import errors
from retention.model.errors import RetentionError
from tests.architecture.sources import ROOT, sources

CLASSES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RetentionError)
]
DOCUMENT = ROOT / "docs" / "errors.md"
# A line of the table: code, class, and what it means, what it does to the data, what to do.
ROW = re.compile(r"^\| `(?P<code>[A-Z]{3}-[0-9]{3})` \| `(?P<name>\w+)` \|(?P<rest>.*)\|$", re.MULTILINE)


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z]{3}-[0-9]{3}", code) for code in codes)
    assert all("code" in vars(kind) for kind in CLASSES)


def test_a_code_begins_as_its_family_does():
    for kind in CLASSES:
        family = next(
            (parent for parent in kind.__mro__[1:] if parent in CLASSES and parent is not RetentionError),
            None,
        )
        assert family is None or kind.code[:3] == family.code[:3]


@pytest.fixture(scope="module")
def rows():
    return list(ROW.finditer(DOCUMENT.read_text()))


def test_the_document_explains_every_code_and_no_other(rows):
    assert {row["code"]: row["name"] for row in rows} == {kind.code: kind.__name__ for kind in CLASSES}


def test_each_explanation_says_cause_effect_on_data_and_what_to_do(rows):
    cells = {row["code"]: [cell.strip() for cell in row["rest"].split(" | ")] for row in rows}
    assert [code for code, texts in cells.items() if len(texts) != 3 or not all(texts)] == []


def test_what_may_be_tried_again_is_marked_in_the_document(rows):
    marked = {row["code"] for row in rows if "again" in row["rest"].lower()}
    assert {kind.code for kind in CLASSES if kind.retryable} <= marked


def test_errors_are_made_in_one_place():
    """No class elsewhere joins the tree: an edge that maps classes must know all of them."""
    names = {kind.__name__ for kind in CLASSES}
    elsewhere = [
        f"{source.path}:{node.lineno}: {node.name}"
        for source in sources()
        if source.path != "retention/model/errors.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if ast.unparse(base).rpartition(".")[2] in names
    ]
    assert elsewhere == []


def test_an_error_carries_what_an_edge_shows():
    error = errors.NotFoundError(
        "there is no study 1.2.3", hint="see `retention study list`", study_uid="1.2.3"
    )
    assert str(error) == error.message == "there is no study 1.2.3"
    assert error.hint == "see `retention study list`"
    assert error.context == {"study_uid": "1.2.3"}
