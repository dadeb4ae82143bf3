"""A real S3 service for the tests that need one: Ceph, started once for all workers of a run, by the first who asks.

Where it cannot be had, those tests say that they did not run, at the end of the run and in red: `conftest.py`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_TESTED = "NOT TESTED on a real S3 service"
RUN = "RETENTION_TESTS_RUN"
_PACKAGES = "RETENTION_TESTS_CEPH"


@dataclass(frozen=True, slots=True)
class Ceph:
    """Where the gateway answers, and the certificate that its https is to be believed by."""

    http: str
    https: str
    certificate: Path


def prepare() -> None:
    """Agree on a folder for what this run starts; workers are told by their environment."""
    os.environ[RUN] = tempfile.mkdtemp(prefix="retention-tests-")


def clear_away() -> None:
    """Stop what was started, and remove what it wrote."""
    run = Path(os.environ.pop(RUN))
    if (run / "ceph").exists():
        subprocess.run([ROOT / "tools" / "ceph", "stop", run / "ceph"], check=True)
    shutil.rmtree(run, ignore_errors=True)


def ceph() -> Ceph:
    """Return the service, started if nobody did yet; skips the test where there is none."""
    packages = Path(os.environ.get(_PACKAGES, ROOT / ".venv" / "ceph"))
    run = Path(os.environ[RUN], "ceph")
    with alone(run.with_suffix(".lock")):
        endpoints = run.with_suffix(".endpoints")
        if not endpoints.exists():
            endpoints.write_text(_started(packages, run))
        found = endpoints.read_text().splitlines()
    if len(found) != 2:
        pytest.skip(f"{NOT_TESTED}: {' '.join(found)}")
    http, https = found
    return Ceph(http, https, run / "certificate.pem")


def environment(service: Ceph) -> dict[str, str]:
    """Return what the driver needs to know besides archive.yaml: credentials, and whom to believe."""
    return {
        "AWS_ACCESS_KEY_ID": "testkey",
        "AWS_SECRET_ACCESS_KEY": "testsecret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(service.certificate),
    }


def _started(packages: Path, run: Path) -> str:
    """Start it, to end with the process that began the run; return its endpoints, or one line that says why not."""
    if not packages.is_dir() and shutil.which("radosgw") is None:
        return "Ceph is not there; `tools/ceph install .venv/ceph` fetches it, on Debian"
    command = [str(part) for part in (ROOT / "tools" / "ceph", "start", packages, run, beginner())]
    begun = subprocess.run(command, capture_output=True, text=True, check=False)
    if begun.returncode:
        return f"Ceph does not start: {' '.join(begun.stderr.split()) or 'it does not say why'}"
    return begun.stdout


def beginner() -> int:
    """Return the process that began the run, which is the one that ends last: workers are its children."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
