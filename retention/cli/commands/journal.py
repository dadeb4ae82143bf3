"""`journal …`: the tamper-evident journal, its seals, and proofs of it for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.paging import Limit

if TYPE_CHECKING:
    from retention.cli.documents.journal import (
        JournalCosign,
        JournalEntry,
        JournalExport,
        JournalProve,
        JournalSeal,
        JournalShow,
        JournalVerify,
    )
    from retention.journal.check import JournalProblem
    from retention.journal.seals import Seal
    from retention.journal.trust import Trust
    from retention.services.stores import Stores
    from retention.services.verifying import Verification
    from retention.services.volumes import VolumeSet

Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")]
MAX_FILE_BYTES = 1 << 22


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The tamper-evident journal.")
    group.callback()(_group)
    group.command("verify")(verify)
    group.command("seal")(seal)
    group.command("show")(show)
    group.command("prove")(prove)
    group.command("export")(export)
    group.command("cosign")(cosign)
    app.add_typer(group, name="journal")


def _group() -> None:
    """The tamper-evident journal."""


@command("journal verify")
def verify(
    trust: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keys, certificates and checkpoints that you had before."),
    ] = None,
) -> Result[JournalVerify]:
    """Read every replica, compare it with every seal, and say what is wrong where.

    Consistent is not yet trusted: that needs something from outside, to compare with.
    """
    from retention.model.clock import format_instant
    from retention.services.verifying import verify_journal

    known = None if trust is None else _trust(trust)
    with closing(current.open()) as stores:
        found = verify_journal(stores, known)
        found.problems += _absent_replicas(stores.volumes)
    data: JournalVerify = {
        "entries": found.entries,
        "tree_size": found.entries,
        "root": found.root.hex(),
        "valid": found.valid,
        "trusted": found.trusted and found.valid,
        "timestamps": found.timestamps,
        "lapsed_timestamps": found.lapsed,
        "timestamps_until": None
        if found.timestamps_until is None
        else format_instant(found.timestamps_until),
        "seals": found.seals,
        "sealed": found.sealed,
        "compared_with": found.compared_with,
        "first_bad_entry": found.first_bad,
        "problems": [
            {"kind": p.kind, "volume": p.replica, "file": p.key, "entry": p.seq, "detail": p.detail}
            for p in found.problems
        ],
    }
    is_good = found.valid and (known is None or found.trusted)
    return Result(data, _verified(found), exit_codes.DONE if is_good else exit_codes.FINDINGS)


def _verified(found: Verification) -> Iterator[str]:
    root, entries = found.root.hex(), found.entries
    if found.valid:
        yield current.say("journal.valid", entries=entries, root=root)
    else:
        yield current.say("journal.invalid", entries=entries, root=root, problems=len(found.problems))
        if found.first_bad is not None:
            yield current.say("journal.first_bad", entry=found.first_bad)
    for problem in found.problems:
        volume = problem.replica or "-"
        yield current.say(
            "journal.problem", volume=volume, file=problem.key, detail=current.told(problem.detail)
        )
    yield from (current.say("journal.compared", what=current.told(what)) for what in found.compared_with)
    yield current.say("journal.sealed", seals=found.seals, sealed=found.sealed, timestamps=found.timestamps)
    if found.lapsed:
        yield current.say("journal.lapsed", lapsed=found.lapsed)
    if found.timestamps_until is not None:
        yield current.say("journal.until", until=f"{found.timestamps_until:%Y-%m-%d}")
    yield current.say("journal.trusted" if found.trusted else "journal.not_trusted")


def _trust(path: Path) -> Trust:
    from retention.journal.trust import Trust

    try:
        return Trust.parse(_text(path).decode())
    except ValueError as error:
        raise current.usage_error("journal.no_trust", file=path, reason=error) from error


def _text(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_FILE_BYTES)


@command("journal seal")
def seal(
    cosigned: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add the signatures of a cosigned seal instead of making one."),
    ] = None,
) -> Result[JournalSeal]:
    """Seal the journal: a signed checkpoint on every volume, timestamped where an authority is named."""
    from retention.services import seal as sealing

    with closing(current.open(to_write=True)) as stores:
        if cosigned is not None:
            try:
                found = sealing.add_signatures(stores, _text(cosigned).decode())
            except ValueError as error:
                raise current.usage_error("journal.not_ours", file=cosigned, reason=error) from error
            return _sealed(stores, found, [], 0, None)
        made = sealing.seal_journal(stores)
        return _sealed(stores, made.seal, list(made.volumes), made.timestamped, made.why_not)


def _sealed(
    stores: Stores, found: Seal, volumes: list[str], timestamped: int, why_not: str | None
) -> Result[JournalSeal]:
    from retention.model.clock import format_instant
    from retention.services.signing import known_key

    key = known_key(stores)
    data: JournalSeal = {
        "size": found.size,
        "root": found.checkpoint.root.hex(),
        "sealed": format_instant(found.sealed_at),
        "volumes": volumes,
        "signatures": [name for name, _, _ in found.note.signatures],
        "timestamped": timestamped,
        "not_timestamped": why_not,
        "checkpoint": found.note.encode(),
        "key": None if key is None else str(key),
    }
    lines = [current.say("journal.made", size=found.size, signatures=", ".join(data["signatures"]))]
    if timestamped:
        lines.append(current.say("journal.timestamped", count=timestamped))
    if why_not:
        lines.append(current.say("journal.not_timestamped", why=why_not))
    lines.append(current.say("journal.keep", key=data["key"] or "-"))
    return Result(data, [*lines, found.note.encode().rstrip()])


@command("journal show")
def show(
    first: Annotated[int, typer.Option("--from", min=0, metavar="N", help="Begin with this entry.")] = 0,
    action: Annotated[str | None, typer.Option(metavar="NAME", help="Only this action.")] = None,
    limit: Limit = None,
) -> Result[JournalShow]:
    """The entries' public parts, in order."""
    stores = current.open()

    def rows() -> Iterator[JournalEntry]:
        with closing(stores):
            found = stores.journal.read(first) if first < stores.journal.size else iter(())
            chosen = (entry for entry in found if action in (None, entry.envelope.action))
            for entry in islice(chosen, limit):
                envelope = entry.envelope
                yield {
                    "seq": envelope.seq,
                    "at": envelope.at.isoformat().replace("+00:00", "Z"),
                    "actor": envelope.actor,
                    "action": envelope.action,
                    "institution": envelope.institution,
                    "objects": {kind: str(name) for kind, name in envelope.objects.items()},
                    "data": dict(envelope.data),
                    "payload_bytes": 0 if envelope.payload is None else envelope.payload.size_bytes,
                }

    found = rows()
    lines = (
        current.say("journal.entry", seq=row["seq"], at=row["at"], action=row["action"], data=row["data"])
        for row in found
    )
    data: JournalShow = {"entries": found}
    return Result(data, lines, rows="entries")


