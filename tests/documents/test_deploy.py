"""The units in deploy/: systemd reads them without a word, and finds them closed."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
MOST_EXPOSED = 20
"""In tenths, as `systemd-analyze security` counts: 10.0 is wide open."""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", ["retention.service", "retention-scheduler.service"])
def test_the_service_is_closed(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", unit],
        cwd=DEPLOY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Unknown" not in done.stderr


def test_nothing_is_listened_on_beyond_this_machine_as_shipped():
    listened = [
        line for line in (DEPLOY / "retention.socket").read_text().splitlines() if "ListenStream" in line
    ]
    assert listened == ["ListenStream=127.0.0.1:11112"]
