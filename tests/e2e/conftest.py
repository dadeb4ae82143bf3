"""An archive made once by the program itself; a test that harms one harms a copy of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retention.dicom.samples import sample_folder
from tests.e2e.program import Done, Program, digests

IDENTIFIED = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",  # a conflict with the one above: same UID, other content
    "MR_truncated.dcm",  # and another, cut off in its pixels
    "rtdose.dcm",
)
UNIDENTIFIED = ("priv_SQ.dcm", "UN_sequence.dcm")


@dataclass(frozen=True)
class Built:
    """An archive, what was put into it, and what the program said of that."""

    program: Program
    sources: Path
    init: Done
    ingest: Done
    studies: list[dict[str, Any]]
    items: list[dict[str, Any]]
    """What `study list` and `quarantine list` said after it."""


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Real files of every kind: identified, conflicting, not identified, twice the same, re-encoded, no DICOM."""
    samples = sample_folder()
    assert samples is not None
    folder = tmp_path_factory.mktemp("sources") / "one hospital’s files"
    (folder / "below").mkdir(parents=True)
    for name in (*IDENTIFIED, *UNIDENTIFIED, "README.txt"):
        shutil.copy(samples / "test_files" / name, folder / name)
    shutil.copy(folder / "CT_small.dcm", folder / "below" / "the same.dcm")
    first = (folder / "MR_small.dcm").read_bytes()
    (folder / "below" / "other preamble.dcm").write_bytes(b"\1" * 128 + first[128:])
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory, sources):
    root = tmp_path_factory.mktemp("e2e") / "A"
    init = Program.run("init", root)
    program = Program(root)
    ingest = program("ingest", sources, "--institution", "necker", "--tier", "cold", code=3)
    items = program("quarantine", "list").data["items"]
    return Built(program, sources, init, ingest, program.studies(), items)


@pytest.fixture
def program(built, tmp_path):
    """The program with a copy of the archive."""
    return Program(Path(shutil.copytree(built.program.archive, tmp_path / "A")))


@pytest.fixture(scope="session")
def wanted(sources):
    """The files that have to come back from studies: all that are identified and were not there already."""
    folder = sources.parent / "wanted"
    folder.mkdir()
    for name in IDENTIFIED:
        shutil.copy(sources / name, folder)
    return digests(folder)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority, and its certificates for the archive, a CT of necker, a viewer here, and a stranger."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    for name in ("archive", "ct1.necker", "viewer.necker", "localhost", "stranger"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder
