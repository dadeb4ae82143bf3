"""The units in deploy/: systemd reads them without a word, and finds them closed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from retention.cli import receivers, scheduling
from retention.cli.commands import serve

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


def test_a_stop_has_the_time_that_it_takes():
    service = (DEPLOY / "retention.service").read_text()
    minutes = re.search(r"^TimeoutStopSec=(\d+)min$", service, re.MULTILINE)
    assert minutes is not None
    doors = 2 * receivers.STOP_TIMEOUT_S + scheduling.STOP_TIMEOUT_S  # one after the other
    packing = serve.PACK_AT_STOP_S + serve.PACK_LATE_S
    a_large_study_s = 120
    assert doors + packing + a_large_study_s < 60 * int(minutes[1])
