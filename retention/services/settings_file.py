"""The program's own edits of archive.yaml: one at a time, and only where the file says something else."""

from __future__ import annotations

from retention.model.layout import InstitutionSpec
from retention.services.stores import Stores
from retention.settings import edit
from retention.settings.load import FILE_NAME, load_settings
from retention.settings.save import save_text


def write_institution(stores: Stores, spec: InstitutionSpec) -> None:
    """Let archive.yaml have an institution as it is. Raises ArchiveError when it cannot be written."""
    if stores.settings.institutions.get(spec.name) != spec:
        with stores.commit_lock.hold():  # two who edit it at once would lose one edit
            put_institution(stores, spec)


def put_institution(stores: Stores, spec: InstitutionSpec) -> None:
    """As `write_institution`, for a caller that holds the commit lock."""
    path = stores.root / FILE_NAME
    if load_settings(path).institutions.get(spec.name) != spec:
        save_text(path, edit.set_institution(path.read_text("utf-8"), spec))
    stores.settings.institutions[spec.name] = spec


def write_volume(stores: Stores, name: str, url: str) -> None:
    """Let archive.yaml have a volume at another place. Raises ArchiveError when it cannot be written."""
    path = stores.root / FILE_NAME
    with stores.commit_lock.hold():
        save_text(path, edit.replace_volume(path.read_text("utf-8"), name, url))
