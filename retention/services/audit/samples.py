"""Random samples: a share of a tier's packages read in full every so often, drawn so that nobody chooses them.

A round's draws follow from a seed, and the seed is the newest seal that there is when the round begins, fixed by a
journal entry (`audit.sample`) before anything of it is read. Number n is the n-th package that the journal tells of, so
whoever has the journal can draw again (`planning.draws`). A package of the sample is done once all of it was read since
the round began, for whatever reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from retention.catalog.audit_records import AuditSampleRecord
from retention.services import commit
from retention.services.audit import planning
from retention.services.audit.audit import Task
from retention.services.audit.drawing import drawn, due_of
from retention.services.audit.planning import Asked
from retention.services.audit.recalled import Recalls
from retention.services.entries import audits as entries
from retention.services.entries.sealing import LAST_SEAL
from retention.services.stores import Stores

PAGE = 200


def sample_tasks(stores: Stores, asked: Asked, recalls: Recalls) -> Iterator[Task]:
    """Yield what of the tier's sample is due now. The first call of a round writes down what it is drawn from."""
    if not asked.sample or asked.sample_every is None:
        return
    sample = _current(stores, asked)
    if sample is None:
        return
    waiting = [
        reading
        for reading in islice(drawn(stores, sample), due_of(stores, asked, sample))
        if reading.verified_at < sample.began_at
    ]
    if asked.is_slow:
        yield from recalls.readable(waiting)
        return
    for start in range(0, len(waiting), PAGE):
        rows = [reading.row for reading in waiting[start : start + PAGE]]
        yield from map(Task, stores.catalog.audits.packages(rows))


def _current(stores: Stores, asked: Asked) -> AuditSampleRecord | None:
    """Return the round that is going on; begin one when there is none, or when its time is over."""
    last, now = stores.catalog.audits.last_sample(asked.tier), stores.clock.now()
    if last is not None and asked.sample_every is not None and now < last.began_at + asked.sample_every:
        return last
    packages = stores.catalog.audits.count_on(asked.tier)
    if not packages:
        return None
    number = 0 if last is None else last.round + 1
    sample = AuditSampleRecord(
        asked.tier,
        number,
        0,
        now,
        _seed(stores),
        planning.sample_size(asked.sample, packages),
        stores.catalog.audits.newest_row(),
    )
    (envelope,) = commit.append(stores, [entries.sample_entry(sample, at=now, actor=stores.actor)])
    return replace(sample, sequence=envelope.seq)


def _seed(stores: Stores) -> bytes:
    """Return the digest of the newest seal; before the first one the journal's root, which nobody chooses either."""
    known = stores.catalog.state(LAST_SEAL)
    return stores.journal.root() if known is None else bytes.fromhex(known.split()[1])
