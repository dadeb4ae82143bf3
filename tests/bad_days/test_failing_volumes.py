"""Storage lets us down at the Nth call, for every N: nothing acknowledged is lost, nothing else is left, it goes on.

The loop of SQLite's tests: fail the first call, the second … until a run ends in which nothing failed. And the power is
cut at the Nth call: what was not synced is gone. By default some moments of each run are tried; with EVERY_MOMENT=1 in
the environment all of them are, which takes minutes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from retention.model.errors import RetentionError
from retention.services.ingest.ingest import IngestReport
from retention.storage.faults import ANY
from tests.services.instances import instance
from tests.services.memory_world import MemoryWorld

STUDIES = ("1.2.9.1", "1.2.9.2")
Copies = Callable[[MemoryWorld], MemoryWorld]
FILES = {f"{study}/{study}.1.1.dcm": instance(1, study=study) for study in STUDIES}


@pytest.fixture(scope="module")
def template(templates: Path) -> MemoryWorld:
    return MemoryWorld.make(templates / "memory")


@pytest.fixture(scope="module")
def source(templates: Path) -> Path:
    folder = templates / "memory-in"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name.replace("/", "-")).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def stored(template: MemoryWorld, source: Path, templates: Path) -> MemoryWorld:
    """Both studies on cold."""
    world = template.copy(templates / "memory-held")
    world.ingest(source, "cold")
    return world


@pytest.fixture
def copies(folder: Path) -> Copies:
    count = 0

    def copy(world: MemoryWorld) -> MemoryWorld:
        nonlocal count
        count += 1
        shutil.rmtree(folder / f"m{count - 1}", ignore_errors=True)
        return world.copy(folder / f"m{count}")

    return copy


def held(world: MemoryWorld, folder: Path) -> set[str]:
    """Return the studies held, every one of them read back equal."""
    exported = world.export(folder / "out")
    assert exported.items() <= FILES.items()
    return {name.partition("/")[0] for name in exported}


def require_clean(world: MemoryWorld) -> None:
    with world.opened():
        pass
    assert world.shards() <= world.known_shards()
    assert world.unfinished() == []
    assert list((world.root / "sessions").glob("*")) == []


def attempted(world: MemoryWorld, source: Path) -> IngestReport | None:
    try:
        return world.ingest(source, "cold")
    except RetentionError:
        return None


def steps(struck: Callable[[int], bool], stride: int) -> int:
    """Go on, a stride at a time, until nothing was struck any more; return how many steps that were."""
    if os.environ.get("EVERY_MOMENT"):
        stride = 1
    nth, count = 1 + stride // 2, 0
    while struck(nth):
        nth, count = nth + stride, count + 1
    return count


@pytest.mark.parametrize(
    ("operation", "error", "forever", "stride"),
    [
        (ANY, errno.EIO, False, 61),
        (ANY, errno.ENOSPC, True, 97),
        ("append", errno.ENOSPC, False, 5),
        ("append", errno.EIO, True, 9),
        ("flush", errno.EIO, False, 3),
        ("publish", errno.EIO, True, 4),
        ("seal", errno.EIO, False, 5),
        ("write", errno.ENOSPC, True, 15),
        ("begin", errno.EROFS, True, 4),
        ("sync", errno.EIO, True, 9),
    ],
)
def test_ingest_when_the_nth_call_fails(
    template: MemoryWorld,
    source: Path,
    copies: Copies,
    folder: Path,
    operation: str,
    error: int,
    forever: bool,
    stride: int,
):
    def struck(nth: int) -> bool:
        world = copies(template)
        faults = world.share_faults()
        faults.fail(operation, nth=nth, error=error, forever=forever)
        report = attempted(world, source)
        was_struck = faults.struck > 0
        world.heal()
        kept = held(world, folder)
        if report is not None:
            assert len(kept) == report.studies
            assert report.studies + len(report.failures) >= len(STUDIES)
        require_clean(world)
        assert attempted(world, source) is not None
        assert held(world, folder) == set(STUDIES)
        return was_struck

    assert steps(struck, stride) >= 2


@pytest.mark.parametrize("torn_bytes", [1, 40, 1000])
def test_ingest_when_an_append_to_the_journal_or_keyring_is_torn(
    template, source, copies: Copies, folder: Path, torn_bytes
):
    def struck(nth: int) -> bool:
        world = copies(template)
        faults = world.share_faults()
        faults.fail("append", nth=nth, error=errno.ENOSPC, torn_bytes=torn_bytes)
        attempted(world, source)
        world.heal()
        require_clean(world)
        assert attempted(world, source) is not None
        assert held(world, folder) == set(STUDIES)
        assert world.audit().lost == 0
        assert world.audit().findings == []
        return faults.struck > 0

    assert steps(struck, 7) >= 2


def test_ingest_when_the_power_is_cut_at_the_nth_call(
    template: MemoryWorld, source: Path, copies: Copies, folder: Path
):
    """From that call on nothing reaches a medium, and what was not synced by then is gone."""

    def struck(nth: int) -> bool:
        world = copies(template)
        faults = world.share_faults()
        faults.fail(ANY, nth=nth, forever=True)
        report = attempted(world, source)
        world.cut_power()
        world.heal()
        kept = held(world, folder)
        if report is not None and not report.failures:
            assert kept == set(STUDIES)
        require_clean(world)
        assert attempted(world, source) is not None
        assert held(world, folder) == set(STUDIES)
        return faults.struck > 0

    assert steps(struck, 53) >= 3


def test_what_was_acknowledged_survives_a_power_cut(
    template: MemoryWorld, source: Path, copies: Copies, folder: Path
):
    world = copies(template)
    assert attempted(world, source) is not None
    world.cut_power()
    assert held(world, folder) == set(STUDIES)
    assert world.audit().findings == []


def test_a_device_that_only_says_it_synced_costs_what_the_parity_bears(
    template: MemoryWorld, source: Path, copies: Copies, folder: Path
):
    world = copies(template)
    for name in ("cold-4", "cold-5"):
        world.media[name].ignores_sync = True
    attempted(world, source)
    world.cut_power()
    assert held(world, folder) == set(STUDIES)
    for medium in world.media.values():
        medium.ignores_sync = False
    assert world.audit().lost == 0
    assert world.audit().findings == []


@pytest.mark.parametrize(
    ("operation", "error", "forever", "stride"),
    [
        (ANY, errno.EIO, False, 109),
        (ANY, errno.ENOSPC, True, 151),
        ("append", errno.EIO, False, 9),
        ("delete", errno.EIO, True, 1),
    ],
)
def test_repair_when_the_nth_call_fails(
    stored: MemoryWorld, copies: Copies, folder: Path, operation: str, error: int, forever: bool, stride: int
):
    def struck(nth: int) -> bool:
        world = copies(stored)
        keys = sorted(key for key in world.media["cold-2"].seen if key.startswith("packages/"))
        for key in keys:
            world.media["cold-2"].damage(key, None)
        faults = world.share_faults()
        faults.fail(operation, nth=nth, error=error, forever=forever)
        with suppress(RetentionError):
            assert world.audit().lost == 0
        was_struck = faults.struck > 0
        world.heal()
        assert held(world, folder) == set(STUDIES)
        require_clean(world)
        world.audit()
        assert world.audit().findings == []
        return was_struck

    assert steps(struck, stride) >= 1


def test_repair_when_the_power_is_cut_at_the_nth_call(stored: MemoryWorld, copies: Copies, folder: Path):
    def struck(nth: int) -> bool:
        world = copies(stored)
        for key in [key for key in world.media["cold-2"].seen if key.startswith("packages/")]:
            world.media["cold-2"].damage(key, None)
        faults = world.share_faults()
        faults.fail(ANY, nth=nth, forever=True)
        with suppress(RetentionError):
            world.audit()
        was_struck = faults.struck > 0
        world.cut_power()
        world.heal()
        assert held(world, folder) == set(STUDIES)
        require_clean(world)
        world.audit()
        assert world.audit().findings == []
        return was_struck

    assert steps(struck, 109) >= 2
