"""Checkpoints: the journal's size and root, signed, in the form that transparency logs use.

C2SP tlog-checkpoint (the body), C2SP signed-note (the signatures), Ed25519 (RFC 8032). The invariant: what is signed is
the text as it stands, byte for byte; a note is read only in the one form it is written in, so that no byte of it can be
changed unseen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
HASH_BYTES = 4
MAX_NOTE_BYTES = 1 << 16
MAX_SIGNATURES = 100
_NAME = re.compile(r"[^\s+]{1,200}\Z")
_DASH = "— "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name it signs under (C2SP signed-note, "Signatures")."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:HASH_BYTES]

    def __str__(self) -> str:
        """The encoding in which keys are handed on: `name+hash+key`."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `name+hash+key`. Raises ValueError for anything else, also for a hash that is not this key's."""
        name, _, rest = text.partition("+")
        key_hash, _, encoded = rest.partition("+")
        key = _unbase64(encoded)
        if _NAME.match(name) is None or len(key) != 1 + KEY_BYTES or key[:1] != ED25519:
            raise ValueError(f"not a verifier key: {text!r}")
        parsed = cls(name, key[1:])
        if parsed.key_hash.hex() != key_hash:
            raise ValueError(f"the hash in this verifier key is not its own: {text!r}")
        return parsed


@dataclass(frozen=True, slots=True)
class Signer:
    """A name and the private key it signs with."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """Return the signature line for a note's text."""
        key = self.verifier
        signature = self.private.sign(text.encode())
        return f"{_DASH}{key.name} {base64.b64encode(key.key_hash + signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: which log, how many entries, the root over them; `extensions` are further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the body, which ends in a newline. Raises ValueError for what has no place in it."""
        lines = (self.origin, *self.extensions)
        if any(not line or "\n" in line or not line.isprintable() for line in lines):
            raise ValueError("a checkpoint's lines are printable and not empty")
        return "".join(
            f"{line}\n"
            for line in (self.origin, self.size, base64.b64encode(self.root).decode(), *self.extensions)
        )

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a body. Raises ValueError unless it is in the form it is written in."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "":
            raise ValueError("not a checkpoint")
        origin, size, root, *extensions = lines[:-1]
        if not size.isascii() or not size.isdigit() or str(int(size)) != size:
            raise ValueError("a checkpoint's size is a number")
        parsed = cls(origin, int(size), _unbase64(root), tuple(extensions))
        if parsed.text() != text or len(parsed.root) != hashlib.sha256().digest_size:
            raise ValueError("not a checkpoint")
        return parsed


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures: (name, key hash, signature) in the order of the lines."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def encode(self) -> str:
        lines = (
            f"{_DASH}{name} {base64.b64encode(key_hash + signature).decode()}\n"
            for name, key_hash, signature in self.signatures
        )
        return f"{self.text}\n{''.join(lines)}"

    @classmethod
    def parse(cls, text: str) -> Note:
        """Read a signed note. Raises ValueError unless it is in the form it is written in."""
        if len(text.encode()) > MAX_NOTE_BYTES:
            raise ValueError("a note is too long")
        body, separator, signed = text.rpartition("\n\n")
        if not separator or not signed.endswith("\n"):
            raise ValueError("not a signed note")
        lines = signed[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise ValueError("a note has too many signatures")
        note = cls(body + "\n", tuple(_signature(line) for line in lines))
        if note.encode() != text:
            raise ValueError("not a signed note")
        return note

    def signers(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return those of `keys` that signed it. Raises ValueError when one's signature is there and is wrong."""
        found = []
        for key in keys:
            mine = [
                signature
                for name, key_hash, signature in self.signatures
                if (name, key_hash) == (key.name, key.key_hash)
            ]
            for signature in mine:
                try:
                    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, self.text.encode())
                except InvalidSignature:
                    raise ValueError(f"the signature of {key.name} is wrong") from None
            if mine:
                found.append(key)
        return found


def sign(text: str, *signers: Signer) -> Note:
    """Return a text signed by all of `signers`."""
    return Note.parse(f"{text}\n{''.join(signer.line(text) for signer in signers)}")


def cosign(note: Note, signer: Signer) -> Note:
    """Return a note with one signature more, at its end."""
    return Note.parse(note.encode() + signer.line(note.text))


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    signature = _unbase64(encoded)
    if not line.startswith(_DASH) or _NAME.match(name) is None:
        raise ValueError("not a signature line")
    if len(signature) != HASH_BYTES + SIGNATURE_BYTES:
        raise ValueError("not an Ed25519 signature")
    return name, signature[:HASH_BYTES], signature[HASH_BYTES:]


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error
