"""Gathering the measures of an archive.

Sums over the catalog cost a pass over it: they are remembered for a while that is twenty times as long as they took, so
that whoever asks often takes a twentieth of one core at most. All else is looked up each time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from retention import __version__
from retention.catalog.counters import ENTRIES, Count
from retention.catalog.jobs import JobOutcome
from retention.catalog.recalls import RecallProgress
from retention.model.errors import RetentionError, StorageError
from retention.services import counting, events
from retention.services.disclosing import waiting
from retention.services.entries.sealing import SEAL, TIMESTAMP
from retention.services.readiness import obstacles
from retention.services.staging.places import PREFIX as STAGING
from retention.services.stores import Stores
from retention.storage.state import VolumeState

LOG = logging.getLogger(__name__)
DAYS = (7, 30, 90, 365)
SHARE = 20
AT_LEAST_S = 15.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One number, and what it is of: the values of its kind's labels, in their order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Measuring:
    """Measures one archive again and again; may be asked from several threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._sums: list[Measure] = []
        self._until_s = float("-inf")
        self._making: threading.Thread | None = None

    def measures(self) -> list[Measure]:
        """Return everything that can be measured now. What does not answer is left out, and `up` says so.

        Raises CatalogError when the catalog cannot be read.
        """
        return [*self._summed(), *_looked_up(self._stores)]

    def _summed(self) -> list[Measure]:
        """Return the sums as remembered; who comes when they are old does not wait for the next ones."""
        with self._lock:
            if not self._sums:
                self._sum_up()
            elif self._making is None and self._stores.clock.monotonic_s() >= self._until_s:
                self._making = threading.Thread(target=self._make_anew, name="measures", daemon=True)
                self._making.start()
            return self._sums

    def _make_anew(self) -> None:
        try:
            self._sum_up()
        except RetentionError as error:
            LOG.warning("the catalog could not be summed up: %s", error.code)
        finally:
            self._making = None

    def _sum_up(self) -> None:
        clock = self._stores.clock
        began_s = clock.monotonic_s()
        self._sums = list(_sums(self._stores))
        now_s = clock.monotonic_s()
        self._until_s = now_s + max(AT_LEAST_S, SHARE * (now_s - began_s))


def _sums(stores: Stores) -> Iterator[Measure]:
    now = stores.clock.now()
    yield Measure("measured_timestamp_seconds", now.timestamp())
    with stores.catalog.figures() as figures:
        for held in figures.on_tiers():
            where = (held.institution, held.tier)
            yield Measure("studies", held.studies, where)
            yield Measure("instances", held.instances, where)
            yield Measure("received_bytes", held.bytes_received, where)
            yield Measure("stored_bytes", held.bytes_stored, where)
        for state in figures.states():
            yield Measure("studies_in_state", state.studies, (state.institution, state.state))
        for checked in figures.checked([now - timedelta(days=days) for days in DAYS]):
            yield Measure("packages", checked.packages, (checked.tier,))
            yield Measure("packages_lost", checked.lost, (checked.tier,))
            yield Measure("audit_oldest_timestamp_seconds", checked.oldest_at.timestamp(), (checked.tier,))
            within = 0
            for days, count in zip(DAYS, checked.by_age, strict=False):
                within += count
                yield Measure("packages_read_within_days", within, (checked.tier, str(days)))
        for flawed in figures.flawed():
            yield Measure("shards_flawed", flawed.shards, (flawed.tier, flawed.state))


def _looked_up(stores: Stores) -> Iterator[Measure]:
    yield Measure("info", 1, (__version__,))
    yield Measure("up", not _obstacles(stores))
    yield from _counted(stores.catalog.counters.all())
    yield Measure("journal_size", stores.catalog.position().size)
    yield Measure("approvals_pending", len(stores.catalog.approvals.pending()))
    yield Measure("disclosures_waiting", len(waiting(stores.root)))
    recalls = [recall.state for recall in stores.catalog.recalls.open()]
    for state in (RecallProgress.REQUESTED, RecallProgress.READY):
        yield Measure("recalls_open", recalls.count(state), (state.value,))
    yield from _volumes(stores)
    yield from _jobs(stores, stores.clock.now())


def _obstacles(stores: Stores) -> list[str]:
    try:
        return obstacles(stores)
    except RetentionError as error:
        return [error.code]


def _counted(counts: dict[str, Count]) -> Iterator[Measure]:
    def total(name: str) -> int:
        return counts[name].total if name in counts else 0

    yield Measure("audit_packages", total(counting.AUDITED))
    yield Measure("audit_findings", total(counting.FOUND))
    yield Measure("audit_lost", total(counting.LOST))
    yield Measure("repairs", total(counting.ACTION + events.SHARD_REPAIR))
    yield Measure("moves", total(counting.ACTION + events.PACKAGE_MOVE))
    for name, count in counts.items():
        if name.startswith(counting.ACTION):
            yield Measure("journal_entries", count.total, (name.removeprefix(counting.ACTION),))
    seals, stamps = total(counting.ACTION + SEAL), total(counting.ACTION + TIMESTAMP)
    yield Measure("seals_without_timestamp", max(0, seals - stamps))
    for name, counter in (
        ("journal_last_timestamp_seconds", ENTRIES),
        ("audit_last_timestamp_seconds", counting.ACTION + events.AUDIT_RUN),
        ("seal_last_timestamp_seconds", counting.ACTION + SEAL),
        ("timestamp_last_timestamp_seconds", counting.ACTION + TIMESTAMP),
    ):
        if counter in counts:
            yield Measure(name, counts[counter].last_at.timestamp())


def _volumes(stores: Stores) -> Iterator[Measure]:
    staged: dict[str, int] = {}
    for volume in stores.volumes:
        state = volume.probe()
        yield Measure("volume_up", state is VolumeState.READY, (volume.name,))
        if not state.is_readable:
            continue
        try:
            free, size = volume.free_bytes(), volume.total_bytes()
            if volume.supports_append:
                staged |= {stat.key: stat.size_bytes for stat in volume.list(STAGING)}
        except StorageError:
            continue
        if free is not None and size is not None:
            yield Measure("volume_free_bytes", free, (volume.name,))
            yield Measure("volume_size_bytes", size, (volume.name,))
    yield Measure("staging_bytes", sum(staged.values()))


def _jobs(stores: Stores, now: datetime) -> Iterator[Measure]:
    jobs = stores.catalog.jobs
    for name, state in jobs.states().items():
        yield Measure("job_paused", state.is_paused(now), (name,))
    for name, run in jobs.last_runs().items():
        if run.outcome is JobOutcome.RUNNING:
            continue
        is_good = run.outcome is JobOutcome.DONE
        yield Measure("job_failing", not is_good, (name,))
        if is_good and run.ended_at is not None:
            yield Measure("job_last_success_timestamp_seconds", run.ended_at.timestamp(), (name,))
