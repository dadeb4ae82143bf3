"""One data element (PS3.5 §7.1): its tag, where its value starts and how long it is, in any encoding.

Lenient in the way pydicom is, and a little more, because an archive keeps odd things: an element of an unknown VR, or
one that would end past the end of the source, is measured in each way that writers are known for, and the way after
which another element follows is believed.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from retention.dicom.source import Source
from retention.dicom.tags import (
    DELIMITER_GROUP,
    EXPLICIT_BIG_ENDIAN,
    ITEM,
    ITEM_DELIMITER,
    LONG_VRS,
    PIXELS,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    VRS,
)
from retention.model.errors import InvalidDicomError

LARGEST_HEADER_BYTES = 12
SMALLEST_HEADER_BYTES = 8
_LITTLE_ENDIAN = Struct("<HH").unpack_from, Struct("<H").unpack_from, Struct("<I").unpack_from
_BIG_ENDIAN = Struct(">HH").unpack_from, Struct(">H").unpack_from, Struct(">I").unpack_from
_DELIMITERS = frozenset({ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER})


class Encoding(NamedTuple):
    """How a data set is written."""

    is_implicit: bool
    is_big_endian: bool


class Element(NamedTuple):
    """A data element's header. Offsets and lengths in bytes; `vr` is empty where the encoding has none."""

    tag: int
    vr: bytes
    value_offset: int
    length: int

    @property
    def end(self) -> int:
        return self.value_offset + self.length


def looks_like_vr(vr: bytes) -> bool:
    """Whether two bytes can be a VR: capital letters, known or not."""
    return len(vr) == 2 and vr.isalpha() and vr.isupper()


def encodings_of(first: bytes, transfer_syntax_uid: str | None) -> list[Encoding]:
    """Return the encodings to try, best first, for a data set that starts with these 8 bytes.

    As in pydicom, it is explicit if there is a VR, whatever the transfer syntax says. The byte order is what the syntax
    says, or else the one in which the first group makes sense (up to group 00FF); then the other, if they differ.
    """
    is_implicit = not looks_like_vr(first[4:6])
    looks_big_endian = first[4:6] in VRS and first[0] == 0 and first[1] != 0
    declared = [] if transfer_syntax_uid is None else [transfer_syntax_uid == EXPLICIT_BIG_ENDIAN]
    orders = dict.fromkeys([*declared, looks_big_endian, False])
    return [Encoding(is_implicit, is_big_endian) for is_big_endian in orders]


def source_ended(position: int) -> InvalidDicomError:
    """The error that ends a walk inside an element or sequence."""
    return InvalidDicomError(
        f"the file ends inside an element or sequence, near byte {position}", reason="truncated-head"
    )


class Elements:
    """Reads element headers of a source in one byte order."""

    def __init__(self, source: Source, *, is_big_endian: bool) -> None:
        self._source = source
        self._tag, self._length16, self._length32 = _BIG_ENDIAN if is_big_endian else _LITTLE_ENDIAN

    def tag_at(self, position: int) -> int | None:
        """Return the tag at `position`, None at the end of the source."""
        head = self._source.peek(position, 4)
        if len(head) < 4:
            return None
        group, element = self._tag(head)
        return int(group << 16 | element)

    def element_at(self, position: int, *, is_implicit: bool) -> Element:
        """Read the header at `position`. Raises InvalidDicomError at the end of the source.

        The element may still end past the end of the source, if no other way of measuring it is any better.
        """
        head = self._source.peek(position, LARGEST_HEADER_BYTES)
        if len(head) < SMALLEST_HEADER_BYTES:
            raise source_ended(position)
        group, element = self._tag(head)
        tag = group << 16 | element
        vr = head[4:6]
        if is_implicit or (group == DELIMITER_GROUP and vr not in VRS):
            vr = b""
        size = 0
        if not vr:
            size, (length,) = SMALLEST_HEADER_BYTES, self._length32(head, 4)
        elif vr in SHORT_VRS:
            size, (length,) = SMALLEST_HEADER_BYTES, self._length16(head, 6)
        elif vr in LONG_VRS and len(head) == LARGEST_HEADER_BYTES:
            size, (length,) = LARGEST_HEADER_BYTES, self._length32(head, 8)
        # Pixel data are often cut short: there too long is not odd. A delimiter has only one form.
        if not size or (
            self._overruns(position + size, length) and tag not in PIXELS and group != DELIMITER_GROUP
        ):
            size, length = self._measure(position, head, tag, is_implicit=is_implicit)
        return Element(tag, vr, position + size, length)

    def is_element_at(self, position: int, *, after: int, is_implicit: bool) -> bool:
        """Whether what is at `position` may follow the tag `after`: an element, a delimiter, or the end of the source.

        Of known VR, tag that is not smaller, and same group, two are enough: the tag before may be odd as well.
        """
        head = self._source.peek(position, SMALLEST_HEADER_BYTES)
        if len(head) < SMALLEST_HEADER_BYTES:
            return not head and position == self._source.size_bytes
        group, element = self._tag(head)
        tag = group << 16 | element
        if tag in _DELIMITERS:
            return True
        if is_implicit:
            (length,) = self._length32(head, 4)
            return bool(tag >= after) and not self._overruns(position + SMALLEST_HEADER_BYTES, length)
        return [head[4:6] in VRS, tag >= after, group == after >> 16].count(True) >= 2

    def _overruns(self, value_offset: int, length: int) -> bool:
        return length != UNDEFINED_LENGTH and value_offset + length > self._source.size_bytes

    def _measure(self, position: int, head: bytes, tag: int, *, is_implicit: bool) -> tuple[int, int]:
        """Return header size and value length of an odd element: the first way after which an element follows."""
        padded = head.ljust(LARGEST_HEADER_BYTES, b"\0")
        implicit = SMALLEST_HEADER_BYTES, int(self._length32(padded, 4)[0])
        short = SMALLEST_HEADER_BYTES, int(self._length16(padded, 6)[0])
        long = LARGEST_HEADER_BYTES, int(self._length32(padded, 8)[0])
        vr = head[4:6]
        if is_implicit or not b"AA" <= vr <= b"ZZ":
            ways = implicit, short, long
        elif vr in LONG_VRS:
            ways = long, short, implicit
        else:
            ways = short, long, implicit
        for size, length in ways:
            if length == UNDEFINED_LENGTH:
                if self.tag_at(position + size) in (ITEM, SEQUENCE_DELIMITER):
                    return size, length
            elif self.is_element_at(position + size + length, after=tag, is_implicit=is_implicit):
                return size, length
        return ways[0]
