"""The program's entry: global options, the tree of commands, and what is left of errors.

Commands import what they need when they run; building the tree imports nothing of the archive.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from retention import __version__
from retention.cli import exit_codes, output
from retention.cli.commands import archive, audit, catalog, journal, keys, quarantine, study, volume
from retention.cli.invocation import current
from retention.model.errors import RetentionError, UsageError

app = typer.Typer(
    name="retention",
    help="A long-term retention and compliance archive for medical imaging.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RETENTION"},
)

for group in (archive, study, audit, catalog, volume, quarantine, keys, journal):
    group.register(app)


def _print_version(value: bool) -> None:
    if value:
        print(f"retention {__version__}")
        raise typer.Exit


@app.callback()
def options(
    archive: Annotated[
        Path | None, typer.Option(help="The archive's folder.", envvar="RETENTION_ARCHIVE", show_default="here")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Act as if the clock showed this (rehearsal archives only).")
    ] = None,
    as_: Annotated[str | None, typer.Option("--as", metavar="PERSON", help="Who acts.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Lists as JSON Lines on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no warnings.")] = False,
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A long-term retention and compliance archive for medical imaging."""
    current.archive, current.as_of, current.person = archive, as_of, as_
    current.is_json, current.is_jsonl, current.is_quiet = json, jsonl, quiet
    current.language, current.is_debug = lang, debug


def run() -> None:
    """Run the program with the arguments of this process, and exit."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run the program; return its exit code."""
    os.umask(0o077)
    current.is_json, current.is_jsonl = "--json" in arguments, "--jsonl" in arguments
    try:
        code = app(arguments, standalone_mode=False)
    except Exit as stop:
        return stop.exit_code
    except TyperException as error:
        if not arguments:
            print(error.format_message())
        else:
            hint = "retention --help shows all commands"
            output.show_error(current, UsageError(error.format_message(), hint=hint))
        return exit_codes.USAGE
    except (KeyboardInterrupt, Abort):
        output.show_interrupted(current)
        return exit_codes.INTERRUPTED
    except Exception as error:
        if current.is_debug:
            raise
        output.show_error(current, _unforeseen(error))
        return exit_codes.FAILED
    return code if isinstance(code, int) else exit_codes.DONE


def _unforeseen(error: Exception) -> RetentionError:
    return RetentionError(
        f"something happened that the program did not foresee: {type(error).__name__}: {error}",
        hint="nothing that was acknowledged is lost; run it again with --debug and report what it shows",
    )
