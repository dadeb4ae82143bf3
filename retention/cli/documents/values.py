"""The kinds of value in documents that JSON has no kind for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Instant = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, description="An instant in UTC (RFC 3339).")
]
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, description="A day (ISO 8601).")]
Count = Annotated[int, Field(ge=0)]
