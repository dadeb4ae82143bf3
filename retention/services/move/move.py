"""The move: packages made again for another tier, committed, and their older forms left to their grace.

The order never changes: the new form is written beside, synced, published and read back; its key joins the keyring; the
journal entry is the commit, and in the same step the catalog lets the new form stand for the old one. So the study is
readable at every moment, and one form of it counts. The old form lies there untouched until its grace is over
(`services.move.leaving`): whoever reads it reads on.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from retention.catalog.records import Claim, PackageSummary, WorkItem
from retention.model.clock import format_instant
from retention.model.errors import NotReadyError, RetentionError, StorageError
from retention.model.layout import TierSpec
from retention.services import commit, events, locks
from retention.services.audit.repair import places
from retention.services.events import Names
from retention.services.making import MadePackage, make_durable, package_entry
from retention.services.move.budget import Budget
from retention.services.move.recode import Recoder
from retention.services.progress import Progress
from retention.services.sessions import Session, under_way
from retention.services.stores import Stores

GRACE = timedelta(days=1)
"""How long the old form of a moved package stays: longer than any reading that began before the move."""

GROUP_PACKAGES = 64
GROUP_BYTES = 64 * 1024 * 1024
GROUP_SHARDS = 384


KIND = "move"
CLAIMED = 16
"""Packages a run takes for itself at once, so that two runs share what there is to do."""
LEASE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Task:
    """A package to be moved."""

    package: PackageSummary
    tier: TierSpec


@dataclass(slots=True)
class Moved:
    """What a run did. `moved` are done; `overtaken` somebody else did or is doing; `failed` could not be, and stay as
    they were; `asleep` lie on a slow tier and cannot be read now; `left` the budget did not reach. `unlocked`: why
    volumes have not locked what was moved to them yet."""

    moved: list[Task] = field(default_factory=list)
    overtaken: list[Task] = field(default_factory=list)
    failed: list[tuple[Task, RetentionError]] = field(default_factory=list)
    asleep: list[Task] = field(default_factory=list)
    left: list[Task] = field(default_factory=list)
    unlocked: list[StorageError] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def bytes_received(self) -> int:
        return sum(task.package.bytes_received for task in self.moved)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A package in its new form, not yet durable."""

    task: Task
    work: WorkItem
    made: MadePackage


