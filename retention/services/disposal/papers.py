"""The papers of a disposal as PDF: the bordereau for those who approve, the certificate for whoever asks later.

Both are signed inside; the certificate carries its JSON form, with the journal's proof, as an attachment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.reports.pdf import typeset
from retention.services import initialise
from retention.services.disposal.bordereau import Bordereau
from retention.services.signed_pdf import signed_pdf
from retention.services.stores import Stores


def bordereau_pdf(stores: Stores, bordereau: Bordereau, language: str) -> bytes:
    """Return the bordereau as PDF. Raises UsageError (libraries), KeyUnavailableError."""
    at = stores.clock.now()
    document: dict[str, JsonValue] = {
        **bordereau.document(),
        "archive": stores.settings.name,
        "rehearsal": initialise.is_rehearsal(stores),
        "made_at": format_instant(at),
        "language": language,
    }
    return signed_pdf(stores, typeset(canonical_json(document), language, at, "bordereau"), at)[0]


def certificate_pdf(stores: Stores, certified: Mapping[str, JsonValue], language: str) -> bytes:
    """Return a certificate with its proof as PDF. Raises UsageError (libraries), KeyUnavailableError."""
    at = stores.clock.now()
    document = canonical_json({**certified, "language": language})
    attached = (json.dumps(certified, ensure_ascii=False, indent=2) + "\n").encode()
    return signed_pdf(stores, typeset(document, language, at, "certificate", attached), at)[0]
