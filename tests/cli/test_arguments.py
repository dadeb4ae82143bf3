"""Global options may stand anywhere; nothing else moves."""

import pytest

from retention.cli.arguments import SWITCHES, VALUED, globals_first, is_asked
from retention.cli.main import app
from tests.cli.calling import retention


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("study list --json", "--json study list"),
        ("study list --limit 3 --json --archive A", "--json --archive A study list --limit 3"),
        ("ingest --archive=A DIR -q --institution n", "--archive=A -q ingest DIR --institution n"),
        ("study show 1.2 --archive", "--archive study show 1.2"),
        ("ingest -- --json", "ingest -- --json"),
        ("study list --jsonx", "study list --jsonx"),
        ("", ""),
    ],
    ids=str,
)
def test_global_options_come_first_in_their_order(typed, read):
    assert globals_first(typed.split()) == read.split()


def test_every_global_option_is_known_here():
    """All that the program's own options declare, but those that end the call."""
    from typer.main import get_command

    declared = {name for option in get_command(app).params for name in option.opts}
    ending = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
    assert declared - ending == SWITCHES | VALUED


@pytest.mark.parametrize(
    ("arguments", "environment", "asked"),
    [
        (["study", "--json"], {}, True),
        (["study", "--", "--json"], {}, False),
        (["study"], {"RETENTION_JSON": "1"}, True),
        (["study"], {"RETENTION_JSON": "yes"}, True),
        (["study"], {"RETENTION_JSON": "0"}, False),
        (["study"], {"RETENTION_JSONL": "1"}, False),
    ],
    ids=str,
)
def test_json_is_noticed_before_the_rest_is_understood(arguments, environment, asked):
    assert is_asked("--json", arguments, environment) is asked


def test_options_behind_a_command_do_what_they_do_before_it(made):
    before = retention("--archive", made, "--json", "study", "list")
    behind = retention("study", "list", "--json", "--archive", made)
    assert behind == before
    assert len(behind.data["studies"]) == 5
