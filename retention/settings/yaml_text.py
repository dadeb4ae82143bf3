"""Bounded reading of YAML: plain values, and the place of every one of them in the text.

What goes in may be any bytes. What comes out is mappings, lists, texts, numbers, booleans and None, as YAML 1.2's core
schema has them (`yes` and `on` are texts), with a place for each key and value. Size and depth are bounded; anchors,
aliases, tags, directives and duplicate keys are faults, since a configuration that means more than it says cannot be
reviewed. Places are what lets faults point and edits touch nothing but what they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from retention.settings.faults import Fault

SIZE_BYTES = 256 * 1024
DEPTH = 32

Path = tuple[str | int, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_COLON = re.compile(r"\s*:")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: character offsets into the text, and line and column counted from 1."""

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """The places of one value. `key` is None for the document itself and for items of a list.

    `value.end` is where its last character stands, whatever comments and blank lines follow.
    """

    value: Span
    key: Span | None = None
    is_flow: bool = False


@dataclass(slots=True)
class YamlText:
    """A text as read. `value` is None when it could not be read as YAML; then `faults` says why."""

    text: str
    value: object = None
    nodes: dict[Path, Node] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault_at(
        self, path: Path, message: str, *, at_key: bool = False, suggestion: str | None = None
    ) -> Fault:
        """Return a fault at `path`, or at its nearest ancestor that stands in the text."""
        known = path
        while known and known not in self.nodes:
            known = known[:-1]
        node = self.nodes.get(known)
        span = Span(0, 1, 1, 1) if node is None else node.value
        if node is not None and node.key is not None and (at_key or known != path or span.start == span.end):
            span = node.key
        length = self.text[span.start : span.end].partition("\n")[0]
        return Fault(span.line, span.column, message, dotted(path), suggestion, max(1, len(length)))


