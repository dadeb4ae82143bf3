"""A study on an archived class of S3: kept unread, asked for, waited for, read. The waiting is emulated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.program import digests
from tests.e2e.test_s3 import DEEP, made
from tests.storage.clocks import MovableClock
from tests.storage.s3_glacier import Glacier
from tests.storage.s3_proxy import Proxy


@pytest.fixture
def glacier():
    """Glacier's clock begins where the program's stands, and is moved by the test alone."""
    return Glacier(MovableClock(datetime.now(UTC)))


@pytest.fixture
def cloud(ceph, glacier, tmp_path):
    with Proxy(ceph.http).running() as proxy:
        proxy.hook = glacier
        volumes, tiers = DEEP
        written = volumes.replace("{https}", proxy.endpoint), tiers
        yield made(ceph, tmp_path, written, "vault")


def test_a_study_on_glacier_is_recalled_and_read(cloud, glacier, sources, wanted, tmp_path):
    program = cloud.program
    program("ingest", sources, "--institution", "necker", "--tier", "deep", code=3)
    studies = program.studies()
    uid = studies[0]["study_uid"]
    assert program("audit", "run", "--all").data["findings"] == []
    looked = program("audit", "run", "--tier", "deep", "--method", "metadata").data
    assert (looked["findings"], looked["bytes"]) == ([], 0)
    assert looked["checked"] == len(studies) + 1  # one package is in quarantine
    refused = program("study", "export", uid, "--out", tmp_path / "early", code=75).document
    assert "recall" in refused["error"]["hint"]
    assert digests(tmp_path) & wanted == set()
    (asked,) = program("recall", "request", uid, "--reason", "a new fracture", "--urgency", "emergency").data[
        "requests"
    ]
    assert asked["eta"] is not None
    assert {tier for _, tier in glacier.asked} == {"Expedited"}
    program("study", "export", uid, "--out", tmp_path / "early", code=75)
    glacier.clock.at += timedelta(hours=1)
    program("lifecycle", "run")
    assert [row["state"] for row in program("recall", "list").data["requests"]] == ["ready"]
    program("study", "export", uid, "--out", tmp_path / "out")
    assert digests(tmp_path / "out") <= wanted
    assert digests(tmp_path / "out")
