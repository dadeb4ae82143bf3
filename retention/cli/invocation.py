"""One call of the program: the global options, and the way from a command's function to its exit code.

Every command ends here: data on stdout (one JSON document, JSON Lines, or text for people), everything else on stderr,
and no traceback unless asked for.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import typer

from retention.cli import exit_codes
from retention.cli.catalogue import Messages
from retention.model.clock import parse_instant
from retention.model.errors import ArchiveNotFoundError, RetentionError, UsageError

if TYPE_CHECKING:  # what a command does not touch is not imported: `retention --help` stays quick
    from retention.cli.progress import ConsoleProgress
    from retention.services.stores import Stores

P = ParamSpec("P")


@dataclass(slots=True)
class Result:
    """What a command has to say: `data` for machines, `lines` for people, its exit code.

    `rows` names the list in `data` that `--jsonl` streams.
    """

    data: dict[str, Any]
    lines: Iterable[str] = ()
    exit_code: int = exit_codes.DONE
    rows: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Invocation:
    """The global options of this call."""

    archive: Path | None = None
    as_of: str | None = None
    person: str | None = None
    is_json: bool = False
    is_jsonl: bool = False
    is_quiet: bool = False
    is_debug: bool = False
    language: str = "en"
    command: str = ""

    @property
    def messages(self) -> Messages:
        return Messages(self.language)

    def say(self, key: str, /, **values: object) -> str:
        return self.messages.say(key, **values)

    def root(self) -> Path:
        """Return the archive's folder. Raises ArchiveNotFoundError when none was named and none is here."""
        if self.archive is not None:
            return self.archive
        here = Path.cwd()
        if (here / "archive.yaml").exists():
            return here
        raise ArchiveNotFoundError(
            "no archive was named and there is no archive.yaml here",
            hint="use --archive DIR or RETENTION_ARCHIVE, or make one: retention init DIR",
        )

    def instant(self) -> datetime | None:
        if self.as_of is None:
            return None
        try:
            return parse_instant(self.as_of)
        except ValueError:
            raise UsageError(
                f"--as-of {self.as_of} is not an instant", hint="write 2031-05-01 or 2031-05-01T12:00:00+02:00"
            ) from None

    def open(self, *, to_write: bool = False) -> Stores:
        """Open the archive; `to_write` also catches up and cleans up after killed runs."""
        from retention.archive import open_archive, prepare_to_write

        stores = open_archive(self.root(), as_of=self.instant(), person=self.person)
        if to_write:
            prepare_to_write(stores)
        return stores

    def progress(self) -> ConsoleProgress:
        from retention.cli.progress import ConsoleProgress

        return ConsoleProgress(is_silent=self.is_quiet)

    def warn(self, text: str) -> None:
        """Tell people something beside the result."""
        if not self.is_quiet:
            print(text, file=sys.stderr)


current = Invocation()
"""This call's options: set once by the program's entry, before any command runs."""


def command(name: str) -> Callable[[Callable[P, Result]], Callable[P, None]]:
    """Make a function that returns a Result into a command named `name`."""

    def wrap(function: Callable[P, Result]) -> Callable[P, None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            current.command = name
            raise typer.Exit(_finish(lambda: function(*args, **kwargs)))

        call.__annotations__["return"] = None
        return call

    return wrap


def _finish(function: Callable[[], Result]) -> int:
    from retention.cli import output

    try:
        result = function()
        output.show(current, result)
    except RetentionError as error:
        if current.is_debug:
            raise
        output.show_error(current, error)
        return exit_codes.exit_code_of(error)
    except KeyboardInterrupt:
        output.show_interrupted(current)
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except OSError as error:
        if current.is_debug:
            raise
        output.show_error(current, RetentionError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")))
        return exit_codes.FAILED
    return result.exit_code
