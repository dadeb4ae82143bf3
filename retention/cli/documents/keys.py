"""The document of `keys status`: keys are named by what identifies them, never shown."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class KeysStatus(TypedDict):
    """The keyring: how many keys, and where it lies."""

    root_key: str
    recovery_key: str
    recovery_stored: Instant | None
    """When somebody said that the recovery key was put away."""
    institutions: Count
    package_keys: Count
    patient_keys: Count
    replicas: list[str]
    """The volumes it lies on."""
    unreachable: list[str]
