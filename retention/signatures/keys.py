"""People's keys: Ed25519, in the files that people have: OpenSSH and PEM (PKCS#8, SubjectPublicKeyInfo; RFC 8410).

A private key that is made here is written once, encrypted with a passphrase, and to nobody else. Other algorithms are
refused: one way to sign is one way to check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
)

ALGORITHM = b"ssh-ed25519"
KEY_BYTES = 32
MAX_FILE_BYTES = 1 << 16

Passphrase = Callable[[], bytes]
"""Asked for the passphrase of a key, and only when the key has one."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a person's key: 32 bytes."""

    raw: bytes

    @property
    def blob(self) -> bytes:
        """The key as OpenSSH writes it (RFC 8709 §4)."""
        return _string(ALGORITHM) + _string(self.raw)

    @property
    def line(self) -> str:
        """The key as a line of an OpenSSH public key file."""
        return f"{ALGORITHM.decode()} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """How `ssh-keygen -l` names the key."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def read_public_key(text: bytes) -> PublicKey:
    """Read a public key, OpenSSH's line or PEM. Raises ValueError for anything else."""
    if b"-----BEGIN" in text:
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("it is no public key") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("it is not an Ed25519 key")
        return PublicKey(key.public_bytes_raw())
    words = text.split()
    if len(words) < 2 or words[0] != ALGORITHM:
        raise ValueError("it is not an Ed25519 key")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise ValueError("it is no public key") from error
    key_read = PublicKey(blob[-KEY_BYTES:])
    if key_read.blob != blob:
        raise ValueError("it is no public key")
    return key_read


def read_private_key(text: bytes, passphrase: Passphrase) -> Ed25519PrivateKey:
    """Read a private key, OpenSSH's or PKCS#8. Raises ValueError for anything else, or a wrong passphrase."""
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        try:
            key = load(text, password=None)
        except TypeError:  # it has a passphrase
            key = load(text, password=passphrase())
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
        raise ValueError("it is no private key, or the passphrase is wrong") from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("it is not an Ed25519 key")


def is_private(text: bytes) -> bool:
    """Whether a file claims to hold a private key."""
    return b"PRIVATE KEY-----" in text


def make_private_key(path: Path, passphrase: bytes) -> PublicKey:
    """Make a key, write it encrypted (PKCS#8) to a new file that only its owner can read, and return its public half.

    Raises FileExistsError, OSError; ValueError for an empty passphrase.
    """
    if not passphrase:
        raise ValueError("a person's key has a passphrase")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return PublicKey(key.public_key().public_bytes_raw())


def read_key_file(path: Path) -> bytes:
    """Return a key file's bytes. Raises OSError, and ValueError for what is too large to be one."""
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise ValueError("it is too large to be a key")
    return text


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
