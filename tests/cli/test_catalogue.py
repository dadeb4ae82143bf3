"""The catalogue of messages: complete, without leftovers, harmless to terminals."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from retention.cli import catalogue
from retention.cli.catalogue import Messages

CLI = Path(catalogue.__file__).parent
TREES = [ast.parse(path.read_text()) for path in sorted(CLI.rglob("*.py"))]
ENGLISH = catalogue._load("en")
TABLES = {key.partition(".")[0] for key in ENGLISH}


def _patterns():
    """Yield a pattern for every text in the code that names messages: `study.none`, f"study.{name}"."""
    nodes = [node for tree in TREES for node in ast.walk(tree)]
    pieces = {id(piece) for node in nodes if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in nodes:
        parts = [_text(part) for part in node.values] if isinstance(node, ast.JoinedStr) else [_text(node)]
        if id(node) in pieces or parts[0] is None:
            continue
        table, dot, _ = parts[0].partition(".")
        rest = "".join(part for part in parts if part is not None)[len(table) + 1 :]
        if table in TABLES and dot and re.fullmatch("[a-z_]*", rest):
            yield re.compile("".join("[a-z_]+" if part is None else re.escape(part) for part in parts))


def _text(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


PATTERNS = list(_patterns())


def test_every_message_asked_for_exists():
    unknown = [pattern.pattern for pattern in PATTERNS if not any(map(pattern.fullmatch, ENGLISH))]
    assert unknown == []


def test_every_message_is_asked_for():
    hints = [re.compile(f"{pattern.pattern}_hint") for pattern in PATTERNS]
    assert [
        key for key in ENGLISH if not any(pattern.fullmatch(key) for pattern in (*PATTERNS, *hints))
    ] == []


def test_every_usage_error_has_a_hint():
    keys = [
        _text(node.args[0])
        for tree in TREES
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "usage_error"
    ]
    assert len(keys) > 5
    assert [key for key in keys if not {key, f"{key}_hint"} <= ENGLISH.keys()] == []


def test_what_a_language_lacks_is_said_in_english():
    assert Messages("eo").say("study.none") == Messages("en").say("study.none")


@pytest.mark.parametrize(
    "name", ["a\x1b[2Jb", "a\nb", "a\u202eb", b"a\xffb".decode("utf-8", "surrogateescape")]
)
def test_what_is_filled_in_cannot_steer_the_terminal(name):
    said = Messages("en").say("ingest.refused", path=name, reason="")
    assert said.isprintable()
    assert said.encode("utf-8")


def test_numbers_are_formatted_as_the_message_says():
    assert "1.3 s" in Messages("en").say("audit.done", checked=1, size="1 B", seconds=1.26, rate="1 B/s")


def test_french_is_complete_and_says_the_same_values():
    french = catalogue._load("fr")
    assert french.keys() == ENGLISH.keys()
    named = {key: (placeholders(ENGLISH[key]), placeholders(french[key])) for key in ENGLISH}
    assert {key: both for key, both in named.items() if both[0] != both[1]} == {}


def placeholders(message: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(message) if field}
