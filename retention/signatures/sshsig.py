"""SSH signatures, as `ssh-keygen -Y sign` makes them (OpenSSH PROTOCOL.sshsig).

A person whose key lies in an agent or on an OpenSSH file signs with the tools he or she has. Only the namespace
`retention` is accepted, so that a signature made for something else never counts here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from retention.signatures.keys import ALGORITHM, PublicKey

NAMESPACE = b"retention"
MAGIC = b"SSHSIG"
VERSION = 1
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class SshSignature:
    """What an SSH signature says: whose key, over which hash of the message, and the 64 bytes of Ed25519."""

    key: PublicKey
    hash_name: str
    value: bytes


def signed_data(message: bytes, hash_name: str) -> bytes:
    """Return what Ed25519 signs for a message. Raises KeyError for a hash that is not allowed."""
    name = hash_name.encode()
    digest = HASHES[name](message).digest()
    return MAGIC + _string(NAMESPACE) + _string(b"") + _string(name) + _string(digest)


def read_sshsig(armoured: str) -> SshSignature:
    """Read what `ssh-keygen -Y sign -n retention` wrote. Raises ValueError for anything else."""
    lines = [line.strip() for line in armoured.strip().splitlines()]
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise ValueError("it is no SSH signature")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error as error:
        raise ValueError("it is no SSH signature") from error
    if blob[: len(MAGIC)] != MAGIC or blob[len(MAGIC) : len(MAGIC) + 4] != struct.pack(">I", VERSION):
        raise ValueError("it is no SSH signature of version 1")
    public, namespace, _reserved, hash_name, signature = _strings(blob[len(MAGIC) + 4 :], 5)
    if namespace != NAMESPACE:
        raise ValueError(f"it was made for another purpose than {NAMESPACE.decode()}")
    if hash_name not in HASHES:
        raise ValueError("it uses a hash that is not known")
    algorithm, raw = _strings(public, 2)
    signed_with, value = _strings(signature, 2)
    if algorithm != ALGORITHM or signed_with != ALGORITHM:
        raise ValueError("it was not made with an Ed25519 key")
    return SshSignature(PublicKey(raw), hash_name.decode(), value)


def _strings(data: bytes, count: int) -> list[bytes]:
    """Read exactly so many length-prefixed strings."""
    found: list[bytes] = []
    place = 0
    for _ in range(count):
        head = data[place : place + 4]
        if len(head) < 4:
            raise ValueError("it is cut short")
        (length,) = struct.unpack(">I", head)
        place += 4 + length
        if place > len(data):
            raise ValueError("it is cut short")
        found.append(data[place - length : place])
    if place != len(data):
        raise ValueError("something follows it")
    return found


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
