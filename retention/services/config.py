"""archive.yaml in force: what somebody wrote by hand counts when it was applied, not when it was saved.

What only adds to protection and control, or has nothing to do with them, is in force at once, and the next command that
writes says so in the journal. What takes some away waits for `config apply`, with a reason and a second person; until
then the text that was last in force counts. So nobody weakens an archive by editing a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention.catalog.approvals import RequestRecord
from retention.catalog.state import CONFIG_SEEN_STATE, CONFIG_TEXT_STATE
from retention.journal.envelope import NewEntry
from retention.model.errors import RefusedError
from retention.model.layout import InstitutionSpec
from retention.policy.changes import Change
from retention.services import commit, decisions, institutions, people, tiers
from retention.services.config_changes import config_changes, flattened
from retention.services.entries import config as entries
from retention.services.loosening import Consent, loosenings, require_consent
from retention.services.second_person import Asked, ask
from retention.services.stores import Stores
from retention.settings.load import FILE_NAME, parse_document, parse_settings, read_file


@dataclass(frozen=True, slots=True)
class ConfigState:
    """archive.yaml as it lies there, and against what is in force: what of it changes something, institutions too."""

    text: str
    in_force: str
    changes: tuple[Change, ...]
    new: tuple[InstitutionSpec, ...]
    changed: tuple[InstitutionSpec, ...]

    @property
    def is_loosening(self) -> bool:
        return bool(loosenings(self.changes))

    @property
    def is_applied(self) -> bool:
        return self.text == self.in_force and not self.changes


def is_waiting(stores: Stores) -> bool:
    """Whether archive.yaml says something that is not in force before somebody applies it."""
    applied, written = stores.catalog.state(CONFIG_TEXT_STATE), _written(stores)
    return applied not in (None, written) and bool(loosenings(_changes(str(applied), written)))


def note(stores: Stores) -> None:
    """Put in the journal what archive.yaml says now, if that has changed. The commit lock must be held."""
    written = _written(stores)
    applied = stores.catalog.state(CONFIG_TEXT_STATE)
    if applied == written:
        return
    at = stores.clock.now()
    if applied is None or not loosenings(_changes(applied, written)):
        commit.append_locked(stores, [_entry(stores, written, is_loosening=False, reason=None)])
    elif stores.catalog.state(CONFIG_SEEN_STATE) != entries.digest_of(written):
        commit.append_locked(stores, [entries.seen_entry(at, stores.actor, written)])


def look(stores: Stores) -> ConfigState:
    """Compare archive.yaml with what is in force. Raises SettingsError with every fault of the file."""
    return _state(stores, _written(stores))


def _state(stores: Stores, written: str) -> ConfigState:
    settings = parse_settings(written)
    tiers.require_those_in_use(stores, settings)
    applied = stores.catalog.state(CONFIG_TEXT_STATE) or written
    found = _changes(applied, written)
    known = {record.spec.name: record for record in stores.catalog.institutions()}
    new = [spec for name, spec in settings.institutions.items() if name not in known]
    altered = []
    for name, spec in settings.institutions.items():
        if name in known:
            of_institution = institutions.differences(stores, known[name], spec)
            found += [
                Change(f"institutions.{name}.{each.where}", each.text, each.is_loosening)
                for each in of_institution
            ]
            altered += [spec] if of_institution else []
    return ConfigState(written, applied, tuple(found), tuple(new), tuple(altered))


def apply(stores: Stores, consent: Consent, language: str = "en") -> tuple[ConfigState, str | None]:
    """Put archive.yaml in force as it lies there; return what that changed, and the request it waits for (or None).

    Raises SettingsError with every fault of the file, RefusedError for a loosening that was not asked for with a reason
    or that nobody could approve, UsageError for policies and plans that are not in force.
    """
    people.require_role(stores, None, people.ADMINISTRATOR, people.OPERATOR)
    state = look(stores)
    for spec in (*state.new, *state.changed):
        institutions.require_in_force(stores, spec)
    require_consent(FILE_NAME, state.changes, consent, language)
    for spec in state.new:
        institutions.add(stores, spec)
    if state.is_loosening:
        asked = Asked("config", FILE_NAME, entries.digest_of(state.text), {"text": state.text})
        return state, ask(stores, asked, state.changes, consent)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        group = entries_for(stores, state.text, consent.reason)
        if group:
            commit.append_locked(stores, group)
    decisions.refresh(stores)
    return state, None


def approved(stores: Stores, request: RequestRecord) -> Sequence[NewEntry]:
    """Return the entries of a change of settings that a second person has approved. The commit lock must be held.

    Raises RefusedError when archive.yaml has changed since it was asked for.
    """
    if "institution" in request.body:
        return institutions.approved(stores, request)
    text = str(request.body["text"])
    if _written(stores) != text:
        raise RefusedError(
            "archive.yaml has changed since this was asked for",
            hint="reject it, and ask again: retention config apply",
        )
    return entries_for(stores, text, request.body["reason"], approval=request.request_id)


def entries_for(
    stores: Stores, text: str, reason: str | None, *, approval: str | None = None
) -> Sequence[NewEntry]:
    """Return the entries that put a text in force: itself, and what it says of institutions that are there."""
    state = _state(stores, text)
    group = [
        institutions.new_particulars(
            stores, institutions.find(stores, spec.name), spec, reason, approval=approval
        )
        for spec in state.changed
    ]
    if state.text != state.in_force:
        group.append(
            _entry(stores, text, is_loosening=approval is not None, reason=reason, approval=approval)
        )
    return group


def _entry(
    stores: Stores, text: str, *, is_loosening: bool, reason: str | None, approval: str | None = None
) -> NewEntry:
    return entries.apply_entry(
        stores.keyring.index_key,
        stores.clock.now(),
        stores.actor,
        text,
        is_loosening=is_loosening,
        reason=reason,
        approval=approval,
    )


def _changes(old: str, new: str) -> list[Change]:
    return config_changes(parse_document(old), parse_document(new))


def _written(stores: Stores) -> str:
    return read_file(stores.root / FILE_NAME).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Shown:
    """The text in force by its digest, and every value that counts: key, value, whether the file says it."""

    digest: str
    values: tuple[tuple[str, str, bool], ...]


def shown(stores: Stores) -> Shown:
    """Return the settings that count."""
    text = stores.catalog.state(CONFIG_TEXT_STATE)
    written = _written(stores)
    if text is None or not loosenings(_changes(text, written)):
        text = written
    document = parse_document(text)
    said = flattened(document, only_written=True)
    values = flattened(document)
    return Shown(
        entries.digest_of(text), tuple((key, str(value), key in said) for key, value in values.items())
    )
