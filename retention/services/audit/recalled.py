"""Tiers that answer slowly: recalling what a sample or a round has to read.

A recall costs money and the tier's attention. So no more is asked for at a time than archive.yaml allows
(`audit: recall`), at the lowest urgency, and nothing is copied: the audit reads where it lies. What was asked for is
known by the volumes themselves, so nothing has to be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from retention.catalog.audit_records import PackageReading
from retention.catalog.records import PackageSummary
from retention.model.errors import StorageError
from retention.services.audit import planning
from retention.services.audit.audit import Task
from retention.services.audit.planning import Asked
from retention.services.recall import KEEP
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Availability, RecallState, Urgency

PAGE = 100


class Recalls:
    """What one run reads of slow tiers, and what it asks for."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._outstanding_bytes = 0

    def longest_unread(self, asked: Asked) -> Iterator[Task]:
        """Yield full readings of what was read longest ago, and have the next ones recalled."""
        if asked.full is not None:
            before = self._stores.clock.now() - planning.lead(asked.full)
            yield from self.readable(self._stores.catalog.audits.longest_unread(asked.tier, before))

    def readable(self, readings: Iterable[PackageReading]) -> Iterator[Task]:
        """Yield those that can be read now, and ask for the others, until as much is asked for as is allowed."""
        waiting = iter(readings)
        while rows := [reading.row for reading in islice(waiting, PAGE)]:
            for package in self._stores.catalog.audits.packages(rows):
                states = self._availabilities(package)
                if all(found.is_readable for found in states.values()):
                    yield Task(package)
                    continue
                self._outstanding_bytes += package.bytes_stored
                is_asked = all(found.state is not RecallState.ARCHIVED for found in states.values())
                if self._outstanding_bytes > self._stores.settings.audit.recall_bytes and not is_asked:
                    return
                self._ask(package, states)

    def _availabilities(self, package: PackageSummary) -> dict[int, Availability]:
        found: dict[int, Availability] = {}
        for shard in package.shards:
            if shard.volume is not None:
                with suppress(StorageError):  # what is missing there, a look at the tier finds
                    key = shard_key(package.package_id, shard.number, shard.generation)
                    found[shard.number] = self._stores.volumes[shard.volume].availability(key)
        return found

    def _ask(self, package: PackageSummary, states: dict[int, Availability]) -> None:
        terms = self._stores.settings.tiers[package.tier].recall
        keep = KEEP if terms is None else terms.keep
        for number, found in states.items():
            if found.state is RecallState.ARCHIVED:
                shard = package.shards[number]
                key = shard_key(package.package_id, number, shard.generation)
                with suppress(StorageError):
                    self._stores.volumes[shard.volume or ""].recall(key, urgency=Urgency.ROUTINE, keep=keep)
