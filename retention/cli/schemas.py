"""The JSON Schema of every document, made from the return type of its command.

A document's schema is open: a later version of the program may say more. Everything that is there is required, so a
caller may rely on it.
"""

from __future__ import annotations

from importlib import import_module
from types import GenericAlias, SimpleNamespace
from typing import Any, get_args, get_type_hints

from retention.cli.invocation import Command, registered
from retention.cli.output import schema_id

CONFIG = "config"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def names() -> list[str]:
    """Return what there is a schema of: every command, and archive.yaml."""
    return [*sorted(registered), CONFIG]


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema of a command's whole document, or of archive.yaml."""
    if name == CONFIG:
        from retention.settings.schema import config_schema

        return config_schema()
    return _document_schema(registered[name])


def document_type(command: Command) -> type:
    """Return the type of a command's `data`, from its return type `Result[…]`."""
    documents = import_module(command.module.replace(".commands.", ".documents."))
    result = SimpleNamespace(__annotations__={"return": command.document})
    hints = get_type_hints(result, vars(import_module(command.module)), vars(documents))
    (document,) = get_args(hints["return"])
    if not isinstance(document, type):
        raise TypeError(f"{command.name}: {document} is no document")
    return document


def _document_schema(command: Command) -> dict[str, Any]:
    from retention.cli.documents.envelope import Error

    (data, error), definitions = _schemas([document_type(command), Error])
    identifier = schema_id(command.name)
    return {
        "$schema": DIALECT,
        "$id": identifier,
        "title": f"retention {command.name} --json",
        "description": command.summary,
        "type": "object",
        "required": ["schema", "ok", "data", "error"],
        "properties": {
            "schema": {"const": identifier},
            "ok": {"type": "boolean"},
            "data": {"description": "What the command has to say; null when it stopped."},
            "error": {"description": "Why it stopped; null when it did its work, whatever it found."},
        },
        "oneOf": [
            {"properties": {"ok": {"const": True}, "data": data, "error": {"type": "null"}}},
            {"properties": {"ok": {"const": False}, "data": {"type": "null"}, "error": error}},
        ],
        "$defs": definitions,
    }


def _schemas(types: list[type]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a schema for each type, and the definitions they share."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.json_schema import JsonSchemaMode

    mode: JsonSchemaMode = "serialization"
    # A list of them takes a configuration where they themselves do not; what stands below a field describes it.
    described = ConfigDict(use_attribute_docstrings=True)
    lists: dict[str, Any] = {each.__name__: GenericAlias(list, each) for each in types}
    adapters = {name: TypeAdapter(each, config=described) for name, each in lists.items()}
    by_name, shared = TypeAdapter.json_schemas([(name, mode, adapter) for name, adapter in adapters.items()])
    return [by_name[name, mode]["items"] for name in adapters], shared.get("$defs", {})
