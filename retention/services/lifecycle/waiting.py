"""Moves that leave a tier which answers slowly: what they need is asked for, and waited for from run to run.

Each is in the journal as a recall with a reason, as anybody's is; but nobody is to read it, so no copy is made. The
move reads what the slow tier gives out, within the time for which the tier keeps it, and then the request is over. The
invariant: a request is noted before a volume is asked, at most one for a study and a tier at a time, and what was asked
for in vain is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice

from retention.catalog.recalls import RecallRecord
from retention.catalog.records import PackageSummary
from retention.model.errors import NotFoundError, RetentionError
from retention.services import commit, recall
from retention.services.entries import recalls as entries
from retention.services.lifecycle.planned import PlannedMove
from retention.services.lifecycle.worth import is_slower, is_worth
from retention.services.stores import Stores
from retention.storage.volume import Urgency

BATCH = 200
GIVEN_UP = timedelta(days=30)
"""After so long a request is over, whatever became of it: what is still due is asked for again."""


def ask_for(
    stores: Stores, asleep: Mapping[PlannedMove, Sequence[PackageSummary]]
) -> dict[PlannedMove, RetentionError]:
    """Ask for the packages that moves could not read; return what could not be asked for, and why.

    Raises what a commit raises.
    """
    moves = iter(asleep)
    while batch := list(islice(moves, BATCH)):
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            noted = {(each.institution, each.study_uid, each.moving_to) for each in _open(stores)}
            new = [move for move in batch if (move.institution, move.study_uid, move.to_tier) not in noted]
            recall.note_locked(stores, [_wanted(stores, move, asleep[move][0]) for move in new])
    failed: dict[PlannedMove, RetentionError] = {}
    for move, packages in asleep.items():
        try:
            for package in packages:
                recall.ask(stores, package, Urgency.ROUTINE, recall.keep_of(stores, package))
        except RetentionError as error:
            failed[move] = error
    return failed


def end(stores: Stores) -> None:
    """End the requests whose moves are done, or that nothing came of. Raises what a commit raises."""
    over = [each for each in _open(stores) if _is_over(stores, each)]
    if not over:
        return
    owners = {record.spec.name: record.institution_id for record in stores.catalog.institutions()}
    by_owner: dict[str, list[RecallRecord]] = {}
    for each in over:
        by_owner.setdefault(each.institution or "", []).append(each)
    at, actor = stores.clock.now(), stores.actor
    commit.append(
        stores,
        [entries.end_entry(mine, owners[name], at=at, actor=actor) for name, mine in by_owner.items()],
    )


def _open(stores: Stores) -> Iterator[RecallRecord]:
    for each in stores.catalog.recalls.open():
        if each.moving_to is not None and each.study_uid is not None:
            yield each


def _wanted(stores: Stores, move: PlannedMove, package: PackageSummary) -> recall.Wanted:
    study = stores.catalog.study(move.study_uid, move.institution)
    reason = f"it moves from {move.from_tier} to {move.to_tier}"
    if move.rule:
        reason += f": {move.rule}"
    return recall.Wanted(study, package.package_id, reason, Urgency.ROUTINE, move.to_tier)


def _is_over(stores: Stores, asked: RecallRecord) -> bool:
    if stores.clock.now() >= asked.requested_at + GIVEN_UP:
        return True
    tiers = stores.settings.tiers
    if asked.moving_to not in tiers:
        return True
    try:
        study = stores.catalog.study(asked.study_uid or "", asked.institution)
    except NotFoundError:
        return True
    return not any(
        is_slower(list(tiers), asked.moving_to, package.tier)
        and is_worth(tiers[asked.moving_to], package)
        and not (package.lost or package.replaced)
        for package in recall.slow_packages(stores, study)
    )
