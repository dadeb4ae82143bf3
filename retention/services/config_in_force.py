"""Which settings count when archive.yaml was edited. Apart from `config`, which also changes them and needs much more:
every command asks this."""

from __future__ import annotations

from retention.catalog.catalog import Catalog
from retention.catalog.state import CONFIG_TEXT_STATE
from retention.model.layout import ArchiveSettings
from retention.services.config_changes import config_changes
from retention.services.loosening import loosenings
from retention.settings.load import parse_document, parse_settings


def settings_in_force(catalog: Catalog, written: str, settings: ArchiveSettings) -> ArchiveSettings:
    """Return the settings that count, where the file says `written` (which means `settings`)."""
    applied = catalog.state(CONFIG_TEXT_STATE)
    if applied is None or applied == written:
        return settings
    changes = config_changes(parse_document(applied), parse_document(written))
    return parse_settings(applied) if loosenings(changes) else settings
