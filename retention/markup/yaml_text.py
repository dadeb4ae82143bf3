"""Bounded reading of YAML: plain values, and the place of every one of them in the text.

What goes in may be any bytes. What comes out is mappings, lists, texts, numbers, booleans and None, as YAML 1.2's core
schema has them (`yes` and `on` are texts), with a place for each key and value. Size, depth and number of values are
bounded; anchors, aliases, tags, directives and duplicate keys are faults, since a text that means more than it says
cannot be reviewed. Places are what lets faults point and edits touch nothing but what they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

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

from retention.markup.faults import Fault
from retention.markup.syntax import not_yaml
from retention.markup.text import Text, short

SIZE_BYTES = 256 * 1024
DEPTH = 32
VALUES = 30_000
FAULTS = 200
DOCUMENTS = 200

Path = tuple[str | int, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_COLON = re.compile(r"\s*:")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z")

_TOO_LARGE = Text(
    "the file has {size} bytes, {most} are allowed", "le fichier a {size} octets, {most} sont admis"
)
_NOT_UTF8 = Text("this is not UTF-8 text", "ce n'est pas du texte UTF-8")
_EMPTY = Text("the file is empty", "le fichier est vide")
_DIRECTIVE = Text("directives (`%…`) are not allowed here", "les directives (`%…`) ne sont pas admises ici")
_ONE_DOCUMENT = Text(
    "only one document (`---`) is allowed in this file", "ce fichier n'admet qu'un document (`---`)"
)
_ALIAS = Text(
    "aliases (`*…`) are not allowed: write the value out",
    "les alias (`*…`) ne sont pas admis : écrivez la valeur en toutes lettres",
)
_ANCHOR = Text(
    "anchors (`&…`) are not allowed: write the value out",
    "les ancres (`&…`) ne sont pas admises : écrivez la valeur en toutes lettres",
)
_TAG = Text("tags (`!…`) are not allowed", "les étiquettes (`!…`) ne sont pas admises")
_CONTROL = Text("control characters are not allowed", "les caractères de contrôle ne sont pas admis")
_DEPTH = Text("nested deeper than {depth} levels", "imbriqué sur plus de {depth} niveaux")
_KEY = Text("a key must be a plain word", "une clé doit être un simple mot")
_TWICE = Text(
    "`{name}` stands here twice, first in line {line}", "`{name}` figure deux fois, d'abord à la ligne {line}"
)
_TOO_MANY = Text("the file has more than {most} values", "le fichier a plus de {most} valeurs")
_MANY_DOCUMENTS = Text(
    "the file has more than {most} documents, the rest is not read",
    "le fichier a plus de {most} documents, la suite n'est pas lue",
)
_GIVEN_UP = Text("too many faults, the rest is not read", "trop d'erreurs, la suite n'est pas lue")


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

    `value.end` is where its last character stands, whatever comments and blank lines follow. `is_plain`: a scalar
    without quotes.
    """

    value: Span
    key: Span | None = None
    is_flow: bool = False
    is_plain: bool = False


