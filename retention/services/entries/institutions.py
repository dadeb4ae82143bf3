"""Entries about institutions: one is made, or its particulars change. Each states all of them.

Who may read it learns which hospitals keep what for how long; nothing here is about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from retention.catalog.records import InstitutionRecord
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue, canonical_json
from retention.model.digests import blake3_digest
from retention.model.identifiers import InstitutionId, KeyId
from retention.model.layout import InstitutionSpec
from retention.services import payloads
from retention.services.entries.acting import Deed
from retention.services.entries.applying import Applying
from retention.services.events import list_of, optional_text_of, text_of

INSTITUTION_ADD = "institution.add"
INSTITUTION_SET = "institution.set"


def add_entry(
    at: datetime, actor: str, institution: InstitutionId, spec: InstitutionSpec, key: KeyId
) -> NewEntry:
    """Return the entry that makes an institution. `key` is the id of its key."""
    return NewEntry(at, actor, INSTITUTION_ADD, institution, data=particulars(spec) | {"key": key})


def set_entry(
    key: OpenKey,
    deed: Deed,
    institution: InstitutionId,
    spec: InstitutionSpec,
    *,
    is_loosening: bool,
    reason: str | None,
    approval: str | None = None,
) -> NewEntry:
    """Return the entry that gives an institution new particulars; `key` is the institution's own.

    `is_loosening`: a second person let it pass (`approval`), and what it no longer lists counts for nothing any more.
    """
    return NewEntry(
        deed.at,
        deed.actor,
        INSTITUTION_SET,
        institution,
        data=particulars(spec) | {"loosening": is_loosening, "approval": approval, "by": deed.by},
        payload=payloads.seal({"reason": reason}, key),
        payload_key=key.key_id,
    )


def digest_of(spec: InstitutionSpec) -> str:
    """Return what a person signs of new particulars."""
    return blake3_digest(canonical_json(particulars(spec))).hex()


def apply(applying: Applying, entry: Entry) -> None:
    """The institution is what the entry says, and bound by the policies it lists."""
    data, transaction = entry.envelope.data, applying.transaction
    institution = InstitutionId(entry.envelope.institution or "")
    spec = spec_of(data)
    before = transaction.institution(institution)
    transaction.record_institution(InstitutionRecord(institution, spec, entry.envelope.seq))
    transaction.policies.list_for(institution, entry.envelope.at, retires=data.get("loosening") is True)
    if before is not None and _decides(before) != _decides(spec):
        transaction.mark_stale(institution)
        if before.entity != spec.entity:  # whose visits count has changed for all of both
            for entity in filter(None, (before.entity, spec.entity)):
                transaction.mark_entity_stale(entity)


def particulars(spec: InstitutionSpec) -> dict[str, JsonValue]:
    """Return what an institution is, as entries have it."""
    return {
        "name": spec.name,
        "title": spec.title,
        "entity": spec.entity,
        "timezone": spec.timezone,
        "ae_titles": list(spec.ae_titles),
        "policies": list(spec.policies),
        "plan": spec.plan,
    }


def spec_of(data: Mapping[str, JsonValue]) -> InstitutionSpec:
    """Return the institution that `particulars` describe."""
    return InstitutionSpec(
        name=text_of(data, "name"),
        title=optional_text_of(data, "title"),
        entity=optional_text_of(data, "entity"),
        timezone=text_of(data, "timezone"),
        ae_titles=_texts(data, "ae_titles"),
        policies=_texts(data, "policies"),
        plan=optional_text_of(data, "plan"),
    )


def _texts(data: Mapping[str, JsonValue], name: str) -> tuple[str, ...]:
    return tuple(str(text) for text in list_of(data, name)) if name in data else ()


def _decides(spec: InstitutionSpec) -> tuple[object, ...]:
    """Return the particulars that decisions look at."""
    return spec.name, spec.entity, spec.timezone, spec.policies, spec.plan
