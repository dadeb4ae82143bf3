"""Edits of archive.yaml that change what is meant and nothing else: comments, order and spelling stay as they were.

An edit works on the text, at places that reading gave it, and proves itself: the edited text is read again and must
mean exactly what the old one meant plus the change. If it does not, nothing is edited and the error says what to
write by hand.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING

from retention.markup.faults import did_you_mean
from retention.model.errors import SettingsError, UsageError
from retention.model.layout import InstitutionSpec

if TYPE_CHECKING:
    from retention.markup.yaml_text import Path, YamlText

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def add_institution(text: str, spec: InstitutionSpec) -> str:
    """Return `text` with one institution more. Raises UsageError if it has it already, SettingsError if it cannot."""
    before, root = _read(text)
    institutions = root.get("institutions")
    if isinstance(institutions, dict) and spec.name in institutions:
        raise UsageError(f"there is an institution `{spec.name}` already")
    value = _institution_value(spec)
    entry = f"{yaml_text_of(spec.name)}: {yaml_text_of(value)}"
    if institutions:
        edited = _append(before, ("institutions",), entry)
    elif "institutions" in root:
        edited = _fill(before, ("institutions",), entry)
    elif before.nodes[()].is_flow:
        edited = _append(before, (), f"institutions: {{{entry}}}")
    else:
        edited = _append(before, (), f"institutions:{_newline(before.text)}  {entry}")
    root["institutions"] = {**(institutions if isinstance(institutions, dict) else {}), spec.name: value}
    return _proved(edited, root, f"below `institutions`: {entry}")


def set_institution(text: str, spec: InstitutionSpec) -> str:
    """Return `text` with an institution as `spec` has it, added where it was not. Raises SettingsError if it cannot."""
    before, root = _read(text)
    institutions = root.get("institutions")
    if not isinstance(institutions, dict) or spec.name not in institutions:
        return add_institution(text, spec)
    value = _institution_value(spec)
    written = yaml_text_of(value)
    span = before.nodes["institutions", spec.name].value
    kept = before.text[: span.start].rstrip(" \n\r") + " "  # a value in lines of its own becomes one line
    edited = kept + written + before.text[span.end :]
    institutions[spec.name] = value
    return _proved(edited, root, f"below `institutions`: {yaml_text_of(spec.name)}: {written}")


def replace_volume(text: str, name: str, url: str) -> str:
    """Return `text` with the volume `name` at another place. Raises UsageError for an unknown name, SettingsError."""
    before, root = _read(text)
    volumes = root["volumes"]
    if not isinstance(volumes, dict) or name not in volumes:
        guess = did_you_mean(name, volumes if isinstance(volumes, dict) else ())
        raise UsageError(f"there is no volume `{name}`", hint=f"did you mean `{guess}`?" if guess else None)
    span = before.nodes["volumes", name, "url"].value
    edited = before.text[: span.start] + yaml_text_of(url) + before.text[span.end :]
    volumes[name]["url"] = url
    return _proved(edited, root, f"as the `url` of `{name}`: {yaml_text_of(url)}")


def yaml_text_of(value: object) -> str:
    """Write a text, number, boolean, list or mapping on one line, in quotes only where YAML needs them."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{yaml_text_of(key)}: {yaml_text_of(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(yaml_text_of(item) for item in value) + "]"
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _NOT_PLAIN:
        return value
    return json.dumps(value, ensure_ascii=False)


def _institution_value(spec: InstitutionSpec) -> dict[str, object]:
    """Return what the file says of an institution: everything that is not what it would be anyway."""
    written: dict[str, object] = {
        "title": spec.title,
        "entity": spec.entity,
        "timezone": spec.timezone if spec.timezone != "UTC" else None,
        "ae_titles": list(spec.ae_titles),
        "policies": list(spec.policies),
        "plan": spec.plan,
    }
    return {key: value for key, value in written.items() if value}


def _read(text: str) -> tuple[YamlText, dict[str, object]]:
    """Return a valid file's text with places, and its value to change. Raises SettingsError."""
    from retention.markup.yaml_text import read_yaml
    from retention.settings.load import parse_document

    text = text.removeprefix("\ufeff")
    parse_document(text)
    read = read_yaml(text)
    return read, deepcopy(read.value) if isinstance(read.value, dict) else {}


def _append(read: YamlText, path: Path, entry: str) -> str:
    """Return the text with `entry` as the last one of the mapping at `path`."""
    text, node = read.text, read.nodes[path]
    children = [
        child for step, child in read.nodes.items() if len(step) == len(path) + 1 and step[:-1] == path
    ]
    if node.is_flow:
        at, insertion = (children[-1].value.end, f", {entry}") if children else (node.value.start + 1, entry)
        return text[:at] + insertion + text[at:]
    first_key = children[0].key
    indent = " " * (first_key.column - 1 if first_key is not None else 0)
    return _below(text, node.value.end, indent, entry)


def _fill(read: YamlText, path: Path, entry: str) -> str:
    """Return the text with `entry` as the only one of the empty mapping (`{}`, or nothing) at `path`."""
    text, node = read.text, read.nodes[path]
    start, end = node.value.start, node.value.end
    if node.key is None or read.nodes[path[:-1]].is_flow:
        return f"{text[:start]} {{{entry}}}{text[end:]}"
    emptied = text[:start].rstrip(" ") + text[end:]
    return _below(emptied, len(text[:start].rstrip(" ")), " " * (node.key.column + 1), entry)


def _below(text: str, at: int, indent: str, entry: str) -> str:
    """Return the text with `entry` on a line of its own below the line that `at` is in."""
    newline = _newline(text)
    end_of_line = text.find(newline, at)
    if end_of_line < 0:
        end_of_line = len(text)
    lines = entry.replace(newline, newline + indent)
    return text[:end_of_line] + newline + indent + lines + text[end_of_line:]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _proved(edited: str, expected: dict[str, object], by_hand: str) -> str:
    """Return `edited` if it is valid and means what is expected. Raises SettingsError otherwise."""
    from retention.markup.yaml_text import read_yaml
    from retention.settings.load import parse_document

    read = read_yaml(edited)
    if not read.faults and read.value == expected:
        parse_document(edited)
        return edited
    raise SettingsError(
        "archive.yaml is written in a way that cannot be edited without touching more than was asked",
        hint=f"write it by hand, {by_hand}",
    )
