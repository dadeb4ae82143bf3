"""What goes to stdout and stderr: one JSON document a command, JSON Lines, or text for people."""

from __future__ import annotations

import json
import sys
from typing import Any

from retention.cli.invocation import Invocation, Result
from retention.model.errors import RetentionError


def show(invocation: Invocation, result: Result) -> None:
    """Print a result. Rows may come from an iterator: as JSON Lines they are never all in memory."""
    for warning in result.warnings:
        invocation.warn(warning)
    if invocation.is_jsonl and result.rows is not None:
        for row in result.data[result.rows]:
            print(json.dumps(row, ensure_ascii=False))
    elif invocation.is_json or invocation.is_jsonl:
        print_document(invocation, data=_listed(result))
    else:
        for line in result.lines:
            print(line)
    sys.stdout.flush()


def show_error(invocation: Invocation, error: RetentionError) -> None:
    if invocation.is_json or invocation.is_jsonl:
        print_document(invocation, error={"code": error.code, "message": error.message, "hint": error.hint})
    print(invocation.say("errors.error", message=error.message), file=sys.stderr)
    if error.hint:
        print(invocation.say("errors.hint", hint=error.hint), file=sys.stderr)


def show_interrupted(invocation: Invocation) -> None:
    text = invocation.say("errors.interrupted")
    if invocation.is_json or invocation.is_jsonl:
        print_document(invocation, error={"code": "interrupted", "message": text, "hint": None})
    print(text, file=sys.stderr)


def print_document(invocation: Invocation, data: object = None, error: object = None) -> None:
    """Print the one document of interface.md's envelope."""
    document = {
        "schema": f"retention/{invocation.command.replace(' ', '-') or 'retention'}/v1",
        "ok": error is None,
        "data": data,
        "error": error,
    }
    print(json.dumps(document, ensure_ascii=False))


def _listed(result: Result) -> dict[str, Any]:
    if result.rows is None:
        return result.data
    return {**result.data, result.rows: list(result.data[result.rows])}


def size_text(size_bytes: int) -> str:
    """Write a number of bytes for people: `3.2 MB`."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def table_lines(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out rows in columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * width for width in widths], *rows]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
