"""`person add|list|role|key`: who may act, in which roles, with which keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.people import PersonRecord
    from retention.cli.documents.person import PersonChanged, PersonList, PersonRow
    from retention.model.identifiers import InstitutionId
    from retention.services.stores import Stores
    from retention.signatures.keys import PublicKey

Name = Annotated[str, typer.Argument(metavar="NAME", help="As the person is called.")]
Institutions = Annotated[
    list[str] | None,
    typer.Option("--institution", metavar="NAME", help="Where (default: the whole archive)."),
]
PublicKeyFile = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="The public key the person has already.")
]
NewKeyFile = Annotated[
    Path | None, typer.Option("--new-key", metavar="FILE", help="Make a key, and write it to this new file.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Who may act: people, their roles and keys.")
    group.command("add")(add)
    group.command("list")(list_people)
    group.command("role")(role)
    group.command("key")(key)
    app.add_typer(group, name="person")


@command("person add")
def add(
    name: Name,
    institution: Institutions = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="A role, or a named approver.")
    ] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where to reach the person.")] = None,
    public_key: PublicKeyFile = None,
    new_key: NewKeyFile = None,
) -> Result[PersonChanged]:
    """Register a person, who may have a key and roles."""
    from retention.services import registry

    with closing(current.open(to_write=True)) as stores:
        places = _places(stores, institution)
        for each in role or ():
            registry.require_role_word(each)
        record = registry.add(
            stores,
            registry.NewPerson(name, places, tuple(role or ()), email, _key(public_key, new_key)),
        )
        return _changed(stores, record, current.say("person.added", name=record.name))


@command("person role")
def role(
    name: Name,
    institution: Institutions = None,
    add: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Give it.")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Take it away.")] = None,
) -> Result[PersonChanged]:
    """Give and take roles."""
    from retention.services import registry

    if not add and not remove:
        raise current.usage_error("person.which")
    with closing(current.open(to_write=True)) as stores:
        places = _places(stores, institution)
        record = registry.change_roles(stores, name, places, add or (), remove or ())
        return _changed(stores, record, current.say("person.changed", name=record.name))


@command("person key")
def key(name: Name, public_key: PublicKeyFile = None, new_key: NewKeyFile = None) -> Result[PersonChanged]:
    """Let a person sign with another key from now on."""
    from retention.services import registry

    with closing(current.open(to_write=True)) as stores:
        registry.find(stores, name)
        found = _key(public_key, new_key)
        if found is None:
            raise current.usage_error("person.which_key")
        record = registry.set_key(stores, name, found)
        return _changed(stores, record, current.say("person.changed", name=record.name))


@command("person list")
def list_people() -> Result[PersonList]:
    """List everybody who is registered, with roles and keys."""
    with closing(current.open()) as stores:
        rows = [_row(record, _names(stores)) for record in stores.catalog.people.all()]
    return Result({"people": rows}, _lines(rows), rows="people")


def _changed(stores: Stores, record: PersonRecord, said: str) -> Result[PersonChanged]:
    row = _row(record, _names(stores))
    return Result({"people": [row]}, [said, *_lines([row])], rows="people")


def _lines(rows: Sequence[PersonRow]) -> Iterator[str]:
    if not rows:
        yield current.say("person.none")
        return
    headings = [current.say(f"person.{name}") for name in ("name", "roles", "key")]
    yield from table_lines(headings, ([row["name"], _said(row), row["key"] or "-"] for row in rows))


def _said(row: PersonRow) -> str:
    return ", ".join(
        each["role"] if each["institution"] is None else f"{each['role']}@{each['institution']}"
        for each in row["roles"]
    )


def _row(record: PersonRecord, names: dict[InstitutionId, str]) -> PersonRow:
    from retention.signatures.keys import PublicKey

    return {
        "id": record.person_id,
        "name": record.name,
        "email": record.email,
        "institutions": [names[each] for each in record.institutions],
        "roles": [
            {"institution": None if where is None else names[where], "role": role}
            for where, role in record.roles
        ],
        "key": None if record.public_key is None else PublicKey(record.public_key).fingerprint,
        "added": format_instant(record.added_at),
    }


def _names(stores: Stores) -> dict[InstitutionId, str]:
    return {each.institution_id: each.spec.name for each in stores.catalog.institutions()}


def _places(stores: Stores, names: Sequence[str] | None) -> tuple[InstitutionId, ...]:
    from retention.services import institutions

    return tuple(institutions.find(stores, name).institution_id for name in dict.fromkeys(names or ()))


def _key(public_key: Path | None, new_key: Path | None) -> PublicKey | None:
    """Return the key named, made now where it is new. Raises UsageError."""
    from retention.cli.keys import new_passphrase
    from retention.signatures.keys import make_private_key, read_key_file, read_public_key

    if public_key is not None and new_key is not None:
        raise current.usage_error("person.one_key")
    if new_key is not None:
        if new_key.exists():
            raise current.usage_error("person.key_exists", file=new_key)
        return make_private_key(new_key, new_passphrase())
    if public_key is None:
        return None
    try:
        return read_public_key(read_key_file(public_key))
    except ValueError as error:
        raise current.usage_error("person.no_key", file=public_key, why=str(error)) from None
