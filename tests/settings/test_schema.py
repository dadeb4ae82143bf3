"""The schema for editors says what the reader says."""

import json
import re

import pytest

from retention.markup.yaml_text import read_yaml
from retention.settings.default import default_settings_text
from retention.settings.schema import config_schema


@pytest.fixture(scope="module")
def schema():
    return config_schema()


def test_it_is_json_and_refuses_unknown_keys_everywhere(schema):
    assert json.loads(json.dumps(schema)) == schema
    objects = [schema, schema["properties"]["volumes"], *schema["$defs"].values()]
    assert all(definition["additionalProperties"] is False for definition in objects)


def test_it_knows_every_key_by_the_name_it_has_in_the_file(schema):
    assert {
        "apiVersion",
        "volumes",
        "tiers",
        "institutions",
        "journal",
        "schedule",
        "staging",
        "listeners",
    } <= set(schema["properties"])
    assert "from" in schema["$defs"]["TierSection"]["properties"]
    assert schema["required"] == ["apiVersion", "name", "volumes", "tiers"]


def test_patterns_accept_what_the_reader_accepts(schema, complete):
    """Every text of a complete file matches the pattern of its key."""
    checked = 0
    for text in (complete, default_settings_text("A")):
        for value, definition in _texts(schema, schema, read_yaml(text).value):
            assert re.search(definition["pattern"], value), (value, definition)
            checked += 1
    assert checked > 30


def _texts(schema, definition, value):
    """Yield every text of `value` that has a pattern, with its definition."""
    if "$ref" in definition:
        definition = schema["$defs"][definition["$ref"].rpartition("/")[2]]
    if "anyOf" in definition:
        kind = next(choice for choice in definition["anyOf"] if choice.get("type") != "null")
        yield from _texts(schema, kind, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            named = (
                inner
                for pattern, inner in definition.get("patternProperties", {}).items()
                if re.search(pattern, key)
            )
            yield from _texts(schema, definition.get("properties", {}).get(key) or next(named), item)
    elif isinstance(value, list) and "items" in definition:
        for item in value:
            yield from _texts(schema, definition["items"], item)
    elif isinstance(value, str) and "pattern" in definition:
        yield value, definition
