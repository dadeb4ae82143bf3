"""What lets an attestation verify alone: entries of the journal, their place in the signed tree, the seals over them.

The invariant: proofs come from `services.tree`, which verifies each before it hands it out; the seal that is named for
an entry is the earliest one over it that is timestamped, so that it says when the entry was there at the latest.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from retention.journal.checkpoint import Checkpoint, Signer, sign
from retention.journal.envelope import parse_line
from retention.journal.seals import Seal, check_chain
from retention.model.canonical import JsonValue
from retention.reports.standalone.notes import NotValidError
from retention.reports.standalone.stamps import check_timestamp
from retention.services.seal import FoundSeals, find_seals
from retention.services.stores import Stores
from retention.services.tree import Tree, open_tree

OK, KO, NONE = "OK", "KO", "NONE"
MERKLE_INTEGRITY, CHAIN, TIMESTAMP = "MERKLE_INTEGRITY", "CHAIN", "TIMESTAMP"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The proof as the document has it, and what was found while making it; `actors`: who made each entry."""

    proof: dict[str, JsonValue]
    checks: list[JsonValue]
    actors: Mapping[int, str]


def check(name: str, result: str, detail: str | None = None) -> dict[str, JsonValue]:
    """Return one check as a document has it; NONE: there was nothing to check."""
    return {"check": name, "result": result, "detail": detail}


def evidence_for(stores: Stores, signer: Signer, sequences: Iterable[int]) -> Evidence:
    """Return the proof of these entries. Raises JournalBrokenError when the journal does not agree with itself."""
    wanted, found = sorted(set(sequences)), find_seals(stores)
    size, root = stores.journal.size, stores.journal.root()
    over = {seq: _seal_over(seq, found) for seq in wanted}
    seals = sorted(
        {seal.size: seal for seal in over.values() if seal is not None}.values(), key=lambda s: s.size
    )
    places = {seal.size: place for place, seal in enumerate(seals)}
    with open_tree(stores) as tree:
        lines = {seq: tree.line(seq) for seq in wanted}
        entries: list[JsonValue] = [_entry(tree, seq, (size, root), over[seq], places) for seq in wanted]
        rows: list[JsonValue] = [_seal(tree, seal, (size, root), found) for seal in seals]
    note = sign(Checkpoint(signer.name, size, root).text(), signer)
    proof: dict[str, JsonValue] = {"checkpoint": note.encode(), "entries": entries, "seals": rows}
    checks: list[JsonValue] = [
        check(MERKLE_INTEGRITY, OK, f"{len(entries)} / {len(entries)}"),
        _chain(found, signer),
        _timestamps(seals, found),
    ]
    actors = {seq: parse_line(line).actor for seq, line in lines.items()}
    return Evidence(proof, checks, actors)


def _seal_over(seq: int, found: FoundSeals) -> Seal | None:
    over = [files for size, files in sorted(found.by_size.items()) if size > seq and files.seal is not None]
    stamped = [files for files in over if files.answer is not None]
    return next((files.seal for files in (*stamped[:1], *over[:1])), None)


def _entry(
    tree: Tree, seq: int, now: tuple[int, bytes], seal: Seal | None, places: dict[int, int]
) -> dict[str, JsonValue]:
    row: dict[str, JsonValue] = {
        "index": seq,
        "line": tree.line(seq).decode(),
        "inclusion": _hex(tree.inclusion(seq, *now)),
        "seal": None,
    }
    if seal is None:
        return row
    sealed = tree.inclusion(seq, seal.size, seal.checkpoint.root)
    return row | {"seal": places[seal.size], "sealed": _hex(sealed)}


def _seal(tree: Tree, seal: Seal, now: tuple[int, bytes], found: FoundSeals) -> dict[str, JsonValue]:
    answer = found.by_size[seal.size].answer
    return {
        "note": seal.note.encode(),
        "consistency": _hex(tree.consistency(seal.size, seal.checkpoint.root, *now)),
        "timestamp": None if answer is None else base64.b64encode(answer[0]).decode(),
    }


def _chain(found: FoundSeals, signer: Signer) -> dict[str, JsonValue]:
    seals = found.seals()
    if not seals:
        return check(CHAIN, NONE, "0 / 0")
    problems = check_chain(seals, [signer.verifier])
    return (
        check(CHAIN, KO, problems[0].detail) if problems else check(CHAIN, OK, f"{len(seals)} / {len(seals)}")
    )


def _timestamps(seals: Sequence[Seal], found: FoundSeals) -> dict[str, JsonValue]:
    answers = [(seal, found.by_size[seal.size].answer) for seal in seals]
    stamped = [(seal, answer[0]) for seal, answer in answers if answer is not None]
    if not stamped or len(stamped) < len(answers):
        return check(TIMESTAMP, NONE, f"{len(stamped)} / {len(answers)}")
    for seal, answer in stamped:
        try:
            check_timestamp(answer, seal.stamped, [])
        except NotValidError as error:
            return check(TIMESTAMP, KO, str(error))
    return check(TIMESTAMP, OK, f"{len(stamped)} / {len(answers)}")


def _hex(hashes: Iterable[bytes]) -> list[JsonValue]:
    return [one.hex() for one in hashes]
