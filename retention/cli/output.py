"""What goes to stdout and stderr: one JSON document a command, JSON Lines, or text for people.

stdout is data, stderr is everything else. JSON is printed once, and only when it is whole.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, TextIO

from retention.cli.invocation import Document, Invocation, Result
from retention.cli.text import alarming, harmless
from retention.model.errors import RetentionError

_ENCODINGS_OF_JSON = ("utf-8", "utf8")


def prepare_streams() -> None:
    """Let any text be printed: what a stream cannot encode is written out, never a failure."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # closed by the caller: `>&-`
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for as long as we run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish_streams() -> None:
    """Write out what is buffered; a stream that cannot take it is abandoned."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            abandon(stream)


def abandon(stream: TextIO) -> None:
    """Give up a stream that nobody reads or that cannot be written: what is buffered for it must not fail at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def show(invocation: Invocation, result: Result[Document]) -> None:
    """Print a result. Rows may come from an iterator: as JSON Lines they are never all in memory."""
    data: dict[str, Any] = dict(result.data)
    if invocation.is_jsonl and result.rows is not None:
        for row in data[result.rows]:
            print(_json(row))
    elif invocation.prints_json:
        if result.rows is not None:
            data[result.rows] = list(data[result.rows])
        print_document(invocation, data=data)
    else:
        for line in result.lines:
            print(line)
    sys.stdout.flush()


def show_error(invocation: Invocation, error: RetentionError) -> None:
    """Print why a command stopped: for people on stderr, for machines as the document on stdout."""
    message = invocation.told_of(error)
    hint = None if error.hint is None else invocation.told(error.hint)
    complain(invocation, message, hint)
    if invocation.prints_json:
        print_document(invocation, error={"code": error.code, "message": message, "hint": hint})


def show_interrupted(invocation: Invocation) -> None:
    text = invocation.say("errors.interrupted")
    complain(invocation, text, None)
    if invocation.prints_json:
        print_document(invocation, error={"code": "interrupted", "message": text, "hint": None})


def complain(invocation: Invocation, message: str, hint: str | None) -> None:
    """Tell people what went wrong and what to do. Messages may have several lines."""
    lines = [alarming(invocation.say("errors.error")) + _harmless_lines(message)]
    if hint:
        lines.append(invocation.say("errors.hint", hint=_harmless_lines(hint)))
    print("\n".join(lines), file=sys.stderr)


def remark(invocation: Invocation, text: str) -> None:
    """Tell people something beside the result."""
    if not invocation.is_quiet:
        print(text, file=sys.stderr)


def print_document(invocation: Invocation, data: object = None, error: object = None) -> None:
    """Print the one document of the envelope."""
    document = {"schema": schema_id(invocation.command), "ok": error is None, "data": data, "error": error}
    print(_json(document))


def schema_id(command: str) -> str:
    """Return how documents of a command name their schema: `retention/study-list/v1`."""
    return f"retention/{command.replace(' ', '-') or 'retention'}/v1"


def _json(value: object) -> str:
    """Write JSON in UTF-8, in ASCII for a stream of another encoding; lone surrogates are escaped by the stream."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return json.dumps(value, ensure_ascii=encoding.lower() not in _ENCODINGS_OF_JSON)


def _harmless_lines(text: str) -> str:
    return "\n".join(harmless(line) for line in text.splitlines())
