"""The command sets of C-STORE, read and written without a parser for everything else (PS3.7 §9.3.1, Annex E).

They are always implicit VR little endian, and there is one for every instance: on the way of every image.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

COMMAND_BYTES = 64 * 1024
"""Longer command sets are refused: they have no bulk data."""

STORE_REQUEST, STORE_RESPONSE = 0x0001, 0x8001
NO_DATA_SET = 0x0101

_SOP_CLASS, _FIELD, _MESSAGE_ID, _RESPONDED_TO = 0x0002, 0x0100, 0x0110, 0x0120
_DATA_SET, _STATUS, _COMMENT, _SOP_INSTANCE = 0x0800, 0x0900, 0x0902, 0x1000
_ELEMENT = struct.Struct("<HHL")
_PDU = struct.Struct(">BxLLBB")


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


def read_store_request(command: bytes) -> StoreRequest | None:
    """Return the C-STORE request that a command set is, None for any other, also for a damaged one."""
    values: dict[int, bytes] = {}
    position = 0
    while position + _ELEMENT.size <= len(command):
        group, element, length = _ELEMENT.unpack_from(command, position)
        position += _ELEMENT.size
        if group != 0 or position + length > len(command):
            return None
        values[element] = command[position : position + length]
        position += length
    if _number(values, _FIELD) != STORE_REQUEST or _MESSAGE_ID not in values:
        return None
    return StoreRequest(
        _number(values, _MESSAGE_ID),
        _uid(values, _SOP_CLASS),
        _uid(values, _SOP_INSTANCE),
        _number(values, _DATA_SET) != NO_DATA_SET,
    )


def store_response(context_id: int, request: StoreRequest, status: int, comment: str = "") -> bytes:
    """Return the whole P-DATA-TF PDU that answers a request (PS3.8 §9.3.5)."""
    elements = [
        _element(_SOP_CLASS, _padded(request.sop_class_uid, b"\0")),
        _element(_FIELD, struct.pack("<H", STORE_RESPONSE)),
        _element(_RESPONDED_TO, struct.pack("<H", request.message_id)),
        _element(_DATA_SET, struct.pack("<H", NO_DATA_SET)),
        _element(_STATUS, struct.pack("<H", status)),
    ]
    if comment:
        elements.append(_element(_COMMENT, _padded(comment, b" ")))
    elements.append(_element(_SOP_INSTANCE, _padded(request.sop_instance_uid, b"\0")))
    body = b"".join(elements)
    command = _element(0x0000, struct.pack("<L", len(body))) + body
    return _PDU.pack(0x04, len(command) + 6, len(command) + 2, context_id, 0x03) + command


def _element(element: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, element, len(value)) + value


def _padded(text: str, pad: bytes) -> bytes:
    data = text.encode("ascii", "replace")
    return data + pad * (len(data) % 2)


def _number(values: dict[int, bytes], element: int) -> int:
    return int.from_bytes(values.get(element, b"")[:2], "little")


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").strip(b"\0 ").decode("ascii", "replace")
