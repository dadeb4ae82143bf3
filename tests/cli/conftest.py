"""An archive that has a bit of everything, and nothing of the caller's environment.

`made` is built once; a test that changes an archive takes `archive`, a copy of its own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from retention.dicom.samples import sample_folder
from tests.cli.calling import retention

FIRST = ("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "README.txt", "priv_SQ.dcm", "rtplan.dcm")
SECOND = ("CT_small.dcm", "SC_rgb_rle.dcm")
UID = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"  # MR_small.dcm's study, with a conflict in it
SHARED_UID = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"  # CT_small.dcm's, held by both institutions


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """Nothing of the caller's environment reaches a test, and no archive lies in the current folder."""
    for name in list(os.environ):
        if name.startswith("RETENTION_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def samples():
    folder = sample_folder()
    assert folder is not None
    return folder / "test_files"


@pytest.fixture(scope="session")
def made(tmp_path_factory, samples):
    """Two institutions: hot and cold, a conflict, one in quarantine, one study held by both."""
    folder = tmp_path_factory.mktemp("cli")
    for name, files in (("first", FIRST), ("second", SECOND)):
        (folder / name).mkdir()
        for file in files:
            shutil.copy(samples / file, folder / name / file)
    root = folder / "A"
    assert retention("init", root).code == 0
    assert retention("--archive", root, "ingest", folder / "first", "--institution", "necker").code == 3
    _add_institution(root, "cochin")
    second = retention(
        "--archive", root, "ingest", folder / "second", "--institution", "cochin", "--tier", "cold"
    )
    assert second.code == 0, second
    return root


def _add_institution(root, name):
    """Until there is a command for it."""
    from retention.archive import open_archive, prepare_to_write
    from retention.model.layout import InstitutionSpec
    from retention.services import institutions

    stores = open_archive(root)
    try:
        prepare_to_write(stores)
        institutions.add(stores, InstitutionSpec(name))
    finally:
        stores.close()


@pytest.fixture
def archive(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "A", symlinks=True))
