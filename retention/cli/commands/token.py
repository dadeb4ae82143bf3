"""`token create|list|revoke`: what programs and devices prove with, at the web door, who they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.credentials import CredentialRecord
    from retention.catalog.people import RoleAt
    from retention.cli.documents.person import PersonRole
    from retention.cli.documents.token import TokenCreated, TokenList, TokenRow
    from retention.model.identifiers import InstitutionId
    from retention.services.stores import Stores

DAYS = 90
"""For how long a token counts when nobody says it."""

Institutions = Annotated[
    list[str] | None,
    typer.Option("--institution", metavar="NAME", help="Where the roles count; without it, everywhere."),
]
Roles = Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="What it may do.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="API tokens for DICOMweb: made, listed, revoked.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_tokens)
    group.command("revoke")(revoke)
    app.add_typer(group, name="token")


@command("token create")
def create(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What it is for.")],
    institution: Institutions = None,
    role: Roles = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day it counts; 90 days on.")
    ] = None,
) -> Result[TokenCreated]:
    """Make a token; it is shown once."""
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        made = credentials.create_token(
            stores, label, institution_ids(stores, institution), role or (), _until(stores, until)
        )
        row = _row(stores, made.record)
    lines = [current.say("token.created", label=row["label"]), "", f"    {made.token.text}", ""]
    return Result({"tokens": [row], "token": made.token.text}, [*lines, *_lines([row])], rows="tokens")


@command("token list")
def list_tokens() -> Result[TokenList]:
    """List every token, with what it may do and until when."""
    from retention.catalog.credentials import CredentialKind

    with closing(current.open()) as stores:
        rows = [_row(stores, record) for record in stores.catalog.credentials.all(CredentialKind.TOKEN)]
    return Result({"tokens": rows}, _lines(rows), rows="tokens")


@command("token revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="How its id begins.")],
) -> Result[TokenList]:
    """End a token for ever."""
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        row = _row(stores, credentials.revoke_token(stores, token))
    said = current.say("token.revoked_now", label=row["label"])
    return Result({"tokens": [row]}, [said, *_lines([row])], rows="tokens")


def institution_ids(stores: Stores, names: Sequence[str] | None) -> tuple[InstitutionId, ...]:
    """Return the institutions of these names. Raises UsageError with a did-you-mean."""
    from retention.services import institutions

    return tuple(institutions.find(stores, name).institution_id for name in dict.fromkeys(names or ()))


def role_rows(stores: Stores, grants: Sequence[RoleAt]) -> list[PersonRole]:
    names = {each.institution_id: each.spec.name for each in stores.catalog.institutions()}
    return [{"institution": None if place is None else names[place], "role": role} for place, role in grants]


def said_roles(rows: Sequence[PersonRole]) -> str:
    return ", ".join(
        row["role"] if row["institution"] is None else f"{row['role']}@{row['institution']}" for row in rows
    )


def _until(stores: Stores, day: str | None) -> datetime:
    """Return the end of a day, in UTC."""
    if day is None:
        return stores.clock.now() + timedelta(days=DAYS)
    return datetime.combine(day_of(day) + timedelta(days=1), time(), UTC)


def _row(stores: Stores, record: CredentialRecord) -> TokenRow:
    until = record.until_at or record.made_at
    state = "valid" if stores.clock.now() < until else "expired"
    state = state if record.locked_at is None else "revoked"
    return {
        "id": record.credential_id,
        "label": record.name,
        "roles": role_rows(stores, record.grants),
        "made": format_instant(record.made_at),
        "until": format_instant(until),
        "state": state,
    }


def _lines(rows: Sequence[TokenRow]) -> Iterator[str]:
    if not rows:
        yield current.say("token.none")
        return
    headings = [current.say(f"token.{name}") for name in ("id", "label", "roles", "until", "state")]
    yield from table_lines(
        headings,
        (
            [
                row["id"],
                row["label"],
                said_roles(row["roles"]),
                row["until"][:10],
                current.say(f"token.{row['state']}"),
            ]
            for row in rows
        ),
    )
