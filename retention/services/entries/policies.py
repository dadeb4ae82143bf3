"""Entries about policies: a version is put in force, with its whole text in the payload.

The text is sealed under the index key, since a policy binds the archive and no patient is named in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention.catalog.policy_records import PolicyRecord
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.services import payloads
from retention.services.entries.acting import Deed
from retention.services.entries.applying import Applying
from retention.services.events import text_of

if TYPE_CHECKING:  # what reads policies is loaded by who meets one: every command that writes comes by here
    from retention.policy.loading import Loaded

POLICY_APPLY = "policy.apply"


def record_of(loaded: Loaded) -> PolicyRecord:
    """Return a document as the catalog keeps it."""
    document = loaded.document
    return PolicyRecord(
        document.digest(), document.kind, document.name, document.version, document.canonical(), loaded.source
    )


def apply_entry(
    key: OpenKey,
    deed: Deed,
    policy: PolicyRecord,
    *,
    replaces: str | None,
    is_loosening: bool,
    reason: str | None,
    approval: str | None = None,
) -> NewEntry:
    """Return the entry that puts a version in force. `replaces` is the digest of the version before.

    `approval`: the request by which a second person let a loosening pass; such a version retires the one before.
    """
    return NewEntry(
        deed.at,
        deed.actor,
        POLICY_APPLY,
        data={
            "kind": policy.kind,
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "replaces": replaces,
            "loosening": is_loosening,
            "approval": approval,
            "by": deed.by,
        },
        payload=payloads.seal({"text": policy.source, "reason": reason}, key),
        payload_key=key.key_id,
    )


def apply(applying: Applying, entry: Entry) -> None:
    """The version is the one of its name from this entry on, and binds whoever lists it."""
    from retention.policy.documents import RetentionPolicy
    from retention.policy.loading import read_policy_file

    data = entry.envelope.data
    body = applying.payloads.read(entry)
    if body is None:
        raise ValueError("the text of a policy cannot be read")
    (loaded,) = read_policy_file(text_of(body, "text"), text_of(data, "name")).documents
    policy = record_of(loaded)
    if policy.digest != text_of(data, "digest"):
        raise ValueError("the text of a policy is not what its digest says")
    document = loaded.document
    applying.transaction.policies.put_in_force(
        policy,
        effective_on=document.effective_on if isinstance(document, RetentionPolicy) else None,
        sequence=entry.envelope.seq,
        at=entry.envelope.at,
        retires=data.get("loosening") is True,
    )
