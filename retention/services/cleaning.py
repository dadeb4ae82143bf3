"""Clean-up: what has had its time, what killed runs left behind, and old notes of what ran.

Nothing here decides that something may go: packages leave by the gate, for the reasons it knows, and unfinished uploads
when the run that began them is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from retention.model.errors import StorageError
from retention.services import commit, gate, sessions
from retention.services.move.leaving import drop_due
from retention.services.stores import Stores

RUNS_KEPT = timedelta(days=400)
"""How long it is remembered how a job went: longer than a year, for whoever compares."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Packages whose older form or recalled copy is gone (`dropped`), or has to stay for now (`kept`); `sessions` of
    runs that were killed; objects that should be gone and are `locked`; `runs` that nobody asks about any more.
    `problems`: why something stays."""

    dropped: int
    kept: int
    sessions: int
    locked: int
    runs: int
    problems: tuple[str, ...]


def clean(stores: Stores, *, stop: Callable[[], bool]) -> Cleaned:
    """Clean up. Raises what a commit raises."""
    left = drop_due(stores)
    dealt_with: list[str] = []
    if not stop():
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            dealt_with = sessions.recover(stores.root, stores.volumes, stores.catalog)
    runs = stores.catalog.jobs.forget_runs(stores.clock.now() - RUNS_KEPT)
    problems = [f"package {package.package_id}: {why.message}" for package, why in left.kept]
    locked = 0
    for volume in stores.volumes:
        if stop():
            break
        try:
            locked += gate.sweep(
                stores.catalog, volume
            )  # uploads that nobody finishes, versions whose lock is over
        except StorageError as error:
            problems.append(f"{volume.name}: {error.message}")
    return Cleaned(len(left.packages), len(left.kept), len(dealt_with), locked, runs, tuple(problems))
