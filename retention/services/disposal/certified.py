"""A certificate as it is handed out: the document, and the journal's proof that it was entered.

The proof is made when it is asked for, against a checkpoint signed then: with `journal verify`'s trust file anybody can
check that the entry is in the journal (RFC 9162 §2.1.3), and that the document is the one whose digest the entry has.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from retention.model.canonical import JsonValue
from retention.model.errors import NotFoundError
from retention.services.disposal.proposals import find
from retention.services.signing import signed_checkpoint
from retention.services.stores import Stores
from retention.services.tree import open_tree


def certified(stores: Stores, proposal_id: str) -> dict[str, JsonValue]:
    """Return the certificate of a proposal with its proof. Raises NotFoundError before it was executed."""
    record = find(stores, proposal_id)
    certificate = stores.catalog.disposals.certificate(record.proposal_id)
    if certificate is None:
        raise NotFoundError(
            f"proposal {record.proposal_id} has no certificate: it is {record.state}",
            hint="retention disposal execute makes it",
        )
    note, size = signed_checkpoint(stores), stores.journal.size
    with open_tree(stores) as tree:
        line = tree.line(certificate.sequence)
        proof = tree.inclusion(certificate.sequence, size, stores.journal.root())
    return {
        "certificate": json.loads(certificate.document),
        "proof": {
            "entry": certificate.sequence,
            "line": line.decode(),
            "tree_size": size,
            "inclusion": [base64.b64encode(one).decode() for one in proof],
            "checkpoint": note.encode(),
        },
    }


def certified_text(document: Mapping[str, JsonValue]) -> str:
    """Return the same for people: one line a fact, nested ones indented."""
    return "\n".join(_lines(document, 0)) + "\n"


def _lines(value: JsonValue, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, Mapping):
        lines = []
        for name, one in value.items():
            if isinstance(one, Mapping | list) and one:
                lines += [f"{pad}{name}:", *_lines(one, depth + 1)]
            else:
                lines.append(f"{pad}{name}: {'-' if one in (None, [], {}) else one}")
        return lines
    if isinstance(value, list):
        return [line for one in value for line in (f"{pad}-", *_lines(one, depth + 1))]
    return [f"{pad}{value}"]
