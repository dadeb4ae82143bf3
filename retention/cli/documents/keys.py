"""The documents of `keys status|rotate|escrow|drill|recover`: keys are named by what identifies them, never shown."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class KeyGenerationRow(TypedDict):
    """The keys of an institution: which generation wraps what is new."""

    institution: str
    generation: Count
    since: Instant | None
    """When it was made; null for the first, which is as old as the institution."""
    opens_only: Count
    """How many older keys are kept, because some volume still needs them to open what it has."""


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
    generations: list[KeyGenerationRow]
    package_keys: Count
    patient_keys: Count
    replicas: list[str]
    """The volumes it lies on."""
    unreachable: list[str]


class RotatedKeys(TypedDict):
    """An institution has a new key, or an earlier rotation was gone on with (`resumed`)."""

    institution: str
    generation: Count
    resumed: bool
    rewrapped: Count
    """Package and patient keys that were put under it."""
    destroyed: Count
    """Older institution keys that nothing needed any more."""
    kept: Count


class KeysRotate(TypedDict):
    """New keys of institutions. `behind`: volumes for whose sake old keys are kept."""

    institutions: list[RotatedKeys]
    behind: list[str]


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
