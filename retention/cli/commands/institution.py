"""`institution add|set|list|show`: who owns studies, by which policies and plan, and which devices send for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.commands.policy_force import AllowShorten, Reason
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_known
from retention.cli.paging import After, Limit, page
from retention.cli.text import harmless, table_lines

if TYPE_CHECKING:
    from retention.catalog.records import InstitutionRecord
    from retention.cli.documents.institution import Institution, InstitutionList, InstitutionSet
    from retention.model.layout import InstitutionSpec
    from retention.services.stores import Stores

Name = Annotated[str, typer.Argument(metavar="NAME")]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="What people call it.")]
AeTitles = Annotated[
    list[str] | None, typer.Option("--ae-title", metavar="AE", help="A device that sends for it (repeat).")
]
Entity = Annotated[str | None, typer.Option(metavar="NAME", help="The legal body it belongs to.")]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Where its days begin and end: Europe/Paris.")
]
Policies = Annotated[
    list[str] | None, typer.Option("--policy", metavar="NAME", help="A policy that binds it (repeat).")
]
Plan = Annotated[str | None, typer.Option(metavar="NAME", help="Its storage plan.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Institutions: who owns studies, and what binds them.")
    group.command("add")(add)
    group.command("set")(set_particulars)
    group.command("list")(list_institutions)
    group.command("show")(show)
    app.add_typer(group, name="institution")


@command("institution add")
def add(
    name: Name,
    title: Title = None,
    ae_title: AeTitles = None,
    entity: Entity = None,
    timezone: Timezone = None,
    policy: Policies = None,
    plan: Plan = None,
) -> Result[InstitutionSet]:
    """Make an institution."""
    from retention.archive import add_institution
    from retention.model.layout import InstitutionSpec

    with closing(current.open(to_write=True)) as stores:
        spec = _changed(InstitutionSpec(name), title, ae_title, entity, timezone, policy, plan)
        record = add_institution(stores, spec)
    data: InstitutionSet = {"institution": _document(record), "approval": None}
    return Result(data, [current.say("institution.added", name=name), *_lines(data["institution"])])


@command("institution set")
def set_particulars(
    name: Name,
    title: Title = None,
    ae_title: AeTitles = None,
    entity: Entity = None,
    timezone: Timezone = None,
    policy: Policies = None,
    plan: Plan = None,
    allow_shorten: AllowShorten = False,
    reason: Reason = None,
) -> Result[InstitutionSet]:
    """Change an institution's particulars; what is not named stays. A list is given whole; an empty text empties it."""
    from retention.archive import change_institution
    from retention.services.loosening import Consent

    with closing(current.open(to_write=True)) as stores:
        before = _found(stores, name)
        spec = _changed(before.spec, title, ae_title, entity, timezone, policy, plan)
        approval = change_institution(stores, spec, Consent(allow_shorten, reason))
        data: InstitutionSet = {"institution": _document(_found(stores, name)), "approval": approval}
    if approval is not None:
        return Result(data, [current.say("policy.pending", approval=approval)], exit_codes.NOT_ALLOWED)
    return Result(data, _lines(data["institution"]))


def _changed(
    spec: InstitutionSpec,
    title: str | None,
    ae_titles: list[str] | None,
    entity: str | None,
    timezone: str | None,
    policies: list[str] | None,
    plan: str | None,
) -> InstitutionSpec:
    """Return the particulars with what was named on the command line; raises SettingsError for what cannot stand."""
    from retention.settings.load import require_institution_section

    changed = replace(
        spec,
        title=spec.title if title is None else title or None,
        ae_titles=spec.ae_titles if ae_titles is None else tuple(filter(None, ae_titles)),
        entity=spec.entity if entity is None else entity or None,
        timezone=timezone or spec.timezone,
        policies=spec.policies if policies is None else tuple(filter(None, policies)),
        plan=spec.plan if plan is None else plan or None,
    )
    require_institution_section(changed)
    return changed


@command("institution list")
def list_institutions(limit: Limit = None, after: After = None) -> Result[InstitutionList]:
    """List institutions."""
    with closing(current.open()) as stores:
        rows = [_document(record) for record in stores.catalog.institutions()]
    listed = list(page(rows, lambda row: row["name"], limit, after))
    names = ("name", "title", "policies", "plan", "ae_titles", "timezone")
    cells = (
        [
            row["name"],
            row["title"] or "-",
            ", ".join(row["policies"]) or "-",
            row["plan"] or "-",
            ", ".join(row["ae_titles"]) or "-",
            row["timezone"],
        ]
        for row in listed
    )
    lines = table_lines([current.say(f"institution.{name}") for name in names], cells)
    return Result({"institutions": listed}, lines, rows="institutions")


@command("institution show")
def show(name: Name) -> Result[Institution]:
    """Everything about one institution."""
    with closing(current.open()) as stores:
        data = _document(_found(stores, name))
    return Result(data, _lines(data))


def _found(stores: Stores, name: str) -> InstitutionRecord:
    known = {record.spec.name: record for record in stores.catalog.institutions()}
    require_known("institution", name, known)
    return known[name]


def _document(record: InstitutionRecord) -> Institution:
    spec = record.spec
    return {
        "name": spec.name,
        "id": record.institution_id,
        "title": spec.title,
        "entity": spec.entity,
        "timezone": spec.timezone,
        "ae_titles": list(spec.ae_titles),
        "policies": list(spec.policies),
        "plan": spec.plan,
        "entry": record.sequence,
    }


def _lines(row: Institution) -> Iterator[str]:
    values = {
        "name": row["name"],
        "title": row["title"],
        "entity": row["entity"],
        "timezone": row["timezone"],
        "ae_titles": ", ".join(row["ae_titles"]),
        "policies": ", ".join(row["policies"]) or current.say("institution.no_policy"),
        "plan": row["plan"],
    }
    for name, value in values.items():
        if value:
            yield current.say(
                "institution.particular", name=current.say(f"institution.{name}"), value=harmless(value)
            )
