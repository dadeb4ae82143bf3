"""From one YAML document to a typed one, or to every fault in it.

A key that is only misspelt is one fault: what it was meant to be is read in its place, so that correcting it uncovers
nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from retention.markup.faults import Fault, did_you_mean
from retention.markup.text import Text, short
from retention.markup.yaml_text import Path, YamlText
from retention.policy.checks import (
    Disagreement,
    boolean_of,
    declared_kinds,
    plan_disagreements,
    policy_disagreements,
)
from retention.policy.documents import RetentionPolicy
from retention.policy.messages import FOUND, MESSAGES
from retention.policy.plan_documents import StoragePlan
from retention.policy.shape import Part, keys_at

AnyDocument = RetentionPolicy | StoragePlan
Look = Callable[[object], Iterable[Disagreement]]
_P = TypeVar("_P", bound=Part)

_KINDS: dict[str, type[AnyDocument]] = {"RetentionPolicy": RetentionPolicy, "StoragePlan": StoragePlan}
_NULLS_MEAN_NOTHING = {"study", "expect", "later_studies"}
_SAME_AS = {"model_type": "dict_type", "model_attributes_type": "dict_type", "int_from_float": "int_type"}
_ROUNDS = 4  # a misspelt key may hold misspelt keys


def validate(text: YamlText) -> tuple[AnyDocument | None, list[Fault]]:
    """Return the document, or None and everything wrong with it."""
    if text.value is None:
        return None, text.faults or [text.fault_at((), MESSAGES["no_document"])]
    if not isinstance(text.value, dict):
        return None, [*text.faults, text.fault_at((), MESSAGES["no_document"])]
    if _kind_of(text.value) is RetentionPolicy:
        return validate_part(text, RetentionPolicy, policy_disagreements)
    return validate_part(text, StoragePlan, plan_disagreements)


def validate_part(text: YamlText, kind: type[_P], look: Look) -> tuple[_P | None, list[Fault]]:
    """Return the text as a part of this kind, or None and everything wrong with it; `look` finds disagreements."""
    meant, misspelt = _as_meant(text, kind)
    document, shape = _shaped(meant, kind)
    faults = [*text.faults, *misspelt]
    said: set[str] = set()
    for found in (list(_scalars(meant)), shape, list(_disagreements(meant, look))):
        # What was said of a place by an earlier look is not said again in other words by a later one.
        places = {(fault.line, fault.column) for fault in faults}
        faults += [
            fault for fault in found if fault.where not in said and (fault.line, fault.column) not in places
        ]
        said |= {fault.where for fault in found}
    return (None if faults else document), faults


def _kind_of(value: dict[str, object]) -> type[AnyDocument]:
    kind = str(value.get("kind"))
    guess = kind if kind in _KINDS else did_you_mean(kind, _KINDS)
    if guess is None:
        return StoragePlan if "tiers" in value and "rules" not in value else RetentionPolicy
    return _KINDS[guess]


def _as_meant(text: YamlText, kind: type[Part]) -> tuple[YamlText, list[Fault]]:
    """Return the text with misspelt keys as they were meant, and a fault for each."""
    faults: list[Fault] = []
    for _ in range(_ROUNDS):
        guesses = {
            path: guess
            for path in _unknown_keys(_details(kind, text.value))
            if (guess := _guess(kind, path)) is not None and (*path[:-1], guess) not in text.nodes
        }
        if not guesses:
            break
        for path, guess in guesses.items():
            message = MESSAGES["extra_forbidden"].format(key=short(path[-1]))
            faults.append(text.fault_at(path, message, at_key=True, suggestion=guess))
        text = _renamed(text, guesses)
    return text, faults


def _renamed(text: YamlText, guesses: dict[Path, str]) -> YamlText:
    def path_of(path: Path) -> Path:
        return tuple(guesses.get(path[: index + 1], step) for index, step in enumerate(path))

    def value_of(value: object, path: Path) -> object:
        if isinstance(value, dict):
            return {
                guesses.get((*path, key), key): value_of(inner, (*path, key)) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [value_of(inner, (*path, index)) for index, inner in enumerate(value)]
        return value

    nodes = {path_of(path): node for path, node in text.nodes.items()}
    return YamlText(text.text, text.start, value_of(text.value, ()), nodes, text.faults)


def _details(kind: type[Part], value: object) -> list[ErrorDetails]:
    try:
        kind.model_validate(value, context={"kinds": declared_kinds(value)})
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _unknown_keys(details: Iterable[ErrorDetails]) -> Iterator[Path]:
    return (detail["loc"] for detail in details if detail["type"] == "extra_forbidden")


def _guess(kind: type[Part], path: Path) -> str | None:
    """Return the known key that the unknown one at `path` was probably meant to be."""
    return did_you_mean(str(path[-1]), keys_at(kind, path[:-1]))


def _scalars(text: YamlText) -> Iterator[Fault]:
    """Yield words that YAML 1.1 readers take for booleans, and keys with nothing behind them."""
    for path, node in text.nodes.items():
        value = _at(text.value, path)
        is_alias = text.text.startswith("*", node.value.start)
        if value is None and not is_alias and not _may_be_nothing(path):
            yield text.fault_at(
                path, MESSAGES["empty"].format(key=short(path[-1]) if path else ""), at_key=True
            )
        boolean = boolean_of(value) if node.is_plain and isinstance(value, str) else None
        if boolean is not None:
            written = str(boolean).lower()
            yield text.fault_at(path, MESSAGES["yaml_1_1"].format(word=value, boolean=written))


def _may_be_nothing(path: Path) -> bool:
    """Whether null has a meaning there: an attribute nobody knows, or an expectation that there is none."""
    return path[:1] == ("examples",) and bool(_NULLS_MEAN_NOTHING & set(path[2:-1]))


def _at(value: object, path: Path) -> object:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


def _shaped(text: YamlText, kind: type[_P]) -> tuple[_P | None, list[Fault]]:
    try:
        return kind.model_validate(text.value, context={"kinds": declared_kinds(text.value)}), []
    except ValidationError as error:
        return None, [_fault(text, kind, detail) for detail in error.errors(include_url=False)]


def _fault(text: YamlText, document: type[Part], detail: ErrorDetails) -> Fault:
    path: Path = detail["loc"]
    kind = _SAME_AS.get(detail["type"], detail["type"])
    context = {name: _number(value) for name, value in detail.get("ctx", {}).items()}
    suggestion = detail.get("ctx", {}).get("suggestion")
    at_key = kind == "extra_forbidden"
    if path and path[-1] == "[key]":
        path, at_key = path[:-1], True
    if path and path not in text.nodes and path[-1] == 0:
        path = path[:-1]  # a list of one, written without brackets
    context |= {"key": short(path[-1]) if path else "", "detail": detail["msg"]}
    if kind == "extra_forbidden":
        suggestion = _guess(document, path)
        if suggestion is None:
            kind, context["known"] = "extra_with_list", ", ".join(keys_at(document, path[:-1]))
    message = MESSAGES.get(kind, MESSAGES["other"])
    found = FOUND.get(type(detail["input"]), Text("something else", "autre chose"))
    return text.fault_at(path, message.format(**context, found=found), at_key=at_key, suggestion=suggestion)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _disagreements(text: YamlText, look: Look) -> Iterator[Fault]:
    for found in look(text.value):
        message = MESSAGES[found.kind].format(**{name: short(value) for name, value in found.values.items()})
        yield text.fault_at(found.path, message, at_key=found.at_key)