def dotted(path: Path) -> str:
    """Write a path of keys as people do: `tiers.hot.volumes[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_yaml(data: bytes | str) -> YamlText:
    """Read one YAML document. Never raises: whatever is wrong is a fault of the result."""
    size_bytes = len(data)
    if size_bytes > SIZE_BYTES:
        return YamlText(
            "", faults=[Fault(1, 1, f"the file has {size_bytes} bytes, {SIZE_BYTES} are allowed")]
        )
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return YamlText(before, faults=[Fault(line, column, "this is not UTF-8 text")])
    result = YamlText(text)
    _Builder(result).build()
    return result


class _StopReadingError(Exception):
    """The text cannot be read further; the fault is already in the list."""


class _Builder:
    """Turns the parser's events into values and places."""

    def __init__(self, result: YamlText) -> None:
        self._result = result
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(result.text)

    def build(self) -> None:
        try:
            self._document()
        except _StopReadingError:
            self._result.value = None
        except MarkedYAMLError as error:
            self._unreadable(error.problem_mark or error.context_mark, str(error.problem or error.context))
        except YAMLError as error:
            self._unreadable(None, str(error).partition("\n")[0])

    def _next(self) -> Event:
        return next(self._events)

    def _document(self) -> None:
        self._next()  # the stream's start
        start = self._next()
        if not isinstance(start, DocumentStartEvent):
            self._result.faults.append(Fault(1, 1, "the file is empty"))
            raise _StopReadingError
        if start.version or start.tags:
            self._fault(start, "directives (`%…`) are not allowed here")
        self._result.value = self._value((), None, self._next())
        self._next()  # the document's end
        following = self._next()
        if isinstance(following, DocumentStartEvent):
            self._fault(following, "only one document (`---`) is allowed in this file")

    def _value(self, path: Path, key: Span | None, event: Event) -> object:
        if isinstance(event, AliasEvent):
            self._fault(event, "aliases (`*…`) are not allowed: write the value out", path)
            self._result.nodes[path] = Node(self._span(event), key)
            return None
        if isinstance(event, ScalarEvent):
            span = self._span(event)
            if key is not None and span.start == span.end:
                span = self._after(key)
            self._result.nodes[path] = Node(span, key)
            self._check_text(event, path)
            return _scalar(event)
        if len(path) >= DEPTH:
            self._fault(event, f"nested deeper than {DEPTH} levels", path)
            raise _StopReadingError
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, key, event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, key, event)
        raise TypeError(f"the parser's events are out of order: {event}")

    def _check_text(self, event: ScalarEvent, path: Path) -> None:
        self._check_plain(event, path)
        if _UNPRINTABLE.search(event.value):
            self._fault(event, "control characters are not allowed", path)

    def _check_plain(self, event: ScalarEvent | CollectionStartEvent, path: Path) -> None:
        if event.anchor is not None:
            self._fault(event, "anchors (`&…`) are not allowed: write the value out", path)
        if event.ctag is not None:
            self._fault(event, "tags (`!…`) are not allowed", path)

    def _mapping(self, path: Path, key: Span | None, start: MappingStartEvent) -> dict[str, object]:
        mapping: dict[str, object] = {}
        self._check_plain(start, path)
        last = self._span(start)
        while not isinstance(event := self._next(), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                self._fault(event, "a key must be a plain word", path)
                raise _StopReadingError
            name: str = event.value
            step = (*path, name)
            self._check_text(event, step)
            if name in mapping:
                first = self._result.nodes[step].key
                before = f", first in line {first.line}" if first is not None else ""
                self._fault(event, f"`{name}` stands here twice{before}", step)
                self._skip()
                continue
            mapping[name] = None
            mapping[name] = self._value(step, self._span(event), self._next())
            last = self._result.nodes[step].value
        self._collection(path, key, start, event, last)
        return mapping

    def _sequence(self, path: Path, key: Span | None, start: SequenceStartEvent) -> list[object]:
        items: list[object] = []
        self._check_plain(start, path)
        last = self._span(start)
        while not isinstance(event := self._next(), SequenceEndEvent):
            step = (*path, len(items))
            items.append(self._value(step, None, event))
            last = self._result.nodes[step].value
        self._collection(path, key, start, event, last)
        return items

    def _skip(self) -> None:
        """Read over one value."""
        depth = 0
        while True:
            event = self._next()
            depth += isinstance(event, MappingStartEvent | SequenceStartEvent)
            depth -= isinstance(event, MappingEndEvent | SequenceEndEvent)
            if depth == 0:
                return

    def _collection(
        self, path: Path, key: Span | None, start: CollectionStartEvent, end: Event, last: Span
    ) -> None:
        first = self._span(start)
        is_flow = bool(start.flow_style)
        stop = (
            end.end_mark.index if is_flow else last.end
        )  # a block's own end mark is where the next thing starts
        self._result.nodes[path] = Node(Span(first.start, stop, first.line, first.column), key, is_flow)

    def _after(self, key: Span) -> Span:
        """Return where the value of a key with none would be; the parser says where the next thing is."""
        colon = _COLON.match(self._result.text, key.end)
        at = colon.end() if colon is not None else key.end
        return Span(at, at, key.line, key.column + at - key.start)

    def _span(self, event: Event) -> Span:
        start, end = event.start_mark, event.end_mark
        length = len(self._result.text[start.index : end.index].rstrip())
        return Span(start.index, start.index + length, start.line + 1, start.column + 1)

    def _fault(self, event: Event, message: str, path: Path = ()) -> None:
        span = self._span(event)
        length = max(1, len(self._result.text[span.start : span.end].partition("\n")[0]))
        self._result.faults.append(Fault(span.line, span.column, message, dotted(path), None, length))

    def _unreadable(self, mark: StringMark | None, problem: str) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        if "'\\t'" in problem:
            problem = "a tab cannot indent here, only spaces can"
        self._result.faults.append(Fault(line, column, f"this is not YAML: {problem}"))
        self._result.value = None


def _scalar(event: ScalarEvent) -> object:
    text: str = event.value
    if event.style is not None or event.ctag is not None:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
