"""`config show|check|apply`: archive.yaml as it counts, and putting an edit of it in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import typer

from retention.cli import exit_codes
from retention.cli.commands.policy_files import language
from retention.cli.commands.policy_force import AllowShorten, Reason, change_lines, change_row
from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines

if TYPE_CHECKING:
    from retention.cli.documents.config import ConfigApply, ConfigCheck, ConfigShow
    from retention.services.config import ConfigState
    from retention.services.stores import Stores


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="archive.yaml: what counts, and putting an edit in force.")
    group.command("show")(show)
    group.command("check")(check)
    group.command("apply")(apply)
    app.add_typer(group, name="config")


@command("config show")
def show() -> Result[ConfigShow]:
    """The settings that count, and where each comes from."""
    from retention.services import config

    with closing(current.open()) as stores:
        shown = config.shown(stores)
        data: ConfigShow = {
            "file": _file(stores),
            "digest": shown.digest,
            "in_force": not config.is_waiting(stores),
            "values": [
                {"key": key, "value": value, "source": "file" if is_written else "default"}
                for key, value, is_written in shown.values
            ],
        }
    names = [current.say(f"config.{name}") for name in ("key", "value", "source")]
    rows = ([row["key"], row["value"], current.say(f"config.from_{row['source']}")] for row in data["values"])
    return Result(data, table_lines(names, rows), rows="values")


@command("config check")
def check() -> Result[ConfigCheck]:
    """Check archive.yaml, and what it changes against what is in force."""
    from retention.services import config

    with closing(current.open()) as stores:
        state = config.look(stores)
        data = _document(stores, state)
    return Result(data, _lines(state))


@command("config apply")
def apply(allow_shorten: AllowShorten = False, reason: Reason = None) -> Result[ConfigApply]:
    """Put archive.yaml in force; what takes protection or control away waits for approval."""
    from retention.services import config
    from retention.services.loosening import Consent

    with closing(current.open(to_write=True)) as stores:
        state, approval = config.apply(stores, Consent(allow_shorten, reason), language())
        data: ConfigApply = {**_document(stores, state), "in_force": approval is None, "approval": approval}
    if approval is not None:
        lines = [*change_lines(state.changes), current.say("policy.pending", approval=approval)]
        return Result(data, lines, exit_codes.NOT_ALLOWED)
    return Result(data, [*change_lines(state.changes), current.say("config.applied")])


def _file(stores: Stores) -> str:
    from retention.settings.load import FILE_NAME

    return str(stores.root / FILE_NAME)


def _document(stores: Stores, state: ConfigState) -> ConfigCheck:
    return {
        "file": _file(stores),
        "in_force": state.is_applied,
        "loosening": state.is_loosening,
        "changes": [change_row(change) for change in state.changes],
    }


def _lines(state: ConfigState) -> Iterator[str]:
    if state.is_applied or not state.changes:
        yield current.say("config.same")
        return
    yield current.say("config.differs")
    yield from change_lines(state.changes)
    yield current.say("config.next_loosening" if state.is_loosening else "config.next")
