"""What people do with the archive's own keys: put them away, share them out, prove that they would open, recover.

The invariant: no secret stands in the journal, in a message or on a command line; and nothing is called recovered, or
proven, before the keyring itself has proven it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retention.journal.envelope import NewEntry
from retention.keyring.escrow import join_shares, split_secret
from retention.keyring.recovery import read_recovery_key
from retention.keyring.rootdocument import parse_root_document, recover_root_key
from retention.keyring.rootkey import root_key_id
from retention.model.canonical import JsonValue
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, RetentionError, UsageError
from retention.model.identifiers import KeyId
from retention.services import commit, events
from retention.services.entries.keys import KEYS_ESCROW
from retention.services.root_key_file import write_private
from retention.services.stores import Stores

FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Means:
    """What somebody brings to open the keyring without the root key file: the recovery key, or shares."""

    recovery: bytes | None = field(default=None, repr=False)
    shares: tuple[str, ...] = field(default=(), repr=False)

    @property
    def kind(self) -> Literal["recovery-key", "shares"]:
        return "recovery-key" if self.recovery is not None else "shares"


def means_from(recovery_key_file: Path | None, share_files: Sequence[Path]) -> Means:
    """Read what the files hold. Raises UsageError unless they are one recovery key, or shares; OSError."""
    if (recovery_key_file is None) == (not share_files):
        raise UsageError(
            "either the recovery key opens the keyring, or shares do",
            hint="name one with --recovery-key-file FILE, or several with --share FILE",
        )
    if recovery_key_file is not None:
        return Means(recovery=read_recovery_key(_small(recovery_key_file)))
    return Means(shares=tuple(_small(path) for path in share_files))


def root_from(documents: Iterable[bytes], means: Means) -> bytes:
    """Return the root key, proven by one of the replicas' root documents.

    Raises KeyUnavailableError when what was brought opens none of them, KeyringBrokenError when none can be read.
    """
    failure: RetentionError | None = None
    joined = None if means.recovery is not None else join_shares(means.shares)
    for document in documents:
        try:
            return _proven(document, means.recovery, joined)
        except KeyUnavailableError as error:
            failure = error
    raise failure or KeyringBrokenError(
        "no volume that can be reached has the keyring's root document",
        hint="bring back a volume that holds the keyring: retention volume check",
    )


def _proven(document: bytes, recovery: bytes | None, joined: bytes | None) -> bytes:
    if recovery is not None:
        return recover_root_key(document, recovery)
    parsed, secret = parse_root_document(document), joined or b""
    if parsed is None:
        raise KeyUnavailableError("the root document is damaged", hint="try the same file on another volume")
    if not parsed.is_proven(secret):
        raise KeyUnavailableError(
            f"these shares give the root key {root_key_id(secret)}, the keyring is under {parsed.root_key_id}",
            hint="look for the shares of this archive; a new root key needs new shares",
        )
    return secret


def escrow(stores: Stores, secret: bytes, shares: int, threshold: int, out: Path) -> list[Path]:
    """Share the root key out: one new file for each custodian; return them. Raises UsageError, OSError."""
    words = split_secret(secret, shares, threshold)
    named = root_key_id(secret)
    files = [out / f"share-{number}-of-{shares}.txt" for number in range(1, shares + 1)]
    taken = [path for path in files if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} is there already", hint="name a new folder: shares are never mixed")
    for number, (path, line) in enumerate(zip(files, words, strict=True), 1):
        head = (
            f"# A share of the root key of a retention archive (SLIP-39). Keep it apart from all others.\n"
            f"archive: {stores.archive_id}\nroot key: {named}\nshare: {number} of {shares}\nneeded: {threshold}\n\n"
        )
        write_private(path, f"{head}{line}\n")
    record(stores, KEYS_ESCROW, {"root_key": named, "shares": shares, "threshold": threshold})
    return files


def record(stores: Stores, action: str, data: dict[str, JsonValue]) -> None:
    """Put into the journal what was done with keys."""
    commit.append(stores, [NewEntry(stores.clock.now(), stores.actor, action, data=data)])


def about(means: Means, root: KeyId) -> dict[str, JsonValue]:
    """Return what the journal says of the means by which a keyring was opened."""
    return {"means": means.kind, "shares": len(means.shares), "root_key": root}


def record_recovery_stored(stores: Stores) -> None:
    """Put into the journal that somebody says the recovery key was put away."""
    record(stores, events.RECOVERY_STORED, {"recovery_key": str(stores.keyring.status().recovery_key_id)})


def _small(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise UsageError(
            f"{path} is too large for a key", hint="name the file that holds the key or the share"
        )
    return data.decode("utf-8", "replace")