@command("journal prove")
def prove(
    identifier: Annotated[
        str | None, typer.Argument(metavar="ID", help="An entry's number, or what it is about.")
    ] = None,
    first: Annotated[
        int | None, typer.Option("--from", metavar="N", help="Prove that the journal continues its first N.")
    ] = None,
    out: Out = None,
) -> Result[JournalProve]:
    """Prove to outsiders that an entry is in the journal, or that the journal continues what they saw of it."""
    from retention.services import proving

    if (identifier is None) == (first is None):
        raise current.usage_error("journal.prove_which")
    with closing(current.open()) as stores:
        if identifier is not None:
            proofs = proving.prove(stores, identifier)
        else:
            proofs = [proving.consistency_document(stores, first or 0)]
    if out is not None:
        out.write_bytes(b"".join(map(proving.proof_text, proofs)))
    data: JournalProve = {"proofs": proofs, "file": None if out is None else str(out)}
    lines = [current.say("journal.proved", count=len(proofs))]
    if out is None:
        lines = [proving.proof_text(proof).decode().rstrip() for proof in proofs]
    return Result(data, lines)


@command("journal export")
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
) -> Result[JournalExport]:
    """Write the public lines, the seals and the timestamps to a folder."""
    from retention.services.proving import export_journal

    with closing(current.open()) as stores:
        entries, files = export_journal(stores, out)
    data: JournalExport = {"entries": entries, "directory": str(out), "files": files}
    return Result(data, [current.say("journal.exported", entries=entries, directory=out)])


@command("journal cosign")
def cosign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Another archive's seal, or its proof.")],
    out: Out = None,
) -> Result[JournalCosign]:
    """Sign another archive's checkpoint as a witness, if it continues what was seen of that journal."""
    from retention.services.proving import cosign_file

    text = _text(file)
    with closing(current.open(to_write=True)) as stores:
        signed = cosign_file(stores, text)
    note = signed.note.encode()
    if out is not None:
        out.write_text(note)
    data: JournalCosign = {
        "origin": signed.checkpoint.origin,
        "size": signed.size,
        "signatures": [name for name, _, _ in signed.note.signatures],
        "checkpoint": note,
        "file": None if out is None else str(out),
    }
    said = current.say("journal.cosigned", origin=data["origin"], size=signed.size)
    return Result(data, [said] if out is not None else [note.rstrip()])


def _absent_replicas(volumes: VolumeSet) -> Iterator[JournalProblem]:
    """Yield the replicas that could not even be read: their volumes are not there."""
    from retention.journal.check import JournalProblem
    from retention.model.findings import FindingKind
    from retention.storage.state import VolumeState

    for name in volumes.replica_names():
        state = volumes[name].probe()
        if state is VolumeState.EMPTIED:
            yield JournalProblem(FindingKind.MISSING, name, "journal", None, state.value)
        elif not state.is_readable:
            yield JournalProblem(FindingKind.UNREADABLE, name, "journal", None, state.value)
