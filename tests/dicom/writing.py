"""Bytes of data elements and files, written by hand, so that they can be wrong in every way a test wants."""

import struct

UNDEFINED = 0xFFFFFFFF
ITEM_END = bytes.fromhex("feff0de000000000")
SEQUENCE_END = bytes.fromhex("feffdde000000000")
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
LONG_VRS = ("OB", "OW", "SQ", "UN", "UT")


def explicit(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    """An element with a VR; `length` is what it claims where that is not the truth."""
    claimed = len(value) if length is None else length
    layout = "HH2s2xI" if vr in LONG_VRS else "HH2sH"
    return struct.pack(order + layout, tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), claimed) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    """An element without a VR."""
    claimed = len(value) if length is None else length
    return struct.pack(order + "HHI", tag >> 16, tag & 0xFFFF, claimed) + value


def item(content: bytes = b"", *, length: int | None = None) -> bytes:
    """An item of a sequence; with an undefined length it is not closed."""
    return implicit(0xFFFEE000, content, length=length)


def meta(syntax: str | None = EXPLICIT_LITTLE, sop_class: str = "1.2.840.10008.5.1.4.1.1.2") -> bytes:
    """Preamble, DICM and group 0002."""
    elements = explicit(0x00020001, "OB", b"\0\1") + explicit(0x00020002, "UI", sop_class.encode())
    if syntax is not None:
        elements += explicit(0x00020010, "UI", syntax.encode())
    return bytes(128) + b"DICM" + explicit(0x00020000, "UL", struct.pack("<I", len(elements))) + elements


def dataset(between: bytes = b"", after: bytes = b"", *, order: str = "<") -> bytes:
    """A data set with an identity; `between` stands before Study Instance UID, `after` behind all facts."""
    return (
        explicit(0x00080018, "UI", b"1.2.3.1", order=order)
        + between
        + explicit(0x00100020, "LO", b"P1", order=order)
        + explicit(0x0020000D, "UI", b"1.2.3.2\0", order=order)
        + explicit(0x0020000E, "UI", b"1.2.3.3\0", order=order)
        + after
    )
