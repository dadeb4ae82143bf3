"""What every part of a document shares: closed keys, strict values, immutability; and which keys may stand where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from retention.markup.yaml_text import Path


class Part(BaseModel):
    """A mapping of a document: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AlsoAlone:
    """Marks a list whose single item may be written without brackets; `also` are further ways to write an item."""

    def __init__(self, *also: dict[str, Any]) -> None:
        self._also = also

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        array = handler(core)
        item = array["items"]
        if self._also:
            item = {"anyOf": [*self._also, item]}
            array = {**array, "items": item}
        return {"anyOf": [item, array]}


def keys_of(part: type[BaseModel]) -> list[str]:
    """Return the keys of a part as they are written in files."""
    return [field.alias or name for name, field in part.model_fields.items()]


def keys_at(document: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that may stand in the part at `path`, or none where names are free."""
    part: type[BaseModel] = document
    is_named = False  # the next step is a name that the file's author chose
    for step in path:
        if isinstance(step, int):
            continue
        if is_named:
            is_named = False
            continue
        field = _field(part, step)
        inner = None if field is None else next(_parts_in(field.annotation), None)
        if field is None or inner is None:
            return []
        part = inner
        is_named = get_origin(field.annotation) is dict
    return [] if is_named else keys_of(part)


def _field(part: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in part.model_fields.items() if key == (field.alias or name)), None)


def _parts_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the parts that an annotation such as `dict[Name, Fixity]` or `Floor | None` mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts_in(inner)
