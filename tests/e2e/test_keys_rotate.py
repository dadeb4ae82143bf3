"""Keys are rotated by the program as people run it, killed on the way too; recover.py and the program read on."""

import os
import subprocess
import sys
import time

import pytest

from tests.e2e.program import COLD, digests, environment, sha256
from tests.e2e.test_recover import WITHOUT_PACKAGE


def recovered(archive, out):
    places = [archive / name for name in COLD]
    arguments = [places[0] / "recover.py", "--key", archive / "secrets" / "root.key", "--out", out, *places]
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_PACKAGE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    return digests(out)


MOMENTS_S = [0.3, 0.45, 0.55, 0.65, 0.8] if os.environ.get("EVERY_MOMENT") else [0.55]


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_killed_while_it_rotates_everything_is_read_and_it_is_gone_on_with(
    program, wanted, tmp_path, moment_s
):
    before = {sha256(path) for path in program.archive.rglob("*.shard")}
    command = [sys.executable, "-m", "retention", "--archive", str(program.archive), "keys", "rotate"]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    time.sleep(moment_s)
    running.kill()
    running.wait()
    rows = program("keys", "rotate").data["institutions"]
    assert {row["kept"] for row in rows} == {0}
    assert wanted <= recovered(program.archive, tmp_path / "rotated")
    assert wanted <= program.export(program.studies(), tmp_path / "out")
    assert program("journal", "verify").data["valid"] is True
    assert program("catalog", "check").data["problems"] == []
    assert {sha256(path) for path in program.archive.rglob("*.shard")} == before
