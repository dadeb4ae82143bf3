"""The documents of `report compliance` and `report verify`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class ReportCompliance(TypedDict):
    """A bundle that was written."""

    directory: str
    files: list[str]
    conclusion: Literal["without_findings", "with_findings"]
    exceptions: list[str]
    """What needs attention, in the report's language."""
    not_checked: list[str]
    """What the report did not check, in its language."""
    digest: str
    """SHA-256 of the bundle's manifest, as the journal has it."""
    timestamped: bool
    """Whether an authority's timestamp is over the signature inside the PDF."""
    signing_key: str
    """For the auditor's trust file; to be handed over by another way than the bundle."""


class ReportVerify(TypedDict):
    """A bundle or an attestation, checked without any archive. Valid is not yet trusted: that needs a trust file."""

    valid: bool
    trusted: bool
    signer: str | None
    files: Count
    entries: Count
    """The size of the journal that the bundle's checkpoint signs."""
    seals: Count
    timestamps: Count
    """Timestamps that are right; `not_checked` says whose authority is not in the trust file."""
    kind: str
    """`compliance`, or the kind of attestation."""
    failed_checks: list[str]
    """Checks that an attestation itself says were not passed."""
    not_checked: list[str]
    problems: list[str]


class ReportVerifier(TypedDict):
    """The single-file verifier that was written."""

    file: str