class Mover:
    """One run that moves packages."""

    def __init__(self, stores: Stores, progress: Progress, budget: Budget) -> None:
        self._stores = stores
        self._progress = progress
        self._budget = budget
        self._names = Names(stores.keyring.index_key.secret)
        self._done = Moved()

    def run(self, tasks: Iterable[Task]) -> Moved:
        """Move packages as long as the budget lasts; one that cannot be moved stops no other.

        Raises what a commit raises: then what was under way is left to the next start.
        """
        started_s = self._stores.clock.monotonic_s()
        self._progress.begin("move", None)
        try:
            with (
                Session(self._stores.root) as session,
                ThreadPoolExecutor(1, "read") as reader,
                ThreadPoolExecutor(1, "commit") as committer,
            ):
                states = self._stores.volumes.states()
                recoder = Recoder(self._stores, states, session.name, reader, self._budget)
                claimed = self._claimed(session, iter(tasks))
                with closing(_grouped(self._recoded(recoder, claimed))) as groups:
                    self._recode_and_commit(groups, committer, session)
        finally:
            self._progress.end()
        self._done.seconds = self._stores.clock.monotonic_s() - started_s
        return self._done

    def _recode_and_commit(
        self, groups: Generator[list[_Ready], None, None], committer: ThreadPoolExecutor, session: Session
    ) -> None:
        """Make one group while the one before is made durable and committed."""
        under_way: Future[None] | None = None
        for group in groups:
            if under_way is not None:
                _wait(under_way, group)
            under_way = committer.submit(self._commit, session, group)
        if under_way is not None:
            under_way.result()

    def _claimed(self, session: Session, tasks: Iterator[Task]) -> Iterator[tuple[Task, WorkItem]]:
        """Yield the tasks that the budget reaches and no other run is at, each with its lease."""
        while chunk := list(islice(tasks, CLAIMED)):
            affordable = [task for task in chunk if self._budget.take(task.package.bytes_received)]
            self._done.left += [task for task in chunk if task not in affordable]
            now, place = self._stores.clock.now(), socket.gethostname()
            claim = Claim(
                KIND,
                f"{session.name}@{place}",
                now,
                now + LEASE,
                place,
                under_way(self._stores.root).names,
            )
            items = self._stores.catalog.claim_work(claim, [task.package.package_id for task in affordable])
            works = {item.package_id: item for item in items}
            for task in affordable:
                work = works.get(task.package.package_id)
                if work is None:
                    self._done.overtaken.append(task)
                else:
                    yield task, work

    def _recoded(self, recoder: Recoder, claimed: Iterable[tuple[Task, WorkItem]]) -> Iterator[_Ready]:
        for task, work in claimed:
            if self._budget.is_late:
                self._done.left.append(task)
                self._stores.catalog.finish_work_of([work], "left")
                continue
            try:
                made = recoder.recode(task.package, task.tier, supersedes=True)
            except RetentionError as error:
                self._fail(task, work, error)
            else:
                yield _Ready(task, work, made)

    def _fail(self, task: Task, work: WorkItem, error: RetentionError) -> None:
        if isinstance(error, NotReadyError):
            self._done.asleep.append(task)
        else:
            self._done.failed.append((task, error))
        self._stores.catalog.finish_work_of([work], f"failed: {error.code}")

    def _commit(self, session: Session, group: Sequence[_Ready]) -> None:
        by_package = {ready.made.package: ready for ready in group}
        sound: list[_Ready] = []
        for made, error in make_durable(self._stores.volumes, session, [ready.made for ready in group]):
            ready = by_package[made.package]
            if error is None:
                sound.append(ready)
            else:
                self._fail(ready.task, ready.work, error)
        fresh = self._append(sound)
        self._done.unlocked += locks.lock_new(self._stores, [ready.made.package for ready in fresh])
        for ready in sound:
            if ready in fresh:
                self._done.moved.append(ready.task)
            else:
                ready.made.uploads.discard()
                self._done.overtaken.append(ready.task)
            self._progress.advance(ready.task.package.bytes_received)
        if any(ready.made.uploads.is_left for ready in group):
            session.leave_open()

    def _append(self, group: Sequence[_Ready]) -> list[_Ready]:
        """Commit those whose old form still stands as it was read; return them."""
        stores = self._stores
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            held = stores.catalog.held_work([ready.work for ready in group])
            fresh = [
                ready for ready in group if ready.work.work_id in held and self._still_stands(ready.task)
            ]
            if fresh:
                segments = stores.keyring.commit([ready.made.key for ready in fresh])
                at, actor = stores.clock.now(), stores.actor
                entries = [
                    package_entry(
                        ready.made,
                        self._names,
                        segments[ready.made.key.key_id],
                        action=events.PACKAGE_MOVE,
                        at=at,
                        actor=actor,
                        objects={"supersedes": ready.task.package.package_id},
                        data={"from": ready.task.package.tier, "drop_at": format_instant(at + GRACE)},
                    )
                    for ready in fresh
                ]
                commit.append_locked(
                    stores, entries, {ready.made.key.key_id: ready.made.key.secret for ready in fresh}
                )
        stores.catalog.finish_work_of([ready.work for ready in fresh], "moved")
        stores.catalog.finish_work_of([ready.work for ready in group if ready not in fresh], "overtaken")
        return fresh

    def _still_stands(self, task: Task) -> bool:
        """Whether the package is as it was read."""
        now = self._stores.catalog.package(task.package.package_id)
        return not now.is_superseded and places(now.shards) == places(task.package.shards)


def _wait(under_way: Future[None], following: Sequence[_Ready]) -> None:
    """Wait for a group; the one made meanwhile goes with it if that fails."""
    try:
        under_way.result()
    except BaseException:
        for ready in following:
            ready.made.uploads.discard()
        raise


def _grouped(ready: Iterator[_Ready]) -> Generator[list[_Ready], None, None]:
    """Collect packages that are synced and committed together; a large one is a group by itself."""
    group: list[_Ready] = []
    size_bytes = shards = 0
    shards_limit = min(GROUP_SHARDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
    try:
        for each in ready:
            group.append(each)
            size_bytes += each.made.tail.shard_bytes
            shards += len(each.made.uploads.uploads)
            if len(group) >= GROUP_PACKAGES or size_bytes >= GROUP_BYTES or shards >= shards_limit:
                full, group, size_bytes, shards = group, [], 0, 0
                yield full  # from here on it is the caller's
    except BaseException:
        for each in group:
            each.made.uploads.discard()
        raise
    if group:
        yield group
