"""A service that answers badly while studies come and move: nothing is lost or left twice, and no source is dropped.

A proxy before a real service meets requests with faults, as often as makes whole steps fail; then the wind calms down,
the next start cleans up, and everything must be there once. EVERY_MOMENT=1: more storms, on more ways.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import RetentionError
from retention.model.identifiers import new_id
from retention.services.cleaning import clean
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.volume_care import add_volume
from retention.services.volumes import shard_key
from retention.storage import s3_service
from retention.storage.s3_service import S3Service
from retention.storage.s3_upload import Parts
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.services.instances import instance
from tests.services.move.moving import move_in
from tests.services.world import World
from tests.storage.buckets import PART_BYTES, client, made_bucket
from tests.storage.s3_proxy import (
    Forward,
    Hook,
    Proxy,
    Reply,
    Request,
    cut_answer,
    lost_answer,
    lying_error,
    reset,
    spoilt_answer,
    spoilt_request,
    status,
)

FAULTS: tuple[Hook, ...] = (
    status(500),
    status(503, "SlowDown"),
    reset,
    lost_answer,
    lying_error,
    cut_answer,
    spoilt_request,
)
PATIENT = dict(S3Service.__init__.__kwdefaults__ or {})
STUDIES = tuple(f"1.2.9.{number}" for number in range(3))
EVERY_MOMENT = bool(os.environ.get("EVERY_MOMENT"))
ROUNDS = 5 if EVERY_MOMENT else 1


class Storm:
    """Meets a share of all requests with a fault; bytes of shards may come back as others, too."""

    def __init__(self, seed: int, share: float) -> None:
        self._chance = random.Random(seed)
        self._share = share
        self._lock = Lock()
        self.met = 0

    def __call__(self, request: Request, forward: Forward) -> Reply:
        faults = (*FAULTS, spoilt_answer) if "/packages/" in request.path else FAULTS
        with self._lock:
            fault = self._chance.choice(faults) if self._chance.random() < self._share else None
            self.met += fault is not None
        return forward(request) if fault is None else fault(request, forward)


@dataclass
class Coast:
    """An archive with a tier in a bucket behind a proxy."""

    world: World
    proxy: Proxy
    endpoint: str
    bucket: str
    prefix: str

    def through_storms(self, step: Callable[[], object]) -> None:
        """Try a step in several storms, looking after each; then once in calm."""
        for seed in range(ROUNDS):
            self.proxy.hook = storm = Storm(seed, 0.4)
            with suppress(RetentionError):
                step()
            self.proxy.hook = calm
            assert storm.met
            self.require_tidy()
        step()
        self.require_tidy()

    def require_tidy(self) -> None:
        """After the next start: what lies in the bucket is what the catalog says, each once, and all can be read."""
        require_whole_or_absent(self.world)
        with self.world.opened() as stores:
            assert stores.catalog.check() == []
            placed = [
                shard_key(each.package_id, each.number, each.generation)
                for each in stores.catalog.placed_shards()
                if each.volume == "bucket-1"
            ]
        found = client(self.endpoint).list_object_versions(Bucket=self.bucket, Prefix=self.prefix)
        assert found.get("DeleteMarkers", []) == []
        keys = [version["Key"].removeprefix(f"{self.prefix}/") for version in found["Versions"]]
        assert sorted(key for key in keys if key.startswith("packages/")) == sorted(placed)
        assert [key for key in keys if key.startswith("incoming/")] == []


def calm(request: Request, forward: Forward) -> Reply:
    return forward(request)


@pytest.fixture(params=[False, True], ids=["plain", "versioned"])
def coast(ceph, empty: World, request, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(S3Service.__init__, "__kwdefaults__", PATIENT | {"pause": lambda _: None})
    monkeypatch.setattr(s3_service, "REST_S", 0.0)
    monkeypatch.setattr(Parts.__init__, "__defaults__", (PART_BYTES, 2))
    with Proxy(ceph.http).running() as proxy:
        made = Coast(empty, proxy, ceph.http, made_bucket(ceph.http, locks=request.param), new_id()[:20])
        volume = f'  bucket-1: {{url: "s3://{made.bucket}/{made.prefix}", endpoint: "{proxy.endpoint}", domain: s3}}\n'
        tier = "  bucket: {volumes: [bucket-1], protection: {copies: 1}}\n"
        settings = empty.root / "archive.yaml"
        text = settings.read_text().replace("\n# A package is kept", f"{volume}\n# A package is kept")
        settings.write_text(text.replace("\n# Hospitals and", f"{tier}\n# Hospitals and"))
        with empty.opened() as stores:
            add_volume(stores, "bucket-1")
        for study in STUDIES:
            for number in (1, 2):
                empty.send(f"{study}/{number}.dcm", instance(number, study=study, rows=32))
        empty.send(
            f"{STUDIES[0]}/long.dcm", instance(3, study=STUDIES[0]) + random.Random(1).randbytes(6 << 20)
        )
        yield made


def move(world: World, source: str, target: str) -> None:
    with world.opened() as stores:
        move_in(stores, target, [package for package in world.packages() if package.tier == source])


def drop(world: World) -> None:
    with world.opened() as stores:
        stores.clock = RehearsalClock(stores.clock.now() + GRACE)
        drop_due(stores)


def test_studies_that_come_and_move_in_storms_are_there_once_and_whole(coast: Coast):
    world = coast.world
    coast.through_storms(lambda: world.ingest(tier="bucket"))
    assert {str(package.study_uid) for package in world.packages()} == set(STUDIES)
    coast.through_storms(lambda: move(world, "bucket", "cold"))
    assert [package.tier for package in world.packages()] == ["cold"] * len(STUDIES)
    if not EVERY_MOMENT:
        require_sound(world)
        return
    coast.through_storms(lambda: drop(world))
    coast.through_storms(lambda: move(world, "cold", "bucket"))
    assert [package.tier for package in world.packages()] == ["bucket"] * len(STUDIES)
    require_sound(world)


HARM: dict[str, Callable[[Any, str, str], object]] = {
    "written over": lambda s3, bucket, key: s3.put_object(Bucket=bucket, Key=key, Body=b"other bytes"),
    "removed": lambda s3, bucket, key: s3.delete_object(Bucket=bucket, Key=key),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
@pytest.mark.parametrize("coast", [True], indirect=True, ids=["versioned"])
def test_what_somebody_wrote_over_or_removed_comes_back_from_the_version_before(coast: Coast, harm):
    """The only copy there is: without versions it would be lost."""
    world = coast.world
    world.ingest(tier="bucket")
    for package in world.packages():
        key = f"{coast.prefix}/{shard_key(package.package_id, 0, 0)}"
        harm(client(coast.endpoint), coast.bucket, key)
    with world.opened() as stores:
        clean(stores, stop=lambda: False)  # it sweeps what is hidden, and not this
    looked = world.audit(repair=False)
    assert looked.lost == 0
    assert {"earlier version of it is whole" in found.detail for found in looked.findings} == {True}
    repaired = world.audit()
    assert (repaired.lost, repaired.repaired) == (0, len(STUDIES))
    coast.require_tidy()
    require_sound(world)
