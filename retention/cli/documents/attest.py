"""The documents of `attest …`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class Attested(TypedDict):
    """An attestation that was written. `report verify` checks the file, alone and offline."""

    file: str
    id: str
    kind: Literal["deposit", "integrity", "restitution", "destruction"]
    failed_checks: list[str]
    """Checks that were not passed; the attestation says which objects they are about."""
    timestamped: bool
    signing_key: str
    """For the trust file of whoever verifies; to be handed over by another way than the attestation."""
