"""How tables are declared: one metadata, one base class, and the columns that every table has in the same form.

A declaration is a SQLModel. What runs, though, are statements over Core tables, and to make the classes costs every
command more than all its statements do (measured: 110 of 250 ms, and 4 ms a table). So a declaration makes its Core
table and no more; `models` makes the classes of the same declarations for whoever needs them.

The invariant: all tables of the catalog are in `METADATA`, and nothing else is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, TextClause

from retention.catalog.columns import ROW

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


DECLARED: dict[str, type[Any]] = {}
"""Every declaration by the name of its table."""

if TYPE_CHECKING:
    import sqlmodel

    Field = sqlmodel.Field

    class Base(sqlmodel.SQLModel):
        """Keeps our tables apart from any other SQLModel in the process."""

else:

    class Field:
        """SQLModel's field, as far as declarations use it."""

        def __init__(self, *, sa_column: Column) -> None:
            self.sa_column = sa_column

    class Base:
        """Makes the Core table of each declaration."""

        def __init_subclass__(cls, *, table: bool) -> None:
            *arguments, options = (*getattr(cls, "__table_args__", ()), {})
            if arguments and isinstance(arguments[-1], dict):
                options = arguments.pop()
            columns = [field.sa_column for field in vars(cls).values() if hasattr(field, "sa_column")]
            cls.__table__ = Table(cls.__tablename__, METADATA, *columns, *arguments, **options)
            DECLARED[cls.__tablename__] = cls


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
