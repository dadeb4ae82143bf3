"""Which tiers a package may go to: slower ones only, and none that it is too small for."""

from __future__ import annotations

from collections.abc import Sequence

from retention.catalog.records import PackageSummary
from retention.model.layout import TierSpec


def is_worth(tier: TierSpec, package: PackageSummary) -> bool:
    """Whether a package is large enough for a tier."""
    return tier.takes_from_bytes is None or package.bytes_received >= tier.takes_from_bytes


def is_slower(tiers: Sequence[str], tier: str, than: str) -> bool:
    """Whether a tier comes after another in archive.yaml; one that is there no more is as fast as any."""
    return than not in tiers or tiers.index(tier) > tiers.index(than)
