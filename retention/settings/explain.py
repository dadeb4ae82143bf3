"""From what validation found to faults that say, in the words of the file, what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from retention.markup.faults import Fault, did_you_mean
from retention.markup.yaml_text import Path, YamlText, dotted
from retention.settings.checks import disagreements
from retention.settings.document import ArchiveDocument

_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "bool_type": "expected `true` or `false`",
    "list_type": "expected a list: [a, b]",
    "dict_type": "expected a mapping of keys and values",
    "model_type": "expected a mapping of keys and values",
    "model_attributes_type": "expected a mapping of keys and values",
}
_YAML_1_1 = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_FOUND = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def explain(text: YamlText) -> tuple[ArchiveDocument | None, list[Fault]]:
    """Return the document, or None and every fault of `text`."""
    faults = list(text.faults)
    document = None
    if text.value is not None or not faults:
        document, found = _validate(text)
        known = {fault.where for fault in faults}
        faults += [fault for fault in found if fault.where not in known]
    return (None if faults else document), faults


def _validate(text: YamlText) -> tuple[ArchiveDocument | None, list[Fault]]:
    faults: list[Fault] = []
    document = None
    try:
        document = ArchiveDocument.model_validate(text.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        respelt = {
            (*detail["loc"][:-1], _respelt(detail["loc"])) for detail in details if _is_unknown_key(detail)
        }
        # A key that is only misspelt is one mistake, not a missing one as well.
        faults = [
            _fault(text, found)
            for found in details
            if found["type"] != "missing" or found["loc"] not in respelt
        ]
    wrong_shape = {fault.where for fault in faults}
    for found in disagreements(text.value):
        if dotted(found.path) not in wrong_shape:
            faults.append(text.fault_at(found.path, found.message, suggestion=found.suggestion))
    return document, faults


def _fault(text: YamlText, detail: ErrorDetails) -> Fault:
    kind, value = detail["type"], detail["input"]
    path: Path = detail["loc"]
    context = detail.get("ctx", {})
    if path and path[-1] == "[key]":
        return text.fault_at(path[:-1], detail["msg"], at_key=True, suggestion=context.get("suggestion"))
    if _is_unknown_key(detail):
        guess = _respelt(path)
        message = f"unknown key `{path[-1]}`"
        if guess is None:
            message = f"unknown key `{path[-1]}`; known here: {', '.join(_keys_at(path[:-1]))}"
        return text.fault_at(path, message, at_key=True, suggestion=guess)
    if kind == "missing":
        return text.fault_at(path, f"`{path[-1]}` is missing")
    if kind == "literal_error":
        known = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        return text.fault_at(
            path, f"`{value}` is none of {', '.join(known)}", suggestion=did_you_mean(str(value), known)
        )
    if kind == "term":
        return text.fault_at(path, context["message"], suggestion=context["suggestion"])
    guess = _YAML_1_1.get(str(value).lower()) if kind == "bool_type" else None
    return text.fault_at(path, _wrong_kind(kind, value, detail["msg"]), suggestion=guess)


def _is_unknown_key(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden"


def _respelt(path: Path) -> str | None:
    """Return the known key that the unknown one at `path` was probably meant to be."""
    return did_you_mean(str(path[-1]), _keys_at(path[:-1]))


def _wrong_kind(kind: str, value: object, message: str) -> str:
    expected = _EXPECTED.get(kind)
    if expected is None:
        return message[:1].lower() + message[1:]
    if value is None:
        return f"{expected}, found nothing"
    found = _FOUND.get(type(value), "something else")
    if kind == "string_type" and not isinstance(value, list | dict):
        return f"{expected}, found {found} (quotes make it text)"
    return f"{expected}, found {found}"


def _keys_at(path: Path) -> list[str]:
    """Return the keys that may stand in the section at `path`."""
    section: type[BaseModel] = ArchiveDocument
    is_named = False  # the next step is a name that the file's author chose
    for step in path:
        if not is_named:
            field = next(field for name, field in section.model_fields.items() if step in (name, field.alias))
            section = next(_sections_in(field.annotation))
            is_named = get_origin(field.annotation) is dict
        else:
            is_named = False
    return sorted(field.alias or name for name, field in section.model_fields.items())


def _sections_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the sections that an annotation such as `dict[Name, TierSection]` or `FromSection | None` mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)