@dataclass(slots=True)
class YamlText:
    """One document of a text as read. `value` is None when it could not be read; then `faults` says why.

    `start` is where its `---` stands, or its first line without one.
    """

    text: str
    start: Span = Span(0, 0, 1, 1)
    value: object = None
    nodes: dict[Path, Node] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault_at(
        self, path: Path, message: str | Text, *, at_key: bool = False, suggestion: str | None = None
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
    """Read a text of one YAML document. Never raises: whatever is wrong is a fault of the result."""
    first, *more = read_documents(data)
    if more:
        start = more[0].start
        first.faults.append(Fault(start.line, start.column, _ONE_DOCUMENT, length=start.end - start.start))
    return first


def read_documents(data: bytes | str) -> list[YamlText]:
    """Read a text of one or more YAML documents (`---` between them). Never raises, never returns an empty list.

    Where the text cannot be read further the last document has no value; those before it are whole.
    """
    size_bytes = len(data)
    if size_bytes > SIZE_BYTES:
        return [YamlText("", faults=[Fault(1, 1, _TOO_LARGE.format(size=size_bytes, most=SIZE_BYTES))])]
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return [YamlText(before, faults=[Fault(line, column, _NOT_UTF8)])]
    return _Reader(text).documents()


class _StopReadingError(Exception):
    """The text cannot be read further; the fault is already in the list."""


class _Reader:
    """Turns the parser's events into values and places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._document = YamlText(text)
        self._values = 0
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)

    def documents(self) -> list[YamlText]:
        found = [self._document]
        try:
            self._next()  # the stream's start
            while isinstance(start := self._next(), DocumentStartEvent):
                if self._document.nodes:
                    if len(found) == DOCUMENTS:
                        self._fault(start, _MANY_DOCUMENTS.format(most=DOCUMENTS))
                        break
                    self._document = YamlText(self._text, self._span(start))
                    found.append(self._document)
                self._read(start)
            if not found[0].nodes:
                self._document.faults.append(Fault(1, 1, _EMPTY))
        except _StopReadingError:
            self._document.value = None
        except MarkedYAMLError as error:
            self._unreadable(error.problem_mark or error.context_mark, str(error.problem or error.context))
        except YAMLError as error:
            self._unreadable(None, str(error).partition("\n")[0])
        return found

    def _next(self) -> Event:
        return next(self._events)

    def _read(self, start: DocumentStartEvent) -> None:
        if start.version or start.tags:
            self._fault(start, _DIRECTIVE)
        self._document.value = self._value((), None, self._next())
        self._next()  # the document's end

    def _value(self, path: Path, key: Span | None, event: Event) -> object:
        self._values += 1
        if self._values > VALUES:
            self._stop(event, _TOO_MANY.format(most=VALUES), path)
        if isinstance(event, AliasEvent):
            self._fault(event, _ALIAS, path)
            self._document.nodes[path] = Node(self._span(event), key)
            return None
        if isinstance(event, ScalarEvent):
            span = self._span(event)
            if key is not None and span.start == span.end:
                span = self._after(key)
            self._document.nodes[path] = Node(span, key, is_plain=event.style is None)
            self._check_text(event, path)
            return _scalar(event)
        if len(path) >= DEPTH:
            self._stop(event, _DEPTH.format(depth=DEPTH), path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, key, event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, key, event)
        raise TypeError(f"the parser's events are out of order: {event}")

    def _check_text(self, event: ScalarEvent, path: Path) -> None:
        self._check_plain(event, path)
        if _UNPRINTABLE.search(event.value):
            self._fault(event, _CONTROL, path)

    def _check_plain(self, event: ScalarEvent | CollectionStartEvent, path: Path) -> None:
        if event.anchor is not None:
            self._fault(event, _ANCHOR, path)
        if event.ctag is not None:
            self._fault(event, _TAG, path)

    def _mapping(self, path: Path, key: Span | None, start: MappingStartEvent) -> dict[str, object]:
        mapping: dict[str, object] = {}
        self._check_plain(start, path)
        last = self._span(start)
        while not isinstance(event := self._next(), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                self._stop(event, _KEY, path)
            name: str = event.value
            step = (*path, name)
            self._check_text(event, step)
            if name in mapping:
                self._twice(event, step)
                continue
            mapping[name] = None
            mapping[name] = self._value(step, self._span(event), self._next())
            last = self._document.nodes[step].value
        self._collection(path, key, start, event, last)
        return mapping

    def _twice(self, event: ScalarEvent, step: Path) -> None:
        first = self._document.nodes[step].key
        line = first.line if first is not None else "?"
        self._fault(event, _TWICE.format(name=short(event.value), line=line), step)
        self._skip()

    def _sequence(self, path: Path, key: Span | None, start: SequenceStartEvent) -> list[object]:
        items: list[object] = []
        self._check_plain(start, path)
        last = self._span(start)
        while not isinstance(event := self._next(), SequenceEndEvent):
            step = (*path, len(items))
            items.append(self._value(step, None, event))
            last = self._document.nodes[step].value
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
        # A block's own end mark is where the next thing starts.
        stop = end.end_mark.index if is_flow else last.end
        self._document.nodes[path] = Node(Span(first.start, stop, first.line, first.column), key, is_flow)

    def _after(self, key: Span) -> Span:
        """Return where the value of a key with none would be; the parser says where the next thing is."""
        colon = _COLON.match(self._text, key.end)
        at = colon.end() if colon is not None else key.end
        return Span(at, at, key.line, key.column + at - key.start)

    def _span(self, event: Event) -> Span:
        start, end = event.start_mark, event.end_mark
        length = len(self._text[start.index : end.index].rstrip())
        return Span(start.index, start.index + length, start.line + 1, start.column + 1)

    def _fault(self, event: Event, message: Text, path: Path = ()) -> None:
        span = self._span(event)
        length = max(1, len(self._text[span.start : span.end].partition("\n")[0]))
        faults = self._document.faults
        faults.append(Fault(span.line, span.column, message, dotted(path), None, length))
        if len(faults) == FAULTS:
            faults.append(Fault(span.line, span.column, _GIVEN_UP))
            raise _StopReadingError

    def _stop(self, event: Event, message: Text, path: Path) -> NoReturn:
        self._fault(event, message, path)
        raise _StopReadingError

    def _unreadable(self, mark: StringMark | None, problem: str) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self._document.faults.append(Fault(line, column, not_yaml(problem)))
        self._document.value = None


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
