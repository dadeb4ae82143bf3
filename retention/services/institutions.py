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
    _require_name(name)
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"there is no institution {name}", hint=f"{meant}known: {', '.join(known) or 'none yet'}"
    )


def add(stores: Stores, spec: InstitutionSpec) -> InstitutionRecord:
    """Make an institution: its key, its journal entry, its row. Raises UsageError for a name that is none, or taken."""
    _require_name(spec.name)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        if any(record.spec.name == spec.name for record in stores.catalog.institutions()):
            raise UsageError(f"there is an institution {spec.name} already", hint="choose another name")
        _add(stores, spec)
    return find(stores, spec.name)


def first_or_known(stores: Stores, name: str) -> InstitutionRecord:
    """Return the institution of that name; an archive without any makes it (interface.md, `ingest`)."""
    if not stores.catalog.institutions() and is_name(name):
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            if not stores.catalog.institutions():  # nor did another process make one a moment ago
                _add(stores, stores.settings.institutions.get(name, InstitutionSpec(name)))
    return find(stores, name)


def _add(stores: Stores, spec: InstitutionSpec) -> None:
    institution = InstitutionId(new_id())
    key = stores.keyring.add_institution(institution)
    data: dict[str, JsonValue] = {
        "name": spec.name,
        "title": spec.title,
        "timezone": spec.timezone,
        "key": key,
    }
    entry = NewEntry(stores.clock.now(), stores.actor, events.INSTITUTION_ADD, institution, data=data)
    commit.append_locked(stores, [entry])


def _require_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!a} cannot name an institution", hint="use a-z, 0-9 and inner hyphens, 63 at most"
        )
