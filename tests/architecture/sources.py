"""The program's own files, parsed once for all tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "retention"
# recover.py lies on every volume and stands alone: it is data to this program, long on purpose, and prints.
STANDALONE = PACKAGE / "package" / "recovery"


@dataclass(frozen=True)
class Source:
    """One module: its path below the project's root, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def sources() -> tuple[Source, ...]:
    files = (file for file in sorted(PACKAGE.rglob("*.py")) if not file.is_relative_to(STANDALONE))
    return tuple(parse(file.read_text(), file.relative_to(ROOT).as_posix()) for file in files)


def parse(text: str, path: str = "example.py") -> Source:
    return Source(path, text, ast.parse(text, path))


def origins(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: `now -> time.monotonic` after `from time import monotonic as now`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def uses(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported that a module uses: `(12, "datetime.datetime.now")`."""
    names = origins(source.tree)
    inner: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner:
            parts: list[str] = []
            step: ast.expr = node
            while isinstance(step, ast.Attribute):
                parts.append(step.attr)
                step = step.value
                inner.add(id(step))
            if isinstance(step, ast.Name) and step.id in names:
                yield node.lineno, ".".join([names[step.id], *reversed(parts)])
