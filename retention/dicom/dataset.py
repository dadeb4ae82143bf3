"""One reading of the data set of a file: from where it starts to its pixel data, plain or deflated.

A file that is not as it should be may be readable in more than one way; all readings draw on one budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retention.dicom.elements import Element, encodings_of
from retention.dicom.limits import Budget
from retention.dicom.part10 import FileMeta, Start, read_meta, starts_of
from retention.dicom.source import Inflated, Window
from retention.dicom.tags import DEFLATED_SYNTAXES, PIXELS
from retention.dicom.walker import Walker
from retention.model.errors import InvalidDicomError


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reading found.

    `offset` is where the data set starts in the file; `values` are by tag, as found; `pixels` is the element that ended
    the walk, `stop` the error that did; `head_bytes` is how far into the file the walk came.
    """

    start: Start
    meta: FileMeta
    offset: int
    values: dict[int, bytes]
    pixels: Element | None
    stop: InvalidDicomError | None
    is_big_endian: bool
    is_deflated: bool
    is_corrupt: bool
    head_bytes: int


def readings_of(window: Window, budget: Budget) -> Iterator[Reading]:
    """Yield the ways to read a file, best first; none if nothing in it looks like DICOM.

    Raises InputLimitError if not even the beginning of a data set can be looked at.
    """
    for start in starts_of(window):
        meta = read_meta(window, budget, start)
        for offset in meta.dataset_offsets or (start.offset,):
            if meta.transfer_syntax_uid in DEFLATED_SYNTAXES:
                yield from _read_deflated(window, budget, start, meta, offset)
            yield from _read_plain(window, budget, start, meta, offset)


def _read_plain(
    window: Window, budget: Budget, start: Start, meta: FileMeta, offset: int
) -> Iterator[Reading]:
    for encoding in encodings_of(window.peek(offset, 8), meta.transfer_syntax_uid):
        walker = Walker(window, budget, encoding)
        stop = _walk(walker, offset)
        reached = walker.stop.value_offset if walker.stop else walker.position
        yield Reading(
            start=start,
            meta=meta,
            offset=offset,
            values=walker.values,
            pixels=walker.stop,
            stop=stop,
            is_big_endian=encoding.is_big_endian,
            is_deflated=False,
            is_corrupt=False,
            head_bytes=min(reached, window.size_bytes),
        )


def _read_deflated(
    window: Window, budget: Budget, start: Start, meta: FileMeta, offset: int
) -> Iterator[Reading]:
    source = Inflated(window, offset, budget)
    for encoding in encodings_of(source.peek(0, 8), meta.transfer_syntax_uid):
        walker = Walker(source, budget, encoding)
        stop = _walk(walker, 0)
        yield Reading(
            start=start,
            meta=meta,
            offset=offset,
            values=walker.values,
            pixels=walker.stop,
            stop=stop,
            is_big_endian=encoding.is_big_endian,
            is_deflated=True,
            is_corrupt=source.is_corrupt,
            head_bytes=source.deflated_end,
        )


def _walk(walker: Walker, position: int) -> InvalidDicomError | None:
    try:
        walker.walk(position, until=PIXELS)
    except InvalidDicomError as stop:
        return stop
    return None
