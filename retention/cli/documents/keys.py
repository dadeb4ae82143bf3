"""The documents of `keys status|escrow|drill|recover`: keys are named by what identifies them, never shown."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class KeysStatus(TypedDict):
    """The keyring: how many keys, and where it lies."""

    root_key: str
    recovery_key: str
    recovery_stored: Instant | None
    """When somebody said that the recovery key was put away."""
    escrowed: Instant | None
    """When the root key was last shared out among custodians."""
    drilled: Instant | None
    """When somebody last proved that the recovery key, or shares, open the keyring."""
    institutions: Count
    package_keys: Count
    patient_keys: Count
    replicas: list[str]
    """The volumes it lies on."""
    unreachable: list[str]


class KeysEscrow(TypedDict):
    """The root key was shared out: any `threshold` of the files together are the key."""

    root_key: str
    shares: Count
    threshold: Count
    files: list[str]


class KeysDrill(TypedDict):
    """What was brought opens the keyring; nothing was changed."""

    root_key: str
    means: Literal["recovery-key", "shares"]
    shares: Count


class KeysRecover(TypedDict):
    """The root key file is there again."""

    root_key: str
    file: str
    recorded: bool
    """Whether the journal says so: not when the archive cannot be written yet."""
