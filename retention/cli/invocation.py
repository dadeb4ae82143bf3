"""One call of the program: the global options, and how a function becomes a command.

A command is a function that returns a Result; what it prints, where, and with which exit code it ends is decided in one
place for all of them. Its return type names its JSON document: the schema is made from that (`retention.cli.schemas`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from retention.cli import exit_codes
from retention.cli.catalogue import FALLBACK, Messages
from retention.model.clock import Clock, RehearsalClock, SystemClock, parse_instant
from retention.model.errors import ArchiveNotFoundError, RetentionError, UsageError

if TYPE_CHECKING:  # what a command does not touch is not imported: `retention --help` stays quick
    from retention.services.progress import Progress
    from retention.services.stores import Stores
    from retention.signatures.signer import Signer

P = ParamSpec("P")
Document = TypeVar("Document", bound=Mapping[str, object])


@dataclass(slots=True)
class Result(Generic[Document]):
    """What a command has to say: `data` for machines, `lines` for people, its exit code.

    `rows` names the list in `data` that `--jsonl` streams; it may come from an iterator.
    """

    data: Document
    lines: Iterable[str] = ()
    exit_code: int = exit_codes.DONE
    rows: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command as registered. `document` is the text of its return type, as it stands in `module`."""

    name: str
    module: str
    summary: str
    document: str


@dataclass(slots=True)
class Invocation:
    """The global options of this call, and the command it is about once that is known."""

    archive: Path | None = None
    as_of: str | None = None
    person: str | None = None
    key: Path | None = None
    is_json: bool = False
    is_jsonl: bool = False
    is_quiet: bool = False
    is_debug: bool = False
    language: str = "en"
    command: str = ""

    @property
    def prints_json(self) -> bool:
        return self.is_json or self.is_jsonl

    def say(self, key: str, /, **values: object) -> str:
        """Return a message of the catalogue in the language of this call."""
        return Messages(self.language).say(key, **values)

    def told(self, text: str) -> str:
        """Return what something below the command line says, an error or a reason, in the language of this call."""
        if self.language == FALLBACK:
            return text
        from retention.cli.translating import translated

        return translated(text, self.language)

    def told_of(self, error: RetentionError) -> str:
        """Return an error's message in the language of this call."""
        if self.language == FALLBACK:
            return error.message
        from retention.cli.translating import said_of

        return said_of(error, self.language)

    def usage_error(self, key: str, /, **values: object) -> UsageError:
        """Return the error of that key in the catalogue, with the hint beside it."""
        return UsageError(self.say(key, **values), hint=self.say(f"{key}_hint", **values))

    def root(self) -> Path:
        """Return the archive's folder. Raises ArchiveNotFoundError when none was named and none is here."""
        if self.archive is not None:
            return self.archive
        here = Path.cwd()
        if (here / "archive.yaml").exists():
            return here
        raise ArchiveNotFoundError(self.say("errors.no_archive"), hint=self.say("errors.no_archive_hint"))

    def instant(self) -> datetime | None:
        """Return the instant of `--as-of`. Raises UsageError."""
        if self.as_of is None:
            return None
        try:
            return parse_instant(self.as_of)
        except ValueError:
            raise self.usage_error("errors.as_of", text=self.as_of) from None

    def clock(self) -> Clock:
        """Return the clock of a new rehearsal archive."""
        at = self.instant()
        return SystemClock() if at is None else RehearsalClock(at)

    def open(self, *, to_write: bool = False, catches_up: bool = False) -> Stores:
        """Open the archive; `to_write` also catches up and cleans up after killed runs.

        A command that only reads is told when the catalog does not show what the journal says; one that `catches_up`
        has it put right.
        """
        from retention.archive import open_archive, prepare_to_write
        from retention.services.freshness import Lag, lag

        stores = open_archive(self.root(), as_of=self.instant(), person=self.person)
        if self.key is not None:
            stores.open_signer = self.signer
        try:
            found = None if to_write else lag(stores)
            if to_write or (catches_up and found is Lag.BEHIND):
                prepare_to_write(stores)
            elif found is not None:
                self._warn(f"catalog.{found.value}")
            if stores.is_config_waiting:
                self._warn("config.waits")
        except BaseException:
            stores.close()
            raise
        return stores

    def signer(self) -> Signer:
        """Open the key that whoever acts signs with. Raises KeyUnavailableError."""
        from retention.cli.keys import passphrase
        from retention.signatures.signer import open_signer

        if self.key is None:
            raise self.usage_error("keys.none")
        return open_signer(self.key, passphrase)

    def _warn(self, key: str) -> None:
        from retention.cli.output import remark

        remark(self, self.say("errors.warning", message=self.say(key), hint=self.say(f"{key}_hint")))

    def progress(self) -> Progress:
        """Return who shows how far long work is."""
        from retention.cli.progress import console_progress

        return console_progress(is_quiet=self.is_quiet)


current = Invocation()
"""This call's options: set once by the program's entry, before any command runs."""

registered: dict[str, Command] = {}
"""Every command by name (`study list`)."""


def begin(*, is_json: bool, is_jsonl: bool) -> None:
    """Forget an earlier call in this process. How to print is known before the rest is understood."""
    fresh = Invocation(is_json=is_json, is_jsonl=is_jsonl)
    for name in Invocation.__slots__:
        setattr(current, name, getattr(fresh, name))


Run = Callable[[], int]
"""Does a command's work, shows its result, and returns the exit code."""


def command(name: str) -> Callable[[Callable[P, Result[Document]]], Callable[P, Run]]:
    """Make a function that returns a Result into a command named `name`.

    Called by Typer it only takes its arguments; the program's entry runs it, so that nothing between the two meddles
    with what is raised.
    """

    def wrap(function: Callable[P, Result[Document]]) -> Callable[P, Run]:
        summary = (function.__doc__ or "").partition("\n")[0]
        registered[name] = Command(name, function.__module__, summary, function.__annotations__["return"])
        # Typer evaluates annotations; the document's module is only there for the schema.
        function.__annotations__["return"] = None

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Run:
            current.command = name
            return lambda: _run(lambda: function(*args, **kwargs))

        return call

    return wrap


def _run(work: Callable[[], Result[Document]]) -> int:
    from retention.cli import output

    result = work()
    output.show(current, result)
    return result.exit_code
