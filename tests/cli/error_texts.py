"""The texts of errors as they stand in the source: what a translation has to have, found by reading the code.

A text is a string or an f-string, its places numbered. An argument that is a name stands for whatever the module gives
that name: assigned, by default, or by a call of the function whose parameter it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from retention.model.errors import RetentionError


def tree_of(kind: type[RetentionError]) -> Iterator[type[RetentionError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree_of(below)


NAMES = {each.__name__ for each in tree_of(RetentionError)}


def plain_texts(node: ast.expr | None) -> Iterator[str]:
    """Every text that an expression is by itself, without looking at what names stand for."""
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
        yield from plain_texts(node.body)
        yield from plain_texts(node.orelse)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for left, right in product(plain_texts(node.left), plain_texts(node.right)):
            yield left + _renumbered(right, left.count("{"))


def _renumbered(text: str, by: int) -> str:
    for place in reversed(range(text.count("{"))):
        text = text.replace(f"{{{place}}}", f"{{{place + by}}}")
    return text


def called(node: ast.AST) -> str:
    """Return the name of what is called, empty if it has none."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


@dataclass
class Module:
    """One file of the source."""

    path: Path
    nodes: list[ast.AST] = field(init=False)
    given: dict[str, list[ast.expr]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = list(ast.walk(ast.parse(self.path.read_text())))
        calls: dict[str, list[ast.Call]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Call):
                calls.setdefault(called(node), []).append(node)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assigned(target, node.value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                self._assigned(node.target, node.value)
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef):
                self._parameters(node, calls.get(node.name, []))

    def plain(self) -> Iterator[str]:
        """Every text that stands in the file."""
        for node in self.nodes:
            if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
                yield from plain_texts(node)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.given.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for each, its in zip(target.elts, value.elts, strict=True):
                self._assigned(each, its)

    def _parameters(self, function: ast.FunctionDef, calls: list[ast.Call]) -> None:
        names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
        defaults = zip(reversed(function.args.args), reversed(function.args.defaults), strict=False)
        for argument, default in defaults:
            self.given.setdefault(argument.arg, []).append(default)
        for call in calls:
            for name, value in zip(names, call.args, strict=False):
                self.given.setdefault(name, []).append(value)
            for word in call.keywords:
                self.given.setdefault(word.arg or "", []).append(word.value)

    def texts(self, node: ast.expr | None, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """Every text that an expression can be."""
        if isinstance(node, ast.Name) and node.id not in seen:
            for value in self.given.get(node.id, []):
                yield from self.texts(value, seen | {node.id})
        else:
            yield from plain_texts(node)

    def said(self) -> Iterator[tuple[int, ast.expr]]:
        """The expressions that are an error's message or hint, with their lines."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and called(node) in NAMES:
                yield from ((node.lineno, each) for each in node.args[:1])
                yield from ((node.lineno, word.value) for word in node.keywords if word.arg == "hint")

    def arguments(self, names: set[str]) -> Iterator[ast.expr]:
        """Whatever calls of these names are given."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and called(node) in names:
                yield from node.args
                yield from (word.value for word in node.keywords)

    def filled_in(self, node: ast.expr) -> Iterator[str]:
        """The texts that can stand in the places of an expression."""
        written = [node, *self.given.get(node.id, [])] if isinstance(node, ast.Name) else [node]
        for place in (place for each in written for place in ast.walk(each)):
            if isinstance(place, ast.FormattedValue):
                yield from (text for text in self.texts(place.value) if any(map(str.isalpha, text)))
