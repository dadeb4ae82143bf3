"""The archive's own signature: under checkpoints, seals, reports and attestations.

The private key lies beside the root key, never on a volume; its public half is an entry of the journal before anything
is signed with it. A verifier believes a signature because somebody gave it that public half by another way (a trust
file), never because it stands in what was signed.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from retention.journal.checkpoint import Checkpoint, Note, Signer, VerifierKey, sign
from retention.journal.envelope import NewEntry
from retention.model.errors import KeyUnavailableError
from retention.services import commit
from retention.services.entries.signing import SIGNING_KEY, SIGNING_KEY_STATE
from retention.services.stores import Stores
from retention.settings.environment import signing_key_path


def origin_of(stores: Stores) -> str:
    """Return the name of the archive's journal in checkpoints, the same for ever."""
    return f"retention/{stores.archive_id}"


def archive_signer(stores: Stores) -> Signer:
    """Return the archive's signing key; the first call makes it, and records its public half in the journal.

    Raises KeyUnavailableError when the file cannot be read, or is no Ed25519 key.
    """
    path = signing_key_path(stores.root, os.environ)
    if not path.exists():
        _make(path)
    signer = Signer(origin_of(stores), _read(path))
    public = str(signer.verifier)
    if stores.catalog.state(SIGNING_KEY_STATE) != public:
        at = stores.clock.now()
        commit.append(stores, [NewEntry(at, stores.actor, SIGNING_KEY, data={"key": public})])
    return signer


def known_key(stores: Stores) -> VerifierKey | None:
    """Return the public key that the journal names last, None before the first."""
    public = stores.catalog.state(SIGNING_KEY_STATE)
    return None if public is None else VerifierKey.parse(public)


def signed_checkpoint(stores: Stores, *extensions: str) -> Note:
    """Return the journal as it is now, signed."""
    signer = archive_signer(stores)
    journal = stores.journal
    return sign(Checkpoint(signer.name, journal.size, journal.root(), extensions).text(), signer)


def _make(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # whoever is first has made it; nobody replaces it
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _read(path: Path) -> Ed25519PrivateKey:
    hint = "put it back, or name it with RETENTION_SIGNING_KEY_FILE; without it nothing can be signed"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnavailableError(
            f"the signing key {path} cannot be read: {error.strerror}", hint=hint
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailableError(f"{path} is not a signing key", hint=hint) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnavailableError(f"{path} is not an Ed25519 key", hint=hint)
    return key
