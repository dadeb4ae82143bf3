"""Proofs for outsiders: that an entry is in the journal, that a journal continues what was seen of it, all its lines.

What is handed out is public: envelopes, hashes, seals. Who has it needs RFC 9162 and a public key, not this program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from retention.journal.checkpoint import cosign
from retention.journal.envelope import NewEntry
from retention.journal.merkle import leaf_hash, verify_consistency
from retention.journal.seals import Seal, seal_key, timestamp_key
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.errors import InputError, NotFoundError, UsageError
from retention.services import commit
from retention.services.entries.sealing import COSIGN, COSIGN_REFUSED, witnessed_state
from retention.services.seal import find_seals
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.services.tree import Tree, open_tree

PROOF = "retention/journal-proof/v1"
MAX_PROOF_BYTES = 1 << 22


def _numbers_of(stores: Stores, wanted: str) -> list[int]:
    """Return the entry of that number, or all that are about an object of that identifier. Raises NotFoundError."""
    if wanted.isascii() and wanted.isdecimal():
        found = [int(wanted)] if int(wanted) < stores.journal.size else []
    else:
        name = wanted.encode()
        found = [
            entry.envelope.seq
            for entry in stores.journal.read()
            if name in entry.line and wanted in entry.envelope.objects.values()
        ]
    if not found:
        raise NotFoundError(
            f"no journal entry is called {wanted}, or about it", hint="retention journal show"
        )
    return found


def prove(stores: Stores, wanted: str) -> list[dict[str, JsonValue]]:
    """Return a proof document for each entry: that it is in the tree of the last seal over it, and that the tree
    continues that of the seal before. Raises NotFoundError; UsageError when no seal is over an entry yet;
    JournalBrokenError when the seal is not over what the journal has."""
    with open_tree(stores) as tree:
        numbers = _numbers_of(stores, wanted)
        seals = find_seals(stores).seals()
        return [_document(tree, seq, *_seals_over(seq, seals)) for seq in numbers]


def consistency_document(stores: Stores, first: int) -> dict[str, JsonValue]:
    """Return what a witness needs that saw the first `first` entries: the last seal, and the proof that it continues.

    Raises UsageError when there is no seal, or `first` lies behind it; JournalBrokenError.
    """
    seals = find_seals(stores).seals()
    if not seals or first > seals[-1].size:
        raise UsageError("there is no seal over so many entries", hint="retention journal seal")
    seal = seals[-1].checkpoint
    with open_tree(stores) as tree:
        proof = tree.consistency(first, tree.root(first), seal.size, seal.root)
    return {
        "schema": PROOF,
        "checkpoint": seals[-1].note.encode(),
        "consistency": {"first": first, "second": seal.size, "proof": _hex(proof)},
    }


def cosign_file(stores: Stores, text: bytes) -> Seal:
    """Sign another archive's checkpoint as a witness, once it is shown to continue what was seen of that journal.

    `text` is what `consistency_document` gave, or (the first time) the seal alone. Raises InputError for what is
    neither, or does not continue what was cosigned before; KeyUnavailableError.
    """
    seal, proof = _offered(text)
    origin = seal.checkpoint.origin
    signer = archive_signer(stores)
    if origin == signer.name:
        raise UsageError(
            "an archive is no witness of its own journal", hint="another institution's archive is"
        )
    seen = stores.catalog.state(witnessed_state(origin))
    if seen is not None:
        size, root = int(seen.split(" ")[0]), bytes.fromhex(seen.split(" ")[1])
        if not verify_consistency(size, seal.size, proof, root, seal.checkpoint.root):
            refused: dict[str, JsonValue] = {"origin": origin, "size": seal.size, "seen": size}
            entry = NewEntry(stores.clock.now(), stores.actor, COSIGN_REFUSED, data=refused)
            commit.append(stores, [entry])
            raise InputError(
                f"this checkpoint of {origin} is not shown to continue the {size} entries that were cosigned before",
                hint=f"ask for a consistency proof: retention journal prove --from {size}",
            )
    data: dict[str, JsonValue] = {
        "origin": origin,
        "size": seal.size,
        "root": seal.checkpoint.root.hex(),
        "digest": seal.digest.hex(),
    }
    commit.append(stores, [NewEntry(stores.clock.now(), stores.actor, COSIGN, data=data)])
    return Seal.parse(cosign(seal.note, signer).encode())


def export_journal(stores: Stores, out: Path) -> tuple[int, list[str]]:
    """Write every line as it stands, the seals and the timestamps to a new folder; return how many entries, the files.

    Raises UsageError when the folder is there and not empty, or lies inside the archive.
    """
    if out.resolve().is_relative_to(stores.root.resolve()):
        raise UsageError(f"{out} lies inside the archive", hint="name a folder outside of it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty", hint="name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    files, count = ["journal.jsonl"], 0
    with open(out / files[0], "wb") as file:
        for entry in stores.journal.read():
            file.write(entry.line + b"\n")
            count += 1
    for size, found in find_seals(stores).by_size.items():
        for key, contents in ((seal_key(size), found.notes), (timestamp_key(size), found.timestamps)):
            if contents:
                path = out / key
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(next(iter(contents.values())))
                files.append(key)
    return count, files


def _offered(text: bytes) -> tuple[Seal, list[bytes]]:
    try:
        if not text.startswith(b"{"):
            return Seal.parse(text.decode()), []
        document = _mapping(parse_canonical(text.strip()))
        proof = _mapping(document.get("consistency")).get("proof")
        hashes = [bytes.fromhex(str(one)) for one in proof] if isinstance(proof, list) else []
        return Seal.parse(str(document.get("checkpoint"))), hashes
    except ValueError as error:
        raise InputError(f"this is no checkpoint that could be cosigned: {error}") from error


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _seals_over(seq: int, seals: list[Seal]) -> tuple[Seal | None, Seal]:
    over = [seal for seal in seals if seal.size > seq]
    if not over:
        raise UsageError(f"no seal is over entry {seq} yet", hint="retention journal seal")
    before = [seal for seal in seals if seal.size < over[-1].size]
    return (before[-1] if before else None), over[-1]


def _document(tree: Tree, seq: int, before: Seal | None, after: Seal) -> dict[str, JsonValue]:
    line, over = tree.line(seq), after.checkpoint
    document: dict[str, JsonValue] = {
        "schema": PROOF,
        "entry": line.decode(),
        "index": seq,
        "leaf": leaf_hash(line).hex(),
        "checkpoint": after.note.encode(),
        "inclusion": _hex(tree.inclusion(seq, over.size, over.root)),
    }
    if before is not None:
        document["earlier"] = before.note.encode()
        proof = tree.consistency(before.size, before.checkpoint.root, over.size, over.root)
        document["consistency"] = {"first": before.size, "second": over.size, "proof": _hex(proof)}
    return document


def _hex(hashes: Iterable[bytes]) -> list[JsonValue]:
    return [one.hex() for one in hashes]


def proof_text(document: Mapping[str, JsonValue]) -> bytes:
    """Return a proof document as it is handed on."""
    return canonical_json(dict(document)) + b"\n"
