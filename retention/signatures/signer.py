"""Who signs: a private key file, or the agent that has the key of a public one.

The invariant: a signer signs deeds and nothing else, and what it returns was verified with its public key.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.model.errors import KeyUnavailableError
from retention.signatures.deed import PLAIN, Deed, Signature, holds, plainly_signed
from retention.signatures.keys import (
    Passphrase,
    PublicKey,
    is_private,
    read_key_file,
    read_private_key,
    read_public_key,
)
from retention.signatures.sshsig import NAMESPACE, read_sshsig

AGENT_TIMEOUT_S = 120
"""How long somebody may take to touch a token or confirm to the agent."""


class Signer(Protocol):
    """Signs deeds with one key."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, deed: Deed) -> Signature:
        """Raises KeyUnavailableError when the key cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class FileSigner:
    """Signs with a private key in memory."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, deed: Deed) -> Signature:
        return Signature(PLAIN, self.private.sign(plainly_signed(deed)))


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """Signs through `ssh-keygen`, which asks the SSH agent for the key of this public key file."""

    path: Path
    public: PublicKey

    def sign(self, deed: Deed) -> Signature:
        program = shutil.which("ssh-keygen")
        if program is None:
            raise KeyUnavailableError(
                "ssh-keygen is not there, and a public key signs only through it",
                hint="install OpenSSH's client, or name the private key file",
            )
        command = [program, "-q", "-Y", "sign", "-n", NAMESPACE.decode(), "-f", str(self.path)]
        done = subprocess.run(  # noqa: S603  # a fixed program, the message goes through its standard input
            command, input=deed.text(), capture_output=True, timeout=AGENT_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise KeyUnavailableError(
                f"the SSH agent did not sign with {self.path}: {done.stderr.decode(errors='replace').strip()}",
                hint="look whether ssh-add -l lists this key, or name the private key file",
            )
        made = read_sshsig(done.stdout.decode())
        signature = Signature.ssh(made.hash_name, made.value)
        if made.key != self.public or not holds(signature, deed, self.public):
            raise KeyUnavailableError(
                f"the SSH agent signed with another key than {self.path}", hint="name the right key"
            )
        return signature


def open_signer(path: Path, passphrase: Passphrase) -> Signer:
    """Return who signs with a key file: a private key itself, or the agent that has a public one's.

    Raises KeyUnavailableError when the file cannot be read, or the passphrase is wrong.
    """
    try:
        text = read_key_file(path)
        if is_private(text):
            return FileSigner(read_private_key(text, passphrase))
        return AgentSigner(path, read_public_key(text))
    except OSError as error:
        reason = error.strerror or str(error)
        raise KeyUnavailableError(
            f"the key {path} cannot be read: {reason}", hint="look at the path and who may read it"
        ) from error
    except ValueError as error:
        raise KeyUnavailableError(
            f"{path} cannot sign: {error}", hint="an Ed25519 key, OpenSSH or PKCS#8, and its passphrase"
        ) from error
