"""Entries about studies as a whole: an export is an access, which may keep the study on its tier."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from retention.journal.envelope import Entry
from retention.model.errors import NotFoundError
from retention.model.identifiers import PackageId
from retention.services.entries.applying import Applying
from retention.services.events import text_of


def apply_export(applying: Applying, entry: Entry) -> None:
    """Note the day of an export, in the institution's time zone; one that gave nothing names no package.

    What was read may be gone by the time it is told: a recalled copy whose time was over.
    """
    package = entry.envelope.objects.get("package")
    if package is not None:
        on = date.fromisoformat(text_of(entry.envelope.data, "on"))
        with suppress(NotFoundError):
            applying.transaction.record_access(PackageId(package), on)
