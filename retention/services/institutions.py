"""Institutions: facts of the journal; archive.yaml is their editable form."""

from __future__ import annotations

import difflib

from retention.catalog.records import InstitutionRecord
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import UsageError
from retention.model.identifiers import InstitutionId, is_name, new_id
from retention.model.layout import InstitutionSpec
from retention.services import commit, events
from retention.services.stores import Stores


def find(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name. Raises UsageError with a did-you-mean."""
    known = {record.spec.name: record for record in stores.catalog.institutions()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"there is no institution {name}", hint=f"{meant}known: {', '.join(known) or 'none yet'}"
    )


def add(stores: Stores, spec: InstitutionSpec) -> InstitutionRecord:
    """Make an institution: its key, its journal entry, its row. Raises UsageError for a name that cannot be one."""
    if not is_name(spec.name):
        raise UsageError(
            f"{spec.name} cannot name an institution", hint="use a-z, 0-9 and inner hyphens, 63 at most"
        )
    institution = InstitutionId(new_id())
    data: dict[str, JsonValue] = {"name": spec.name, "title": spec.title, "timezone": spec.timezone}
    with stores.commit_lock.hold():
        key = stores.keyring.add_institution(institution)
        data["key"] = key
        entry = NewEntry(stores.clock.now(), stores.actor, events.INSTITUTION_ADD, institution, data=data)
        commit.append_locked(stores, [entry])
    return find(stores, spec.name)


def first_or_known(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name; an archive without any makes it (interface.md, `ingest`)."""
    if stores.catalog.institutions():
        return find(stores, name)
    return add(stores, stores.settings.institutions.get(name, InstitutionSpec(name)))
