"""How tables are declared: one metadata, one base class, and the columns that every table has in the same form.

The invariant: all tables of the catalog are in `METADATA`, and no other SQLModel in the process is.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, MetaData, TextClause
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from retention.catalog.columns import ROW

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Base(SQLModel, registry=registry(metadata=METADATA)):
    """Keeps our tables apart from any other SQLModel in the process."""


def key_column() -> Column[int]:
    return Column("id", ROW, primary_key=True, autoincrement=False)


def refers_to(
    name: str, target: str, *, nullable: bool = False, primary_key: bool = False, unique: bool = False
) -> Column[int]:
    foreign = ForeignKey(f"{target}.id")
    return Column(name, ROW, foreign, nullable=nullable, primary_key=primary_key, unique=unique or None)


def partial_index(name: str, *columns: str, where: TextClause) -> Index:
    """An index of some rows only. `schema.declared` repeats the condition for PostgreSQL: to name it here would
    load that dialect at every start."""
    return Index(name, *columns, sqlite_where=where)
