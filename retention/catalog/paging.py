"""Walking an index a page at a time.

The invariant: each page costs what the page holds, wherever it lies in the index. So a position in an index of two
columns is taken up by equality first (the rest of what has the same first column) and only then by range: SQLite
uses just the first column of a row-value comparison when the second is a row's own key, and would read all equal
ones again for every page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database

PAGE = 500

T = TypeVar("T")
Position = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """An index to walk: `place` is its order, one or two columns; `keys` selects these first, and restricts them."""

    keys: Select[Any]
    place: tuple[ColumnElement[Any], ...]

    def page(self, connection: Connection, after: Position | None, limit: int) -> Sequence[AnyRow]:
        """Return the next keys behind a position (a value for each column of `place`); fewer only at the end."""
        if after is None:
            return connection.execute(self.keys.order_by(*self.place).limit(limit)).all()
        rows: list[AnyRow] = []
        if len(self.place) > 1:
            first, second = self.place
            same = self.keys.where(first == after[0], second > after[1]).order_by(second).limit(limit)
            rows.extend(connection.execute(same))
        if len(rows) < limit:
            beyond = self.keys.where(self.place[0] > after[0]).order_by(*self.place).limit(limit - len(rows))
            rows.extend(connection.execute(beyond))
        return rows


def walk(
    database: Database,
    lane: Lane,
    read: Callable[[Connection, Sequence[AnyRow]], Iterable[T]],
    after: Position | None = None,
) -> Iterator[T]:
    """Yield what `read` makes of each page of keys, in one consistent view a page.

    No view is held while the caller works, so a slow reader holds nothing back. Rows that come or go in between are
    met or not according to their place.
    """
    size = PAGE
    while True:
        with database.read() as connection:
            keys = lane.page(connection, after, size)
            items = list(read(connection, keys))
        yield from items
        if len(keys) < size:
            return
        after = tuple(keys[-1][: len(lane.place)])
