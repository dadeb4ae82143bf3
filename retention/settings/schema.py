"""The JSON Schema of archive.yaml, for editors. It is made from the document's own shape, so it cannot disagree."""

from __future__ import annotations


def config_schema() -> dict[str, object]:
    """Return the schema (JSON Schema 2020-12). Agreement between keys (`checks.py`) is beyond what it can say."""
    from retention.settings.document import ArchiveDocument

    schema = ArchiveDocument.model_json_schema(by_alias=True)
    for definition in schema["properties"].values():
        if definition.pop("propertyNames", None) is not None:  # said by the pattern, once names are closed
            definition["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "retention/config/v1",
        **schema,
        "title": "archive.yaml",
    }
