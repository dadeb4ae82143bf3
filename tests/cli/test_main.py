"""The program's edge: what a wrong call, an unforeseen error or a deaf reader comes to."""

import errno
import json

import pytest

from retention import __version__
from retention.cli import main as program
from retention.cli import output
from retention.cli.commands import volume
from retention.cli.invocation import current
from retention.model.errors import LockedError
from tests.cli.calling import retention
from tests.cli.conftest import SHARED_UID, UID


def test_without_arguments_the_help_is_shown():
    outcome = retention()
    assert outcome.code == 2
    assert outcome.out.startswith("Usage: retention [OPTIONS] COMMAND")


def test_the_version_is_no_environment_variable(monkeypatch):
    """Containers set RETENTION_VERSION for themselves."""
    monkeypatch.setenv("RETENTION_VERSION", "7.1")
    assert retention("--version").out == f"retention {__version__}\n"
    assert retention("schema", "config").code == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stduy list", "Did you mean 'study'"),
        ("study lst", "Did you mean 'list'"),
        ("study list --instituton necker", "--institution"),
        ("ingest somewhere", "Missing option '--institution'"),
        ("study show", "Missing argument 'UID'"),
        ("study list --limit none", "--limit"),
        ("study list --limit 0", "--limit"),
        ("study", "Missing command"),
        ("--lang de study list", "is not one of 'en', 'fr'"),
        ("--as-of yesterday study list", "yesterday is not an instant"),
    ],
)
def test_a_wrong_call_is_told_and_what_was_meant(typed, said, made):
    for switch in ("--json", "--jsonl"):
        outcome = retention("--archive", made, *typed.split(), switch)
        assert outcome.code == 2
        assert said in outcome.error["message"]
        assert outcome.error["hint"]
        assert outcome.error["code"] == "INP-001"
    plain = retention("--archive", made, *typed.split())
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.splitlines()[0] == f"error: {outcome.error['message']}"
    assert plain.err.splitlines()[1] == f"hint: {outcome.error['hint']}"


@pytest.mark.parametrize(
    ("typed", "schema"),
    [
        ("ingest x", "retention/ingest/v1"),
        ("study list --limit x", "retention/study-list/v1"),
        ("study lst", "retention/retention/v1"),
        ("", "retention/retention/v1"),
    ],
)
def test_the_document_of_a_wrong_call_says_which_command_it_is_about(typed, schema):
    assert retention("--json", *typed.split()).document["schema"] == schema


def test_json_may_be_asked_for_by_the_environment(monkeypatch):
    monkeypatch.setenv("RETENTION_JSON", "1")
    assert retention("study", "lst").error["code"] == "INP-001"


def test_options_come_from_the_environment(made, monkeypatch):
    monkeypatch.setenv("RETENTION_ARCHIVE", str(made))
    monkeypatch.setenv("RETENTION_STUDY_LIST_LIMIT", "2")
    assert len(retention("study", "list", "--json").data["studies"]) == 2


def test_every_option_has_its_variable():
    from typer.main import get_command

    def options(command, path):
        for name, child in getattr(command, "commands", {}).items():
            yield from options(child, [*path, name])
        for option in command.params:
            if option.param_type_name == "option" and option.name != "_version":
                yield path, option

    found = list(options(get_command(program.app), []))
    assert len(found) > 30
    assert [
        option.opts for _, option in found if option.envvar is None and not option.allow_from_autoenv
    ] == []


@pytest.mark.parametrize(
    ("missing", "message", "hint"),
    [
        ("archive.yaml", "there is no archive here", "retention init DIR"),
        ("catalog.db", "catalog.db is missing", "retention catalog rebuild"),
    ],
)
def test_what_is_not_there_is_exit_10(archive, missing, message, hint):
    for file in archive.glob(f"{missing}*"):
        file.unlink()
    outcome = retention("--archive", archive, "study", "list", "--json")
    assert outcome.code == 10
    assert message in outcome.error["message"]
    assert hint in outcome.error["hint"]


def test_an_archive_that_cannot_be_read_is_exit_10(made, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_, **__: False)

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    outcome = retention("--archive", made, "study", "list", "--json")
    assert (outcome.code, outcome.error["code"]) == (10, "ARC-001")
    assert "permissions" in outcome.error["hint"]


def test_an_archive_nobody_named_is_looked_for_here(made, monkeypatch):
    assert retention("study", "list", "--json").code == 10
    monkeypatch.chdir(made)
    assert retention("study", "list", "--json").code == 0


