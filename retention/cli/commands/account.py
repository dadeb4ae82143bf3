"""`account add|list|lock|unlock|password`: names and passwords that the archive keeps itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.commands.token import Institutions, Roles, institution_ids, role_rows, said_roles
from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.credentials import CredentialRecord
    from retention.cli.documents.account import AccountChanged, AccountList, AccountRow
    from retention.services.stores import Stores

Name = Annotated[str, typer.Argument(metavar="NAME", help="As its owner is called.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Accounts for DICOMweb: name and password.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(list_accounts)
    group.command("lock")(lock)
    group.command("unlock")(unlock)
    group.command("password")(password)
    app.add_typer(group, name="account")


@command("account add")
def add(name: Name, institution: Institutions = None, role: Roles = None) -> Result[AccountChanged]:
    """Make an account; without a role it has those of the registered person of that name."""
    from retention.cli.passwords import new_password
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        places = institution_ids(stores, institution)
        record = credentials.add_account(stores, name, places, role or (), new_password())
        return _changed(stores, record, "account.added")


@command("account list")
def list_accounts() -> Result[AccountList]:
    """List every account, with what it may do."""
    from retention.catalog.credentials import CredentialKind

    with closing(current.open()) as stores:
        rows = [_row(stores, record) for record in stores.catalog.credentials.all(CredentialKind.ACCOUNT)]
    return Result({"accounts": rows}, _lines(rows), rows="accounts")


@command("account lock")
def lock(name: Name) -> Result[AccountChanged]:
    """Let nobody in by an account until it is unlocked."""
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        return _changed(stores, credentials.lock_account(stores, name), "account.locked")


@command("account unlock")
def unlock(name: Name) -> Result[AccountChanged]:
    """Let the owner of an account in again."""
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        return _changed(stores, credentials.unlock_account(stores, name), "account.unlocked")


@command("account password")
def password(name: Name) -> Result[AccountChanged]:
    """Give an account another password."""
    from retention.cli.passwords import new_password
    from retention.services.identity import credentials

    with closing(current.open(to_write=True)) as stores:
        credentials.find_account(stores, name)
        record = credentials.set_password(stores, name, new_password())
        return _changed(stores, record, "account.changed")


def _changed(stores: Stores, record: CredentialRecord, said: str) -> Result[AccountChanged]:
    row = _row(stores, record)
    lines = [current.say(said, name=record.name), *_lines([row])]
    return Result({"accounts": [row]}, lines, rows="accounts")


def _row(stores: Stores, record: CredentialRecord) -> AccountRow:
    person = stores.catalog.people.get(record.credential_id)
    grants = record.grants or (() if person is None else person.roles)
    return {
        "id": record.credential_id,
        "name": record.name,
        "roles": role_rows(stores, grants),
        "made": format_instant(record.made_at),
        "is_locked": record.locked_at is not None,
    }


def _lines(rows: Sequence[AccountRow]) -> Iterator[str]:
    if not rows:
        yield current.say("account.none")
        return
    headings = [current.say(f"account.{name}") for name in ("name", "roles", "state")]
    states = {True: current.say("account.is_locked"), False: current.say("account.is_open")}
    yield from table_lines(
        headings, ([row["name"], said_roles(row["roles"]), states[row["is_locked"]]] for row in rows)
    )
