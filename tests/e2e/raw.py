"""PDUs byte by byte: what no library would send (PS3.8 §9.3, PS3.7 §9.3.1)."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from tests.services.instances import CT, STUDY

STORE = struct.Struct("<HHL")


def connected(served):
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
    connection.settimeout(10)
    return connection


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def associate(contexts=None, calling=b"NECKER_CT1", called=b"RETENTION"):
    """Return an A-ASSOCIATE-RQ PDU (PS3.8 §9.3.2)."""
    if contexts is None:
        contexts = [context(1)]
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    body = struct.pack(">H2x16s16s32x", 1, called.ljust(16), calling.ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + user
    return struct.pack(">BxL", 1, len(body)) + body


def context(number, syntax=b"1.2.840.10008.5.1.4.1.1.2"):
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, syntax) + item(0x40, b"1.2.840.10008.1.2.1"))


def answered(connection):
    """Return the kind of PDU that comes, 0 when the connection is closed."""
    try:
        header = connection.recv(6)
        if len(header) < 6:
            return 0
        connection.recv(struct.unpack(">L", header[2:])[0])
    except OSError:
        return 0
    return header[0]


def say(connection, data):
    """Send all of it, unless we are hung up on meanwhile."""
    with suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def associated(served):
    connection = connected(served)
    connection.sendall(associate())
    assert answered(connection) == 2
    return connection


def command(uid=f"{STUDY}.1.1", field=1, data_set=0):
    elements = [
        (0x0002, CT.encode() + b"\0" * (len(CT) % 2)),
        (0x0100, struct.pack("<H", field)),
        (0x0110, struct.pack("<H", 1)),
        (0x0700, b"\0\0"),
        (0x0800, struct.pack("<H", data_set)),
        (0x1000, uid.encode() + b"\0" * (len(uid) % 2)),
    ]
    return b"".join(STORE.pack(0, element, len(value)) + value for element, value in elements)


def fragment(data, control, number=1):
    body = struct.pack(">LBB", len(data) + 2, number, control) + data
    return struct.pack(">BxL", 4, len(body)) + body
