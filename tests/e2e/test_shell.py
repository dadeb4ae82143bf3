"""What shells do to programs: closed pipes, full devices, signals, odd names, no terminal, a slow disk cache."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.e2e.program import Program, environment

PROGRAM = [sys.executable, "-m", "retention"]


def shell(script: str, **values: object) -> subprocess.CompletedProcess[str]:
    """Run a line of shell; `$R` is the program."""
    settings = (
        environment() | {"R": f"{sys.executable} -m retention"} | {k: str(v) for k, v in values.items()}
    )
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=settings)


@pytest.mark.parametrize("what", ["--archive $A study list --jsonl", "schema", "--help"])
def test_a_reader_that_leaves_is_no_error_message(built, what):
    done = shell(f"$R {what} | true; echo ${{PIPESTATUS[0]}}", A=built.program.archive)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")


def test_a_full_device_is_an_error_without_traceback(built):
    done = shell("$R --archive $A study list > /dev/full", A=built.program.archive)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_closed_streams_are_borne(built):
    assert shell("$R --archive $A study list >&-", A=built.program.archive).returncode == 0
    assert shell("$R --archive $A study show 1.2 2>&-", A=built.program.archive).returncode == 6


def test_output_elsewhere_than_on_a_terminal_is_plain(built):
    done = shell("$R --archive $A study list; $R --archive $A study show 1.2.3", A=built.program.archive)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr


def test_names_with_odd_characters_are_taken_and_shown(program, built, tmp_path):
    odd = tmp_path / b"\xe9t\xe9 \xff\n\x1b[31m 'x' \xe2\x80\xae".decode("utf-8", "surrogateescape")
    odd.mkdir()
    content = (built.sources / "priv_SQ.dcm").read_bytes() + b"\0"
    (odd / odd.name).with_suffix(".dcm").write_bytes(content)
    done = program("ingest", odd, "--institution", "necker", "--tier", "cold", code=3)
    assert os.fsencode(done.data["refused"][0]["path"]).startswith(os.fsencode(odd))
    plain = Program.run("--archive", program.archive, "quarantine", "list")
    assert plain.code == 0
    assert "\x1b" not in plain.out
    assert len(plain.out.splitlines()) == 2 + 3
    out = tmp_path / "« sortie »\t1"
    item = program("quarantine", "list").data["items"][-1]
    program("quarantine", "export", item["id"], "--out", out)
    assert next(out.iterdir()).read_bytes() == content


def test_an_archive_may_lie_anywhere(tmp_path, built):
    root = tmp_path / "archivé d'ici" / "-x"
    assert Program.run("init", "--", root).code == 0
    odd = Program(root)
    odd("ingest", built.sources, "--institution", "necker", code=3)
    assert len(odd.studies()) == len(built.studies)


def test_an_interrupted_ingest_says_so_and_can_be_run_again(program, built, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    content = (built.sources / "CT_small.dcm").read_bytes()
    for number in range(400):
        uid = b"20040119072730.%05d" % number
        (many / f"{number}.dcm").write_bytes(content.replace(b"20040119072730.12322", uid))
    listening = ["env", "--default-signal=INT"]  # what is started in the background ignores it otherwise
    called = ["--archive", program.archive, "--json", "ingest", many, "--institution", "necker"]
    command = [*listening, *PROGRAM, *called]
    before = len(list((program.archive / "hot-a").rglob("*.shard")))
    running = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    while running.poll() is None and len(list((program.archive / "hot-a").rglob("*.shard"))) == before:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads(out)["error"]["code"] == "interrupted"
    held = sum(study["instances"] for study in program.studies())
    again = program("ingest", many, "--institution", "necker").data
    assert again["stored"] + again["duplicates"] == 400
    assert sum(study["instances"] for study in program.studies()) == held + again["stored"]
    assert program("audit", "run", "--all").data["findings"] == []
    assert list((program.archive / "hot-a" / "incoming").glob("*")) == []


def test_the_twin_is_the_same_program(built):
    """`retention` and `python -m retention` print the same, their own name included."""
    called = [sys.executable, "-c", "from retention.cli.main import run; run()", "study", "--help"]
    one = subprocess.run(called, capture_output=True, text=True, check=True, env=environment())
    assert Program.run("study", "--help").out == one.stdout
    assert one.stdout.startswith("Usage: retention study")


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (
            ["--help"],
            {"pydantic", "sqlalchemy", "sqlmodel", "numpy", "rich", "ruamel", "cryptography", "pydicom"},
        ),
        (
            ["study", "list"],
            {"numpy", "rich", "cryptography", "pydicom", "pyeclib", "reedsolo", "alembic", "zstandard"},
        ),
    ],
    ids=["help", "study list"],
)
def test_what_a_command_does_not_need_is_not_loaded(built, arguments, unused):
    """So the program starts quickly; how quickly is measured by the benchmarks."""
    code = "import sys; from retention.cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "--archive", built.program.archive, *arguments]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=True, env=environment()
    )
    assert {name.partition(".")[0] for name in done.stderr.split()} & unused == set()
