"""An archive with tiers on a real S3 service: all that an archive does, done on buckets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retention.model.identifiers import new_id
from tests.e2e.program import Program, digests
from tests.e2e.test_recover import WITHOUT_PACKAGE
from tests.storage.buckets import client, made_bucket

CODED = (
    """\
  coded-1: {{url: "s3://{plain}/{run}/1", endpoint: "{http}", domain: one}}
  coded-2: {{url: "s3://{plain}/{run}/2", endpoint: "{http}", domain: two}}
  coded-3: {{url: "s3://{plain}/{run}/3", endpoint: "{http}", domain: three}}
""",
    """\
  coded: {volumes: [coded-1, coded-2, coded-3], protection: {data: 2, parity: 1}}
""",
)
DEEP = (
    """\
  vault:
    url: "s3://{locked}/{run}"
    endpoint: "{https}"
    storage_class: GLACIER
    object_lock: {{mode: COMPLIANCE, window: P1D}}
""",
    """\
  deep:
    volumes: [vault]
    protection: {copies: 1}
    availability: NEARLINE
    recall: {delay: PT12H, keep: P7D}
""",
)


@dataclass
class Cloud:
    """An archive, and its buckets as seen by somebody else."""

    program: Program
    client: Any
    plain: str
    locked: str
    run: str

    def keys(self, bucket: str, below: str) -> list[str]:
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=f"{self.run}{below}")
        return [each["Key"] for each in found.get("Contents", ())]

    def download(self, bucket: str, folder: Path) -> None:
        """Copy everything into a folder, as any tool for S3 does."""
        for key in self.keys(bucket, ""):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(bucket, key, str(path))


def made(ceph, folder: Path, written: tuple[str, str], *names: str) -> Cloud:
    """Return a new archive with one tier more, on buckets: `written` are its volumes and itself."""
    program = Program(folder / "A")
    Program.run("init", program.archive)
    plain, locked = (made_bucket(ceph.http, locks=locks) for locks in (False, True))
    cloud = Cloud(program, client(ceph.http), plain, locked, new_id()[:20])
    settings = program.archive / "archive.yaml"
    volumes = written[0].format(plain=plain, locked=locked, run=cloud.run, http=ceph.http, https=ceph.https)
    text = settings.read_text()
    text = text.replace("\n# A package is kept on one tier.", f"{volumes}\n# A package is kept on one tier.")
    text = text.replace("\n# Hospitals and", f"{written[1]}\n# Hospitals and")
    settings.write_text(text)
    for name in names:
        row = next(row for row in program("volume", "add", name).data["volumes"] if row["name"] == name)
        assert (row["state"], row["free_bytes"]) == ("ready", None)
    return cloud


@pytest.fixture(scope="module")
def vault(ceph, tmp_path_factory, sources):
    """An archive whose studies lie in one locked bucket, in an archived class; nobody harms it."""
    cloud = made(ceph, tmp_path_factory.mktemp("vault"), DEEP, "vault")
    cloud.program("ingest", sources, "--institution", "necker", "--tier", "deep", code=3)
    return cloud


def test_what_is_kept_in_buckets_comes_back_and_is_repaired(ceph, sources, wanted, tmp_path):
    cloud = made(ceph, tmp_path, CODED, "coded-1", "coded-2", "coded-3")
    program = cloud.program
    program("ingest", sources, "--institution", "necker", "--tier", "coded", code=3)
    studies = program.studies()
    assert program("audit", "run", "--all").data["findings"] == []
    for method in ("metadata", "cells", "nonce"):
        assert program("audit", "run", "--tier", "coded", "--method", method).data["findings"] == []
    for key in cloud.keys(cloud.plain, "/2/packages/"):
        cloud.client.put_object(Bucket=cloud.plain, Key=key, Body=b"other bytes")
    looked = program("audit", "run", "--all", "--method", "cells", "--no-repair", code=4).data
    damaged = program("audit", "run", "--all", code=4).data
    assert looked["damaged"] == damaged["damaged"]
    assert damaged["repaired"] == damaged["damaged"] > 0
    for key in cloud.keys(cloud.plain, "/1/"):  # the identity too: an emptied bucket
        cloud.client.delete_object(Bucket=cloud.plain, Key=key)
    emptied = program("audit", "run", "--all", code=4).data
    assert emptied["repaired"] == emptied["damaged"] > 0
    assert program("audit", "run", "--all").data["findings"] == []
    for path in program.archive.glob("catalog.db*"):
        path.unlink()
    program("catalog", "rebuild")
    assert program.export(studies, tmp_path / "out") == wanted


def test_one_locked_bucket_keeps_whole_packages(vault, wanted, tmp_path):
    packages = vault.keys(vault.locked, "/packages/")
    assert packages
    for key in packages:
        head = vault.client.head_object(Bucket=vault.locked, Key=key)
        assert (head["StorageClass"], head["ObjectLockMode"]) == ("GLACIER", "COMPLIANCE")
    locks = vault.program("volume", "locks").data
    assert locks == {"locked": len(packages), "hidden": 0, "problems": []}
    assert vault.program("audit", "run", "--all").data["findings"] == []
    assert vault.program.export(vault.program.studies(), tmp_path / "out") == wanted


def test_recover_py_reads_what_was_downloaded_from_a_bucket(vault, wanted, tmp_path):
    downloaded, keys = tmp_path / "downloaded", tmp_path / "keys"
    vault.download(vault.locked, downloaded)
    shutil.copytree(vault.program.archive / "hot-a", keys)
    root_key = shutil.copy(vault.program.archive / "secrets" / "root.key", tmp_path)
    arguments = [
        *(downloaded / vault.run / "recover.py", "--key", root_key, "--out", tmp_path / "out"),
        *(downloaded / vault.run, keys),
    ]
    command = [sys.executable, "-I", "-c", WITHOUT_PACKAGE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done
    assert wanted <= digests(tmp_path / "out")


def test_a_service_that_is_away_is_no_damage_and_stops_nothing_else(ceph, vault, sources):
    program = vault.program
    settings = program.archive / "archive.yaml"
    there = settings.read_text()
    settings.write_text(there.replace(ceph.https, "https://127.0.0.1:9"))
    program("ingest", sources, "--institution", "necker", "--tier", "hot", code=3)
    away = program("audit", "run", "--all", code=4).data
    assert (away["damaged"], away["lost"]) == (0, 0)
    assert away["unreachable"] > 0
    settings.write_text(there)
    assert program("audit", "run", "--all").data["findings"] == []
