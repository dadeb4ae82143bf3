"""The document of `schema`: schemas in an envelope as any other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typing_extensions import TypedDict


class NamedSchema(TypedDict):
    command: str
    """`study list` …, or `config` for archive.yaml."""
    schema: dict[str, Any]
    """JSON Schema 2020-12."""


class Schemas(TypedDict):
    """The JSON Schemas asked for."""

    schemas: Iterable[NamedSchema]
