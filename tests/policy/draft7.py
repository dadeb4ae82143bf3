"""Just enough of JSON Schema draft 7 to check documents against our own schema, and nothing it does not know.

An unknown keyword raises, so that the published schema stays within what editors of draft 7 understand.
"""

import re
from typing import Any

SILENT = {"$schema", "$id", "title", "description", "examples", "definitions"}
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def errors(schema: Any, value: Any, root: Any = None, at: str = "") -> list[str]:
    """Return where `value` breaks `schema`."""
    root = schema if root is None else root
    if "$ref" in schema:
        assert len(schema) == 1, "draft 7 ignores what stands beside $ref"
        *_, name = schema["$ref"].split("/")
        return errors(root["definitions"][name], value, root, at)
    found: list[str] = []
    for keyword, wanted in schema.items():
        if keyword not in SILENT and keyword not in ("then", "else"):
            found += CHECKS[keyword](schema, wanted, value, root, at)
    return found


def _type(_schema: Any, wanted: Any, value: Any, _root: Any, at: str) -> list[str]:
    return (
        []
        if any(_is(kind, value) for kind in (wanted if isinstance(wanted, list) else [wanted]))
        else [f"{at}: {wanted}"]
    )


def _is(kind: str, value: Any) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, KINDS[kind])


def _properties(schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [
        error
        for key in value
        if key in wanted
        for error in errors(wanted[key], value[key], root, f"{at}.{key}")
    ]


def _patterns(_schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    keys = value if isinstance(value, dict) else {}
    return [
        error
        for key in keys
        for pattern, inner in wanted.items()
        if re.search(pattern, key)
        for error in errors(inner, keys[key], root, f"{at}.{key}")
    ]


def _additional(schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    extra = [
        key for key in value if key not in known and not any(re.search(pattern, key) for pattern in patterns)
    ]
    if wanted is False:
        return [f"{at}.{key}: unknown" for key in extra]
    return [error for key in extra for error in errors(wanted, value[key], root, f"{at}.{key}")]


def _required(_schema: Any, wanted: Any, value: Any, _root: Any, at: str) -> list[str]:
    return [f"{at}.{key}: missing" for key in wanted if isinstance(value, dict) and key not in value]


def _items(_schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    items = value if isinstance(value, list) else []
    return [
        error for index, item in enumerate(items) for error in errors(wanted, item, root, f"{at}[{index}]")
    ]


def _any_of(_schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    tried = [errors(choice, value, root, at) for choice in wanted]
    return [] if [] in tried else [error for some in tried for error in some]


def _all_of(_schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    return [error for part in wanted for error in errors(part, value, root, at)]


def _if(schema: Any, wanted: Any, value: Any, root: Any, at: str) -> list[str]:
    return errors(schema["else" if errors(wanted, value, root, at) else "then"], value, root, at)


def _compared(is_wrong: Any) -> Any:
    def check(_schema: Any, wanted: Any, value: Any, _root: Any, at: str) -> list[str]:
        return [f"{at}: {value!r} against {wanted}"] if is_wrong(value, wanted) else []

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


CHECKS = {
    "type": _type,
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
    "enum": _compared(lambda value, wanted: value not in wanted),
    "const": _compared(lambda value, wanted: value != wanted),
    "pattern": _compared(lambda value, wanted: isinstance(value, str) and re.search(wanted, value) is None),
    "minLength": _compared(lambda value, wanted: isinstance(value, str) and len(value) < wanted),
    "maxLength": _compared(lambda value, wanted: isinstance(value, str) and len(value) > wanted),
    "minItems": _compared(lambda value, wanted: isinstance(value, list) and len(value) < wanted),
    "maxItems": _compared(lambda value, wanted: isinstance(value, list) and len(value) > wanted),
    "minProperties": _compared(lambda value, wanted: isinstance(value, dict) and len(value) < wanted),
    "maxProperties": _compared(lambda value, wanted: isinstance(value, dict) and len(value) > wanted),
    "minimum": _compared(lambda value, wanted: _is_number(value) and value < wanted),
    "maximum": _compared(lambda value, wanted: _is_number(value) and value > wanted),
    "exclusiveMinimum": _compared(lambda value, wanted: _is_number(value) and value <= wanted),
}
