"""File meta for a data set that came without: what a file is headed by when DIMSE brings its data set alone.

PS3.10 §7.1: 128 zero bytes, DICM, and group 0002 in explicit VR little endian. The same data set gets the same file
meta, whoever sends it and when: so a second sending is the same file.
"""

from __future__ import annotations

import struct

IMPLEMENTATION_CLASS_UID = "2.25.322258252463411878746228913885287114984"
IMPLEMENTATION_VERSION = "RETENTION_1"
_PREAMBLE = bytes(128) + b"DICM"


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return preamble, prefix and group 0002. Raises ValueError for a UID that is not ASCII, or too long."""
    elements = b"".join(
        (
            _element(0x0001, b"OB", b"\x00\x01"),
            _uid(0x0002, sop_class_uid),
            _uid(0x0003, sop_instance_uid),
            _uid(0x0010, transfer_syntax_uid),
            _uid(0x0012, IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION, b" ")),
        )
    )
    return _PREAMBLE + _element(0x0000, b"UL", struct.pack("<L", len(elements))) + elements


def _uid(element: int, uid: str) -> bytes:
    if len(uid) > 64:
        raise ValueError(f"not a UID: {len(uid)} characters")
    return _element(element, b"UI", _padded(uid, b"\0"))


def _padded(text: str, pad: bytes) -> bytes:
    data = text.encode("ascii")
    return data + pad * (len(data) % 2)


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    if vr == b"OB":
        return struct.pack("<HH2s2xL", 0x0002, element, vr, len(value)) + value
    return struct.pack("<HH2sH", 0x0002, element, vr, len(value)) + value
