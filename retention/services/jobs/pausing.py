"""Pausing a job and letting it run again: what operators do, and journal.

The invariant: a job that does not run is never silent. Who paused it stands in the journal, `schedule list` and the
doctor say so, and what it leaves undone is late all the same.
"""

from __future__ import annotations

from datetime import datetime

from retention.catalog.jobs import JobState, Pause
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.model.digests import blake3_digest
from retention.model.errors import UsageError
from retention.services import commit, people
from retention.services.entries.jobs import SCHEDULE_PAUSE, SCHEDULE_RESUME, pause_entry
from retention.services.jobs.job import Job
from retention.services.people import ADMINISTRATOR, OPERATOR, Actor, Claim
from retention.services.stores import Stores

REASON_CHARACTERS = 2000


def pause(stores: Stores, job: Job, reason: str, until_at: datetime | None) -> None:
    """Stop a job from running by itself, until an instant if one is given.

    Raises UsageError, RoleMissingError, SignatureMissingError, and what a commit raises.
    """
    text, now = reason.strip(), stores.clock.now()
    if not text or len(text) > REASON_CHARACTERS:
        raise UsageError(
            "a pause needs a reason", hint=f"--reason TEXT, at most {REASON_CHARACTERS} characters"
        )
    if until_at is not None and until_at <= now:
        raise UsageError(
            f"{format_instant(until_at)} is past", hint="--until an instant that is to come, or none at all"
        )
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        actor = people.require_role(stores, None, OPERATOR, ADMINISTRATOR)
        paused = Pause(job.name, now, until_at, stores.person, text)
        until = None if until_at is None else format_instant(until_at)
        by = _proof(stores, actor, SCHEDULE_PAUSE, job, {"until": until, "reason": text}, now)
        entry = pause_entry(paused, stores.keyring.index_key, stores.actor, by)
        commit.append_locked(stores, [entry])


def resume(stores: Stores, job: Job) -> None:
    """Let a job run by itself again. Raises UsageError when it is not paused, and as `pause`."""
    now = stores.clock.now()
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        actor = people.require_role(stores, None, OPERATOR, ADMINISTRATOR)
        if stores.catalog.jobs.states().get(job.name, JobState(job.name)).paused_at is None:
            raise UsageError(f"{job.name} is not paused", hint="retention schedule list")
        by = _proof(stores, actor, SCHEDULE_RESUME, job, {}, now)
        data: dict[str, JsonValue] = {"job": job.name, "by": by}
        commit.append_locked(stores, [NewEntry(now, stores.actor, SCHEDULE_RESUME, data=data)])


def _proof(
    stores: Stores, actor: Actor, action: str, job: Job, said: dict[str, JsonValue], at: datetime
) -> JsonValue:
    held = actor.roles_at(None)
    role = next((role for role in (OPERATOR, ADMINISTRATOR) if role in held), "")
    digest = blake3_digest(canonical_json({"job": job.name, **said})).hex()
    return people.proof(stores, actor, Claim(action, None, job.name, digest, role), at)
