"""Entries that hide instances from ordinary reading: what a rejection note asked for (IHE RAD TF-3, IOCM).

Hiding is no destroying: nothing leaves because of it, and what policies say of a study does not change.
"""

from __future__ import annotations

from retention.journal.envelope import Entry
from retention.model.canonical import JsonValue
from retention.model.identifiers import InstitutionId
from retention.services.entries.applying import Applying
from retention.services.events import list_of, text_of

INSTANCE_HIDE = "instance.hide"


def hide_data(code: str, digests: list[bytes]) -> dict[str, JsonValue]:
    """Return an entry's public data: why, and which instances, by keyed digest."""
    return {"code": code, "instances": [digest.hex() for digest in digests]}


def apply_hide(applying: Applying, entry: Entry) -> None:
    """From this entry on they are hidden."""
    data = entry.envelope.data
    digests = [bytes.fromhex(each) for each in list_of(data, "instances") if isinstance(each, str)]
    applying.transaction.hide_instances(
        InstitutionId(entry.envelope.institution or ""),
        bytes.fromhex(entry.envelope.objects["study"]),
        digests,
        (text_of(data, "code"), entry.envelope.seq),
    )
