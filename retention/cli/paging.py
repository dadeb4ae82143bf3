"""Lists a page at a time: `--limit` rows, `--after` the last one of the page before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Annotated, TypeVar

import typer

from retention.cli.invocation import current

Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")]
After = Annotated[str | None, typer.Option(metavar="ID", help="Continue behind this one.")]

T = TypeVar("T")


def page(items: Iterable[T], key: Callable[[T], str], limit: int | None, after: str | None) -> Iterator[T]:
    """Yield the items behind the one that `after` names, `limit` at most. Raises UsageError when none has that name."""
    pending = iter(items)
    if after is not None and all(key(item) != after for item in pending):
        raise current.usage_error("errors.after", name=after)
    yield from islice(pending, limit)
