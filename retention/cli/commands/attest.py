"""`attest …`: what the archive puts its name to about one study or one disposal, in a file that verifies alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution

if TYPE_CHECKING:
    from retention.cli.documents.attest import Attested
    from retention.services.attest.attestation import Kind

Study = Annotated[str, typer.Argument(metavar="UID", help="Its Study Instance UID.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The new file: .pdf, else JSON.")]
Whose = Annotated[str | None, typer.Option(metavar="NAME", help="Whose study.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Attestations that verify alone.")
    group.callback()(_group)
    group.command("deposit")(deposit)
    group.command("integrity")(integrity)
    group.command("restitution")(restitution)
    group.command("destruction")(destruction)
    app.add_typer(group, name="attest")


def _group() -> None:
    """Attestations that verify alone: retention report verify checks them."""


@command("attest deposit")
def deposit(study: Study, out: Out, institution: Whose = None) -> Result[Attested]:
    """Attest what was deposited, when, and with which digests."""
    return _attest("deposit", study, out, institution)


@command("attest integrity")
def integrity(study: Study, out: Out, institution: Whose = None) -> Result[Attested]:
    """Read every object back from its medium and attest what was found: each check OK or KO."""
    return _attest("integrity", study, out, institution)


@command("attest restitution")
def restitution(study: Study, out: Out, institution: Whose = None) -> Result[Attested]:
    """Attest that a study was given back, to whom, and which copies the archive still has."""
    return _attest("restitution", study, out, institution)


@command("attest destruction")
def destruction(
    disposal: Annotated[
        str, typer.Argument(metavar="ID", help="A proposal, a certificate's number, or a Study Instance UID.")
    ],
    out: Out,
    institution: Whose = None,
) -> Result[Attested]:
    """Attest a destruction, with its certificate."""
    return _attest("destruction", disposal, out, institution)


def _attest(kind: Kind, subject: str, out: Path, institution: str | None) -> Result[Attested]:
    from retention.services.attest.attestation import attest, attestation_pdf

    if out.exists():
        raise current.usage_error("attest.exists", file=out)
    with closing(current.open(to_write=True)) as stores:
        require_institution(stores, institution)
        made = attest(stores, kind, subject, institution, current.language)
        is_pdf = out.suffix.lower() == ".pdf"
        data = attestation_pdf(stores, made, current.language) if is_pdf else made.data
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise current.usage_error("attest.exists", file=out) from None
    said: Attested = {
        "file": str(out),
        "id": made.attestation_id,
        "kind": made.kind,
        "failed_checks": sorted(set(made.failed)),
        "timestamped": made.is_timestamped,
        "signing_key": made.signing_key,
    }
    lines = [
        current.say("attest.written", file=out),
        *(current.say("attest.failed", check=check) for check in said["failed_checks"]),
        current.say("attest.stamped" if made.is_timestamped else "attest.not_stamped"),
        current.say("attest.key", key=made.signing_key),
    ]
    return Result(said, lines, exit_codes.FINDINGS if made.failed else exit_codes.DONE)
