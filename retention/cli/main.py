"""The program's entry: global options, the tree of commands, and what becomes of errors.

Commands import what they need when they run; building the tree imports nothing of the archive. No traceback reaches a
person unless asked for, and every call that asked for JSON gets exactly one document, whatever happens.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from retention import __version__
from retention.cli import exit_codes, invocation, output
from retention.cli.arguments import globals_first, is_asked
from retention.cli.commands import (
    account,
    approval,
    archive,
    attest,
    audit,
    catalog,
    config,
    demo,
    disposal,
    fact,
    hold,
    institution,
    inventory,
    journal,
    keys,
    lifecycle,
    person,
    policy,
    quarantine,
    recall,
    report,
    schedule,
    schema,
    serve,
    study,
    token,
    volume,
)
from retention.cli.invocation import current
from retention.model.errors import InputError, RetentionError, UsageError

PROGRAM = "retention"
COLLECT_EVERY = 200_000
"""Objects between two collections of garbage. While modules are imported nearly all stay, and looking them through
again and again was a tenth of a short call's time."""


class Language(StrEnum):
    """Languages of messages. A message that a language lacks is shown in English."""

    EN = "en"
    FR = "fr"


app = typer.Typer(
    name=PROGRAM,
    help="A long-term retention and compliance archive for medical imaging.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RETENTION"},
)

for group in (
    archive,
    study,
    lifecycle,
    institution,
    policy,
    recall,
    fact,
    audit,
    catalog,
    volume,
    quarantine,
    keys,
    journal,
    disposal,
    attest,
    inventory,
    report,
    config,
    schema,
    person,
    approval,
    hold,
    token,
    account,
    schedule,
    serve,
    demo,
):
    group.register(app)


def _print_version(value: bool) -> None:
    if value:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    archive: Annotated[
        Path | None,
        typer.Option(
            help="The archive's folder.", envvar="RETENTION_ARCHIVE", show_default="here", readable=False
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="Act as if the clock showed this (rehearsal archives only)."),
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="PERSON", help="Who acts.", envvar="RETENTION_AS")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your key, to sign what you do (a public one: the SSH agent has it).",
            envvar="RETENTION_KEY",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Lists as JSON Lines on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no warnings.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of messages.")] = Language.EN,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version.",
            allow_from_autoenv=False,
        ),
    ] = False,
) -> None:
    """A long-term retention and compliance archive for medical imaging."""
    current.archive, current.as_of, current.person, current.key = archive, as_of, as_, key
    current.is_json, current.is_jsonl, current.is_quiet = json, jsonl, quiet
    current.language, current.is_debug = lang.value, debug


def run() -> None:
    """Run the program with the arguments of this process, and exit."""
    gc.set_threshold(COLLECT_EVERY)
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # numpy starts threads for matrices at once; we have none
    code = main(sys.argv[1:])
    gc.freeze()  # what is left goes with the process; to look for cycles in it takes longer than most commands do
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Run the program; return its exit code."""
    os.umask(0o077)
    output.prepare_streams()
    invocation.begin(
        is_json=is_asked("--json", arguments, os.environ), is_jsonl=is_asked("--jsonl", arguments, os.environ)
    )
    try:
        return _guarded(arguments)
    finally:
        output.finish_streams()


def _guarded(arguments: list[str]) -> int:
    """Run; whatever is raised becomes an error for people and machines, and its exit code."""
    try:
        return _run(globals_first(arguments))
    except TyperException as error:
        return _fail(_usage_error(error), error)
    except BrokenPipeError:
        output.abandon(sys.stdout)  # nobody reads any more, `| head` for instance: nothing to complain about
        return exit_codes.FAILED
    except (KeyboardInterrupt, Abort):
        output.show_interrupted(current)
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last line of defence: even a bug is told without a traceback
        return _fail(_told(error), error)


def _run(arguments: list[str]) -> int:
    """Let Typer understand the command line, then do what it says."""
    try:
        understood = app(arguments or ["--help"], standalone_mode=False, prog_name=PROGRAM)
    except Exit as stop:
        understood = stop.exit_code
    if callable(understood):
        return int(understood())
    if not arguments:
        return exit_codes.USAGE
    return understood if isinstance(understood, int) else exit_codes.DONE


def _fail(failure: RetentionError, error: Exception) -> int:
    if current.is_debug:
        traceback.print_exception(error)
    output.show_error(current, failure)
    return exit_codes.exit_code_of(failure)


def _usage_error(error: TyperException) -> UsageError:
    """Return what is wrong with the command line, and where its help is."""
    context: typer.Context | None = getattr(error, "ctx", None)
    path = PROGRAM if context is None else context.command_path
    name = path.removeprefix(PROGRAM).strip()
    message = error.format_message().replace(" Value error, ", " ")
    if name in invocation.registered:
        current.command = name
        return UsageError(message, hint=current.say("errors.usage_hint", command=path))
    known = ", ".join(getattr(context.command, "commands", ())) if context is not None else ""
    return UsageError(
        error.format_message(), hint=current.say("errors.commands_hint", command=path, known=known)
    )


def _told(error: Exception) -> RetentionError:
    """Return any error as one of ours: those of the system, and those that nobody foresaw."""
    if isinstance(error, RetentionError):
        return error
    if isinstance(error, OSError):
        reason, file = error.strerror or str(error), error.filename or ""
        what = current.say("errors.system", reason=reason, file=file)
        return InputError(what.rstrip(": "), hint=current.say("errors.system_hint"))
    what = current.say("errors.unforeseen", kind=type(error).__name__, text=str(error))
    return RetentionError(what, hint=current.say("errors.unforeseen_hint"))
