"""Tiers as archive.yaml names them, and as packages lie on them: a name that packages were stored under is not free to
go, or nobody would know any more which volumes and which protection they belong to."""

from __future__ import annotations

from retention.model.errors import SettingsError
from retention.model.layout import ArchiveSettings
from retention.services.stores import Stores


def unnamed_in_use(stores: Stores, settings: ArchiveSettings) -> str | None:
    """Say which tiers packages lie on and archive.yaml does not name, and how many packages; None if there is none."""
    elsewhere = stores.catalog.packages_elsewhere(settings.tiers)
    if not elsewhere:
        return None
    listed = ", ".join(f"{count} on the tier `{tier}`" for tier, count in sorted(elsewhere.items()))
    return f"packages lie on tiers that archive.yaml does not name: {listed}"


def require_those_in_use(stores: Stores, settings: ArchiveSettings) -> None:
    """Raise SettingsError when these settings do not name a tier that packages lie on: renamed, or taken away."""
    problem = unnamed_in_use(stores, settings)
    if problem is not None:
        raise SettingsError(
            problem,
            hint="a tier keeps its name as long as anything lies on it: put it back into archive.yaml",
        )
