"""Skipping values of undefined length: sequences of items (PS3.5 §7.5) and encapsulated fragments (PS3.5 §A.4).

Nothing in them is wanted, only where they end. Iterative, never recursive: what is open is a list, bounded by the depth
limit.
"""

from __future__ import annotations

from typing import NamedTuple

from retention.dicom.elements import Element, Elements, looks_like_vr, source_ended
from retention.dicom.limits import Budget
from retention.dicom.source import Source
from retention.dicom.tags import (
    DELIMITER_GROUP,
    ITEM,
    ITEM_DELIMITER,
    NOT_SEQUENCES,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    UNDEFINED_LENGTH,
)

_DELIMITER_BYTES = 8
_START_OF_SEQUENCE = (ITEM, SEQUENCE_DELIMITER)


class _Open(NamedTuple):
    """A sequence, or an item of one, that is not closed yet. `end` is known for items of defined length."""

    is_item: bool
    is_implicit: bool
    end: int | None


class Sequences:
    """Finds the end of values of undefined length.

    Methods return the position after the value, and raise InvalidDicomError where the source ends first and
    InputLimitError where a limit is passed.
    """

    def __init__(self, source: Source, elements: Elements, budget: Budget, *, is_big_endian: bool) -> None:
        self._source = source
        self._elements = elements
        self._budget = budget
        self._delimiter = bytes.fromhex("fffee0dd" if is_big_endian else "feffdde0")

    def skip(self, element: Element, *, is_implicit: bool) -> int:
        """Skip the value of `element`, whose length is undefined."""
        opened: list[_Open] = []
        position = self._enter(opened, element, is_implicit=is_implicit)
        for _ in self._budget.elements:
            if not opened:
                return position
            position = (self._in_item if opened[-1].is_item else self._in_sequence)(opened, position)
        raise self._budget.no_elements_left()

    def _enter(self, opened: list[_Open], element: Element, *, is_implicit: bool) -> int:
        """Open the sequence that `element` is, or skip its value if it is none."""
        position = element.value_offset
        if element.tag != PIXEL_DATA and element.vr not in NOT_SEQUENCES:
            if self._elements.tag_at(position) in _START_OF_SEQUENCE:
                opened.append(_Open(is_item=False, is_implicit=is_implicit, end=None))
                self._budget.check_depth((len(opened) + 1) // 2)
                return position
            if self._elements.is_element_at(position, after=element.tag, is_implicit=is_implicit):
                return position  # no items and no delimiter: already the next element
        return self._skip_fragments(position)

    def _in_sequence(self, opened: list[_Open], position: int) -> int:
        """Open or skip the next item, or close the sequence."""
        tag = self._elements.tag_at(position)
        if tag is None:
            raise source_ended(position)
        if tag == SEQUENCE_DELIMITER:
            opened.pop()
            return position + _DELIMITER_BYTES
        if tag == ITEM_DELIMITER or tag >> 16 != DELIMITER_GROUP:
            opened.pop()  # never closed: what follows belongs to whatever the sequence stands in
            return position
        item = self._elements.element_at(position, is_implicit=True)
        has_length = item.length != UNDEFINED_LENGTH
        if has_length and self._elements.tag_at(item.end) in _START_OF_SEQUENCE:
            return item.end
        # Without a length, or with a wrong one, it is walked. It may be implicit in an explicit data set.
        is_implicit = opened[-1].is_implicit or not looks_like_vr(self._source.peek(item.value_offset, 6)[4:])
        opened.append(_Open(is_item=True, is_implicit=is_implicit, end=item.end if has_length else None))
        return item.value_offset

    def _in_item(self, opened: list[_Open], position: int) -> int:
        """Skip the next element of an item, open the sequence that it is, or close the item."""
        item = opened[-1]
        if item.end is not None and position >= item.end:
            opened.pop()
            return position
        element = self._elements.element_at(position, is_implicit=item.is_implicit)
        if element.tag == ITEM_DELIMITER:
            opened.pop()
            return position + _DELIMITER_BYTES
        if element.tag in _START_OF_SEQUENCE:
            opened.pop()  # never closed
            return position
        if element.length == UNDEFINED_LENGTH:
            return self._enter(opened, element, is_implicit=item.is_implicit)
        return element.end

    def _skip_fragments(self, start: int) -> int:
        """Skip fragments up to their delimiter; where they are not in order, look for the delimiter's bytes."""
        position = start
        for _ in self._budget.elements:
            tag = self._elements.tag_at(position)
            if tag == SEQUENCE_DELIMITER:
                return position + _DELIMITER_BYTES
            if tag != ITEM:
                return self._find_delimiter(start)
            fragment = self._elements.element_at(position, is_implicit=True)
            if fragment.length == UNDEFINED_LENGTH:
                return self._find_delimiter(start)
            position = fragment.end
        raise self._budget.no_elements_left()

    def _find_delimiter(self, position: int) -> int:
        while True:
            data = self._source.read(position, _DELIMITER_BYTES)
            found = data.find(self._delimiter)
            if found >= 0:
                return position + found + _DELIMITER_BYTES
            if len(data) < _DELIMITER_BYTES:
                raise source_ended(position)
            position += len(data) - len(self._delimiter) + 1
