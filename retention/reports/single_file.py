"""The verifier as one file: the modules of `standalone`, one after another, with the imports of the standard library.

They are modules so that people can read and test them; an auditor gets one file that needs Python alone.
"""

from __future__ import annotations

import ast
from importlib import resources

PACKAGE = "retention.reports.standalone"
MODULES = ("notes", "trees", "cms", "stamps", "verdict", "attestations", "verify_report")
"""In the order of their imports; the last one runs."""


def verifier_text() -> bytes:
    """Return the single-file verifier that goes into every bundle."""
    imports: set[str] = set()
    bodies, opening = [], ""
    for name in MODULES:
        text = resources.files(PACKAGE).joinpath(f"{name}.py").read_text("utf-8")
        tree, lines = ast.parse(text), text.splitlines()
        opening = _lines_of(tree.body[0], lines)
        start = 0
        for node in tree.body[1:]:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                break
            start = node.end_lineno or 0
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
                (PACKAGE, "__future__")
            ):
                imports.add(ast.unparse(node))
        about = (
            ""
            if name == MODULES[-1]
            else f"# {ast.get_docstring(tree)}".replace("\n", "\n# ").replace("# \n", "#\n")
        )
        bodies.append(f"{about}\n" + "\n".join(lines[start:]))
    ordered = sorted(imports, key=lambda line: (line.startswith("from"), line))
    return "\n".join(
        (opening, "", "from __future__ import annotations", "", *ordered, "", *bodies, "")
    ).encode()


def _lines_of(node: ast.stmt, lines: list[str]) -> str:
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])
