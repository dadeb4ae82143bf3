"""The JSON Schema of policy files, for editors. Made from the documents' own shape, so it cannot disagree with them.

Draft 7, which editors understand best. What must agree between keys (`checks.py`) is beyond what it can say.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from retention.policy.documents import RetentionPolicy
from retention.policy.plan_documents import StoragePlan

SCHEMA_ID = "retention/policy/v1"
_MAY_BE_NULL = frozenset({"ExampleStudy", "Expectation", "PlanExpectation"})


def policy_schema() -> dict[str, Any]:
    """Return the schema of one document of a policy file: a RetentionPolicy or a StoragePlan."""
    documents: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (RetentionPolicy, "validation"),
        (StoragePlan, "validation"),
    ]
    _, made = models_json_schema(documents, ref_template="#/definitions/{model}")
    definitions = {
        name: _plain(definition, keeps_null=name in _MAY_BE_NULL)
        for name, definition in made["$defs"].items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "Retention policies and storage plans",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": ["RetentionPolicy", "StoragePlan"]}},
        "if": {"properties": {"kind": {"const": "StoragePlan"}}},
        "then": {"$ref": "#/definitions/StoragePlan"},
        "else": {"$ref": "#/definitions/RetentionPolicy"},
        "definitions": definitions,
    }


def _plain(schema: Any, *, keeps_null: bool) -> Any:  # noqa: ANN401 - any JSON
    """Drop what only says how pydantic works: titles of its own, nulls that the loader refuses, defaults."""
    if isinstance(schema, list):
        return [_plain(item, keeps_null=keeps_null) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: _plain(part, keeps_null=keeps_null) for name, part in value.items()}
        elif key == "anyOf" and not keeps_null:
            kept[key] = [_plain(item, keeps_null=keeps_null) for item in value if item != {"type": "null"}]
        elif key not in ("title", "default", "propertyNames"):
            kept[key] = _plain(value, keeps_null=keeps_null)
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return _unwrapped(kept)


def _unwrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """A choice of one is no choice; and draft 7 ignores whatever stands beside a `$ref`."""
    choices = schema.get("anyOf")
    if choices is not None and len(choices) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**choices[0], **rest}
    if "$ref" in schema and len(schema) > 1:
        return {"allOf": [{"$ref": schema.pop("$ref")}], **schema}
    return schema