def test_a_study_of_several_institutions_needs_one(made):
    outcome = retention("--archive", made, "study", "show", SHARED_UID, "--json")
    assert outcome.code == 2
    assert "cochin, necker" in outcome.error["message"]
    assert "--institution" in outcome.error["hint"]
    one = retention("--archive", made, "study", "show", SHARED_UID, "--institution", "cochin", "--json")
    assert one.data["institution"] == "cochin"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ingest . --institution nekcer", "necker"),
        ("ingest . --institution necker --tier hto", "hot"),
        ("study list --institution cohcin", "cochin"),
        ("study list --tier clod", "cold"),
        ("audit run --tier clod", "cold"),
        ("volume replace cold6", "cold-6"),
        ("quarantine list --institution nekcer", "necker"),
        ("schema stduy list", "study list"),
    ],
)
def test_an_unknown_name_is_exit_2_with_what_was_meant(made, typed, meant):
    outcome = retention("--archive", made, *typed.split(), "--json")
    assert outcome.code == 2
    assert f"did you mean {meant}?" in outcome.error["hint"]


def test_a_production_archive_takes_no_other_time(made, tmp_path):
    for typed in (
        "study list",
        f"study show {UID}",
        "audit run --all",
        "catalog rebuild",
        f"init {tmp_path}/new",
    ):
        outcome = retention("--archive", made, "--as-of", "2031-05-01", *typed.split(), "--json")
        assert (outcome.code, outcome.error["code"]) == (12, "REF-001"), typed


def test_a_rehearsal_archive_takes_any(tmp_path):
    root = tmp_path / "R"
    assert retention("--as-of", "2031-05-01", "init", root, "--rehearsal").code == 0
    assert (
        retention("--archive", root, "--as-of", "2032-01-01", "keys", "status", "--recovery-stored").code == 0
    )
    stored = retention("--archive", root, "keys", "status", "--json").data["recovery_stored"]
    assert stored == "2032-01-01T00:00:00.000000Z"


def raising(error):
    def fail(*_):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LockedError("somebody holds it"), 11, "somebody holds it"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "Permission denied: /x"),
        (OSError("odd"), 1, "odd"),
        (ZeroDivisionError("why"), 1, "did not foresee: ZeroDivisionError: why"),
        (MemoryError(), 1, "did not foresee: MemoryError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 1, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_happens_there_is_one_document_and_no_traceback(made, monkeypatch, error, code, message):
    monkeypatch.setattr(volume, "_statuses", raising(error))
    monkeypatch.setattr(output, "abandon", lambda stream: None)
    outcome = retention("--archive", made, "volume", "list", "--json")
    assert outcome.code == code
    assert "Traceback" not in outcome.err
    assert (outcome.out == "") if message is None else (message in outcome.error["message"])


def test_debug_shows_the_traceback_beside_the_document(made, monkeypatch):
    monkeypatch.setattr(volume, "_statuses", raising(ZeroDivisionError("why")))
    outcome = retention("--archive", made, "--debug", "volume", "list", "--json")
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert outcome.error["code"] == "RET-000"


def test_quiet_says_nothing_but_the_result(tmp_path):
    outcome = retention("-q", "init", tmp_path / "A", "--json")
    assert outcome.err == ""
    assert outcome.data["recovery_key"]


def test_french_is_accepted(made):
    assert retention("--archive", made, "--lang", "fr", "study", "list").code == 0


def test_one_call_leaves_nothing_to_the_next(made):
    retention("--archive", made, "--json", "--lang", "fr", "study", "list")
    retention("study", "list")
    assert (current.archive, current.is_json, current.language) == (None, False, "en")


def test_json_goes_through_any_encoding(archive, tmp_path, samples):
    odd = tmp_path / b"caf\xe9 \xff".decode("utf-8", "surrogateescape")
    odd.mkdir()
    (odd / "priv_SQ.dcm").write_bytes((samples / "priv_SQ.dcm").read_bytes() + b"1")
    for encoding in ("ascii", "utf-8", "latin-1"):
        outcome = retention(
            "--archive", archive, "ingest", odd, "--institution", "necker", "--json", encoding=encoding
        )
        assert json.loads(outcome.out)["ok"]
        plain = retention("--archive", archive, "ingest", odd, "--institution", "necker", encoding=encoding)
        assert plain.code in (0, 3)
