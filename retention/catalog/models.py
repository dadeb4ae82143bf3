"""The declared tables as SQLModel classes, for whoever works with rows as objects: the migration tool compares against
them, and people at a Python prompt read with them. No command needs them to run.

The invariant: they say the same as the Core tables (a test compares every statement that makes them).
"""

from __future__ import annotations

from functools import lru_cache
from types import new_class
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from retention.catalog.declaring import METADATA
from retention.catalog.schema import declarations


@lru_cache(maxsize=1)
def models() -> tuple[MetaData, dict[str, type[SQLModel]]]:
    """Return a SQLModel class for each declaration, by the name of its table, and their metadata."""
    metadata = MetaData(naming_convention=METADATA.naming_convention)

    class Model(SQLModel, registry=registry(metadata=metadata)):
        """Keeps our classes apart from any other SQLModel in the process."""

    return metadata, {name: _model_of(declared, Model) for name, declared in declarations().items()}


def _model_of(declared: type[Any], base: type[SQLModel]) -> type[SQLModel]:
    table = declared.__table__.to_metadata(base.metadata)
    body = {
        "__module__": declared.__module__,
        "__doc__": declared.__doc__,
        "__annotations__": declared.__annotations__,
        "__table__": table,
        **{column.key: Field(sa_column=column) for column in table.columns},
    }
    return new_class(declared.__name__, (base,), {"table": True}, lambda made: made.update(body))
