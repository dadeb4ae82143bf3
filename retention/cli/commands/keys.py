"""`keys status`: the keyring, and whether the recovery key was put away."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import Result, command, current

if TYPE_CHECKING:
    from retention.cli.documents.keys import KeysStatus


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The keyring.")
    group.callback()(_group)
    group.command("status")(status)
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
    from retention.services.keys import record_recovery_stored

    with closing(current.open(to_write=recovery_stored)) as stores:
        if recovery_stored:
            record_recovery_stored(stores)
        found, stored = stores.keyring.status(), stores.catalog.state(events.RECOVERY_STORED)
    data: KeysStatus = {
        "root_key": found.root_key_id,
        "recovery_key": found.recovery_key_id,
        "recovery_stored": stored,
        "institutions": found.institutions,
        "package_keys": found.package_keys,
        "patient_keys": found.patient_keys,
        "replicas": list(found.replicas),
        "unreachable": list(found.unreachable),
    }
    lines = [
        current.say("keys.status", institutions=found.institutions, replicas=", ".join(found.replicas)),
        current.say("keys.stored", at=stored) if stored else current.say("keys.not_stored"),
    ]
    return Result(data, lines)
