"""The walk over the top level of a data set, up to the pixel data, that keeps the wanted values.

One loop handles what nearly every element is, in less than half a microsecond each; whatever is odd, or does not end
in the bytes at hand, leaves it.
"""

from __future__ import annotations

import sys
from struct import Struct
from typing import NamedTuple

from retention.dicom.elements import (
    LARGEST_HEADER_BYTES,
    SMALLEST_HEADER_BYTES,
    Element,
    Elements,
    Encoding,
    source_ended,
)
from retention.dicom.limits import Budget
from retention.dicom.sequences import Sequences
from retention.dicom.source import Source
from retention.dicom.tags import DELIMITER_GROUP, LONG_VRS, SHORT_VRS, UNDEFINED_LENGTH, WANTED


class _Wire(NamedTuple):
    """How headers are unpacked in one byte order, and tags recognised in the integers that this gives.

    Little endian tags come with group and element exchanged; to put each right would cost more than all the rest.
    """

    explicit: Struct
    implicit: Struct
    length: Struct
    group_mask: int
    group_shift: int
    wanted: dict[int, int]


_LITTLE_ENDIAN = _Wire(
    explicit=Struct("<I2sH"),
    implicit=Struct("<II"),
    length=Struct("<I"),
    group_mask=0x0000FFFF,
    group_shift=0,
    wanted={(tag & 0xFFFF) << 16 | tag >> 16: tag for tag in WANTED},
)
_BIG_ENDIAN = _Wire(
    explicit=Struct(">I2sH"),
    implicit=Struct(">II"),
    length=Struct(">I"),
    group_mask=0xFFFF0000,
    group_shift=16,
    wanted={tag: tag for tag in WANTED},
)


class Walker:
    """Walks the top level of one source in one encoding.

    `values` holds the wanted values as found: of several with one tag the last, without those of no length; one that is
    too long to be what it should be is there, and empty. `stop` is the element that ended the walk if one did,
    `position` how far it came. All of them hold also after an error.
    """

    def __init__(self, source: Source, budget: Budget, encoding: Encoding) -> None:
        self.values: dict[int, bytes] = {}
        self.stop: Element | None = None
        self.position = 0
        self._source = source
        self._budget = budget
        self.encoding = encoding
        self._longest_value = budget.limits.value_bytes
        self._elements = Elements(source, is_big_endian=encoding.is_big_endian)
        self._sequences = Sequences(source, self._elements, budget, is_big_endian=encoding.is_big_endian)

    def walk(self, position: int, *, until: range) -> None:
        """Walk from `position` to the first element with a tag in `until`, or to the end of the source.

        Raises InvalidDicomError where the source ends inside an element, InputLimitError where a limit is passed.
        """
        wire = _BIG_ENDIAN if self.encoding.is_big_endian else _LITTLE_ENDIAN
        is_implicit = self.encoding.is_implicit
        unpack = (wire.implicit if is_implicit else wire.explicit).unpack_from
        unpack_length = wire.length.unpack_from
        wanted, values, longest = wire.wanted, self.values, self._longest_value
        mask, last_group = wire.group_mask, (until.start >> 16) - 1 << wire.group_shift
        base, at, data, at_hand = position, 0, b"", 0
        for _ in self._budget.elements:
            if at + LARGEST_HEADER_BYTES > at_hand:
                base, at = base + at, 0
                data = self._source.read(base, LARGEST_HEADER_BYTES)
                at_hand = len(data)
                if at_hand < SMALLEST_HEADER_BYTES:
                    self.position = base + at_hand
                    return
                data = data.ljust(LARGEST_HEADER_BYTES, b"\0")
            if is_implicit:
                tag, length = unpack(data, at)
                end = at + SMALLEST_HEADER_BYTES + length
            else:
                tag, vr, length = unpack(data, at)
                if vr in SHORT_VRS:
                    end = at + SMALLEST_HEADER_BYTES + length
                elif vr in LONG_VRS:
                    (length,) = unpack_length(data, at + 8)
                    end = at + LARGEST_HEADER_BYTES + length
                else:
                    end = sys.maxsize
            if end > at_hand or tag & mask > last_group:
                after = self._pass_odd(base + at, until)
                if after is None:
                    return
                at = after - base
            else:
                if tag in wanted and length:
                    values[wanted[tag]] = data[end - length : end] if length <= longest else b""
                at = end
        raise self._budget.no_elements_left()

    def _pass_odd(self, position: int, until: range) -> int | None:
        """Return the position after an element that the loop leaves, None if the walk ends at it."""
        self.position = position
        element = self._elements.element_at(position, is_implicit=self.encoding.is_implicit)
        if element.tag in until:
            self.stop = element
            return None
        if element.tag >> 16 == DELIMITER_GROUP:  # astray on the top level
            return element.value_offset if element.length == UNDEFINED_LENGTH else element.end
        if element.length == UNDEFINED_LENGTH:
            return self._sequences.skip(element, is_implicit=self.encoding.is_implicit)
        length = min(element.length, self._source.size_bytes - element.value_offset)
        if length > 0 and element.tag in WANTED:
            is_usable = length <= self._longest_value
            self.values[element.tag] = self._source.peek(element.value_offset, length) if is_usable else b""
        if length < element.length:
            raise source_ended(position)
        return element.end
