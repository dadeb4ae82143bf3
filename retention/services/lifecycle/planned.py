"""A lifecycle plan as people and programs hand it on: which studies should change tier, written and read again.

A plan is a proposal. Whoever carries it out looks again at each move: the file is not the authority, the archive is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from retention.model.errors import NotFoundError, UsageError

SCHEMA = "retention/lifecycle-plan/v1"
FILE_BYTES = 1 << 30
HINT = "make one: retention lifecycle plan --out FILE"


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One study's packages on one tier that should be on another; `size_bytes` as received. `rule` asks for it."""

    study_uid: str
    institution: str
    from_tier: str
    to_tier: str
    size_bytes: int
    rule: str


def document_of(move: PlannedMove) -> dict[str, Any]:
    return {
        "study_uid": move.study_uid,
        "institution": move.institution,
        "from": move.from_tier,
        "to": move.to_tier,
        "bytes": move.size_bytes,
        "rule": move.rule,
    }


def write_plan(path: Path, at: date, moves: Iterable[PlannedMove]) -> int:
    """Write a plan, one move a line; return how many. Raises OSError."""
    count = 0
    with open(path, "x", encoding="utf-8") as file:
        file.write(f'{{"schema": "{SCHEMA}", "at": "{at.isoformat()}", "moves": [')
        for count, move in enumerate(moves, 1):
            file.write(("\n" if count == 1 else ",\n") + json.dumps(document_of(move)))
        file.write("\n]}\n")
    return count


def read_plan(path: Path) -> list[PlannedMove]:
    """Read a plan that `write_plan` wrote, or the document of `lifecycle plan --json`.

    Raises NotFoundError, UsageError, OSError.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(FILE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"there is no plan {path}", hint=HINT) from None
    try:
        document = json.loads(text)
        if document["schema"] == SCHEMA:
            return [_move(raw) for raw in document.get("data", document)["moves"]]
        error: Exception = ValueError(f"its schema is {document['schema']}")
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        error = broken
    raise UsageError(f"{path} is no lifecycle plan: {error}", hint=HINT) from error


def _move(raw: Mapping[str, Any]) -> PlannedMove:
    move = PlannedMove(
        raw["study_uid"], raw["institution"], raw["from"], raw["to"], raw.get("bytes", 0), raw.get("rule", "")
    )
    texts = move.study_uid, move.institution, move.from_tier, move.to_tier, move.rule
    if not all(isinstance(text, str) for text in texts) or not isinstance(move.size_bytes, int):
        raise TypeError("a move has another form")
    return move
