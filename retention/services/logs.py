"""What processes that serve say while they run, on stderr: one line an event, for people or (JSON) for machines.

The invariant: a log holds no personal data. What is known of patients stays in the catalog, for who may read it: UIDs
are blotted out of every line, and of an error only its kind, its code and the place are said, never its text.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from retention.model.clock import format_instant
from retention.model.errors import RetentionError

VARIABLE = "RETENTION_LOGS"
JSON = "json"
BLOTTED = "[uid]"
PLACES = 8
_UID = re.compile(r"(?<![0-9.])[0-2](?:\.(?:0|[1-9][0-9]*)){4,}(?![0-9.]*[0-9])")

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
Event = MutableMapping[str, Any]


def configure(part: str, level: int = logging.INFO) -> None:
    """Begin to log, as RETENTION_LOGS says; `part` names the process. Without structlog it is always for people."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json(part) if is_json() else Plain("%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # what libraries tell of their work may name what they work on
    logging.getLogger("retention").setLevel(level)


def is_json() -> bool:
    """Whether lines are for machines."""
    return os.environ.get(VARIABLE) == JSON and find_spec("structlog") is not None


def without_uids(text: str) -> str:
    """Blot out what may identify a study, series or instance (PS3.5 §9.1)."""
    return _UID.sub(BLOTTED, text)


class Plain(logging.Formatter):
    """A line for people, with the same left out."""

    def format(self, record: logging.LogRecord) -> str:
        line = without_uids(record.getMessage())
        error = _error_of(record.exc_info)
        return line if error is None else f"{line} ({error['kind']} at {error['at'][-1]})"


def _json(part: str) -> logging.Formatter:
    import structlog

    def facts(_logger: object, _name: str, event: Event) -> Event:
        record: logging.LogRecord = event["_record"]
        event.update(
            at=format_instant(datetime.fromtimestamp(record.created, UTC)),
            level=record.levelname.lower(),
            part=part,
            pid=record.process,
            logger=record.name,
        )
        if (error := _error_of(event.pop("exc_info", None))) is not None:
            event["error"] = error
        return event

    def blotted(_logger: object, _name: str, event: Event) -> Event:
        return {
            name: without_uids(value) if isinstance(value, str) else value for name, value in event.items()
        }

    stdlib = structlog.stdlib
    return stdlib.ProcessorFormatter(
        foreign_pre_chain=[stdlib.ExtraAdder()],
        processors=[
            facts,
            stdlib.ProcessorFormatter.remove_processors_meta,
            blotted,
            structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False),
        ],
    )


def _error_of(raised: Raised | None) -> Mapping[str, Any] | None:
    """Return what may be said of the error of a record: no text, for that may quote what it is about."""
    error = None if raised is None else raised[1]
    if error is None:
        return None
    said: dict[str, Any] = {"kind": type(error).__name__, "at": _places(error.__traceback__)}
    if isinstance(error, RetentionError):
        said["code"] = error.code
    return said


def _places(trace: TracebackType | None) -> list[str]:
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-PLACES:] or ["?"]
