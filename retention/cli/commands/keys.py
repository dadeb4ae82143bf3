"""`keys status|rotate|escrow|drill|recover`: the keyring, and what opens it when the root key file is lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current

if TYPE_CHECKING:
    from retention.cli.documents.keys import KeysDrill, KeysEscrow, KeysRecover, KeysRotate, KeysStatus

RecoveryKeyFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The recovery key, in a file.")]
Shares = Annotated[
    list[Path] | None, typer.Option("--share", metavar="FILE", help="A custodian's share (repeat).")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The keyring.")
    group.callback()(_group)
    group.command("status")(status)
    group.command("rotate")(rotate)
    group.command("escrow")(escrow)
    group.command("drill")(drill)
    group.command("recover")(recover)
    app.add_typer(group, name="keys")


def _group() -> None:
    """The keyring."""


@command("keys status")
def status(
    recovery_stored: Annotated[
        bool, typer.Option("--recovery-stored", help="Record that the recovery key was put away.")
    ] = False,
) -> Result[KeysStatus]:
    """Show the keyring; record that the recovery key was put away."""
    from retention.services import events
    from retention.services.entries.keys import KEYS_DRILL, KEYS_ESCROW
    from retention.services.keys import record_recovery_stored
    from retention.services.rotation import generations_of

    with closing(current.open(to_write=recovery_stored)) as stores:
        if recovery_stored:
            record_recovery_stored(stores)
        found, stored = stores.keyring.status(), stores.catalog.state(events.RECOVERY_STORED)
        escrowed, drilled = stores.catalog.state(KEYS_ESCROW), stores.catalog.state(KEYS_DRILL)
        generations = generations_of(stores)
    data: KeysStatus = {
        "root_key": found.root_key_id,
        "recovery_key": found.recovery_key_id,
        "recovery_stored": stored,
        "escrowed": escrowed,
        "drilled": drilled,
        "institutions": found.institutions,
        "generations": [
            {
                "institution": each.institution,
                "generation": each.generation,
                "since": each.since,
                "opens_only": each.opens_only,
            }
            for each in generations
        ],
        "package_keys": found.package_keys,
        "patient_keys": found.patient_keys,
        "replicas": list(found.replicas),
        "unreachable": list(found.unreachable),
    }
    lines = [
        current.say("keys.status", institutions=found.institutions, replicas=", ".join(found.replicas)),
        *(
            current.say("keys.generation", **each)
            for each in data["generations"]
            if each["generation"] > 1 and not each["opens_only"]
        ),
        *(current.say("keys.opens_only", **each) for each in data["generations"] if each["opens_only"]),
        current.say("keys.stored", at=stored) if stored else current.say("keys.not_stored"),
        *([current.say("keys.escrowed_at", at=escrowed)] if escrowed else []),
        current.say("keys.drilled_at", at=drilled) if drilled else current.say("keys.not_drilled"),
    ]
    return Result(data, lines)


@command("keys rotate")
def rotate(
    institution: Annotated[
        list[str] | None,
        typer.Option("--institution", metavar="NAME", help="Of this institution (repeat); else of all."),
    ] = None,
) -> Result[KeysRotate]:
    """Give institutions new keys, and put everything under them."""
    from retention.services import institutions, rotation

    with closing(current.open(to_write=True)) as stores:
        known = stores.catalog.institutions()
        chosen = [institutions.find(stores, name) for name in institution or []] or known
        done = rotation.rotate(stores, chosen)
    data: KeysRotate = {
        "institutions": [
            {
                "institution": each.institution,
                "generation": each.generation,
                "resumed": each.is_resumed,
                "rewrapped": each.rewrapped,
                "destroyed": each.destroyed,
                "kept": each.kept,
            }
            for each in done.institutions
        ],
        "behind": list(done.behind),
    }
    lines = [
        current.say("keys.resumed" if each["resumed"] else "keys.rotated", **each)
        for each in data["institutions"]
    ]
    if data["behind"]:
        lines.append(current.say("keys.behind", volumes=", ".join(data["behind"])))
    return Result(data, lines, exit_codes.PARTIAL if data["behind"] else exit_codes.DONE)


@command("keys escrow")
def escrow(
    shares: Annotated[int, typer.Option(metavar="N", help="How many custodians there are.")],
    threshold: Annotated[int, typer.Option(metavar="M", help="How many of them open the keyring.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for the files, one a custodian.")],
) -> Result[KeysEscrow]:
    """Share the root key out among custodians (SLIP-39)."""
    from retention.services import keys
    from retention.services.root_key_file import root_key_of

    with closing(current.open(to_write=True)) as stores:
        files = keys.escrow(stores, root_key_of(stores.root), shares, threshold, out)
        named = stores.keyring.root_key_id
    data: KeysEscrow = {
        "root_key": named,
        "shares": shares,
        "threshold": threshold,
        "files": [str(file) for file in files],
    }
    lines = [*data["files"], current.say("keys.escrowed", shares=shares, threshold=threshold)]
    return Result(data, lines)


@command("keys drill")
def drill(recovery_key_file: RecoveryKeyFile = None, share: Shares = None) -> Result[KeysDrill]:
    """Prove that the recovery key, or shares, open the keyring; nothing is changed."""
    from retention.archive import root_key_by
    from retention.keyring.rootkey import root_key_id
    from retention.services import keys
    from retention.services.entries.keys import KEYS_DRILL

    means = keys.means_from(recovery_key_file, share or [])
    named = root_key_id(root_key_by(current.root(), means))
    with closing(current.open(to_write=True)) as stores:
        keys.record(stores, KEYS_DRILL, keys.about(means, named))
    data: KeysDrill = {"root_key": named, "means": means.kind, "shares": len(means.shares)}
    return Result(data, [current.say("keys.drilled")])


@command("keys recover")
def recover(recovery_key_file: RecoveryKeyFile = None, share: Shares = None) -> Result[KeysRecover]:
    """Write the root key file anew, from the recovery key or from shares."""
    from retention.archive import root_key_by
    from retention.keyring.rootkey import root_key_id
    from retention.model.errors import ArchiveError
    from retention.services import keys
    from retention.services.entries.keys import KEYS_RECOVER
    from retention.services.root_key_file import recover_root_key_file

    means = keys.means_from(recovery_key_file, share or [])
    root = current.root()
    secret = root_key_by(root, means)
    file = recover_root_key_file(root, secret)
    named = root_key_id(secret)
    data: KeysRecover = {"root_key": named, "file": str(file), "recorded": True}
    lines = [current.say("keys.recovered", file=file)]
    try:
        with closing(current.open(to_write=True)) as stores:
            keys.record(stores, KEYS_RECOVER, keys.about(means, named))
    except ArchiveError as error:  # the catalog is gone too, for instance: the key is back all the same
        data["recorded"] = False
        lines.append(current.say("keys.not_recorded", why=current.told(error.message)))
    return Result(data, lines)
