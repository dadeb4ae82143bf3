"""The doctor: looks at an installation and says, for each problem, what to do. Warnings are not failures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from retention.model.errors import RetentionError
from retention.services import events, holds, in_force, replicas, tiers
from retention.services.stores import Stores
from retention.services.volume_care import tier_statuses, volume_statuses
from retention.settings.environment import root_key_path
from retention.settings.load import FILE_NAME, load_settings
from retention.storage.state import VolumeState

LOW_SPACE_SHARE = 0.05
SHOWN = 5


class CheckStatus(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    status: CheckStatus
    detail: str
    hint: str | None = None

    @property
    def is_failed(self) -> bool:
        return self.status is CheckStatus.FAILED


def examine_installation(stores: Stores) -> list[Check]:
    """Run every check; one that cannot run is itself a failed check."""
    checks: list[Check] = []
    looks: tuple[tuple[str, Callable[[Stores], Iterator[Check]]], ...] = (
        ("catalog", _catalog),
        ("volumes", _volumes),
        ("tiers", _tiers),
        ("journal", _journal),
        ("keyring", _keyring),
        ("replicas", _replicas),
        ("root key", _root_key),
        ("recovery key", _recovery_key),
        ("holdings", _holdings),
        ("audits", _audits),
        ("holds", _holds),
        ("policies", _policies),
    )
    for name, look in looks:
        try:
            checks += look(stores)
        except RetentionError as error:
            if name == "catalog" or checks[0].detail != error.message:  # a missing catalog is told once
                checks.append(Check(name, CheckStatus.FAILED, error.message, error.hint))
    return checks


def _catalog(stores: Stores) -> Iterator[Check]:
    problems = stores.catalog.check()
    if problems:
        detail = "; ".join(f"{problem.kind}: {problem.detail}" for problem in problems)
        yield Check("catalog", CheckStatus.FAILED, detail, "make it again: retention catalog rebuild")
    else:
        yield Check("catalog", CheckStatus.OK, "its own check finds nothing")


def _volumes(stores: Stores) -> Iterator[Check]:
    for status in volume_statuses(stores):
        name = f"volume {status.spec.name}"
        if status.state is not VolumeState.READY:
            yield Check(name, CheckStatus.FAILED, status.state.value, _volume_hint(status.state))
        elif status.free_bytes is not None and status.total_bytes:
            share = status.free_bytes / status.total_bytes
            is_low = share < LOW_SPACE_SHARE
            hint = "add a volume or free space" if is_low else None
            yield Check(name, CheckStatus.WARNING if is_low else CheckStatus.OK, f"{share:.0%} free", hint)


def _volume_hint(state: VolumeState) -> str:
    if state is VolumeState.EMPTIED:
        return "retention audit run --all restores it"
    return "bring it back, or put another in its place: retention volume replace NAME --url URL"


def _tiers(stores: Stores) -> Iterator[Check]:
    for status in tier_statuses(stores):
        name = f"tier {status.name}"
        if status.problem is not None:
            yield Check(name, CheckStatus.FAILED, status.problem, "correct archive.yaml")
        elif status.domain_losses == 0:
            detail = f"survives the loss of {status.volume_losses} volumes, of the disk they share: none"
            yield Check(name, CheckStatus.WARNING, detail, "put its volumes on disks that fail separately")
        else:
            detail = f"survives the loss of {status.volume_losses} volumes or {status.domain_losses} domains"
            yield Check(name, CheckStatus.OK, detail)

    problem = tiers.unnamed_in_use(stores, load_settings(stores.root / FILE_NAME))
    if problem is not None:
        yield Check(
            "tiers", CheckStatus.FAILED, problem, "put them back into archive.yaml, under their old names"
        )


def _journal(stores: Stores) -> Iterator[Check]:
    behind = stores.journal.size - stores.catalog.position().size
    detail = f"{stores.journal.size} entries"
    if behind:
        hint = "any command that writes catches up, audit run for instance"
        yield Check("journal", CheckStatus.WARNING, f"{detail}, {behind} not yet in the catalog", hint)
    else:
        yield Check("journal", CheckStatus.OK, detail)


def _keyring(stores: Stores) -> Iterator[Check]:
    status = stores.keyring.status()
    detail = f"{status.institutions} institutions, on {', '.join(status.replicas)}"
    if status.unreachable:
        detail += f"; does not answer: {', '.join(status.unreachable)}"
        yield Check("keyring", CheckStatus.WARNING, detail, "bring these volumes back")
    else:
        yield Check("keyring", CheckStatus.OK, detail)
    kept = sum(not each.is_current for each in status.generations)
    if kept:
        detail = f"a rotation has not ended: {kept} old institution keys are kept"
        yield Check("key rotation", CheckStatus.WARNING, detail, "retention keys rotate")
    missing = list(islice(replicas.keys_nowhere(stores), SHOWN + 1))
    if missing:
        listed = ", ".join(key.package_id for key in missing[:SHOWN]) + (" …" if missing[SHOWN:] else "")
        detail = f"the keys of these packages are on no replica, nobody can read them: {listed}"
        yield Check(
            "package keys", CheckStatus.FAILED, detail, "put keyring/ back from a backup of any volume"
        )


def _replicas(stores: Stores) -> Iterator[Check]:
    """Files of journal and keyring that lie on some volumes and not on all that should have them."""
    lacking = replicas.lacking_files(stores)
    if lacking:
        detail = "; ".join(map(str, lacking[:SHOWN])) + ("; …" if lacking[SHOWN:] else "")
        hint = "retention audit run --all writes them again from the other volumes"
        yield Check("replicas", CheckStatus.FAILED, detail, hint)
    else:
        yield Check("replicas", CheckStatus.OK, "journal and keyring lie everywhere they should")


def _root_key(stores: Stores) -> Iterator[Check]:
    path = root_key_path(stores.root, os.environ)
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        hint = (
            "put it back, or name it with RETENTION_ROOT_KEY_FILE; or write it anew: retention keys recover"
        )
        yield Check("root key", CheckStatus.FAILED, f"{path} cannot be read: {error.strerror}", hint)
        return
    if mode & 0o077:
        yield Check(
            "root key", CheckStatus.FAILED, f"{path} can be read by others ({mode:o})", f"chmod 600 {path}"
        )
    else:
        yield Check("root key", CheckStatus.OK, str(path))


def _recovery_key(stores: Stores) -> Iterator[Check]:
    if stores.catalog.state(events.RECOVERY_STORED) is None:
        hint = "put away the key that init showed, not on this machine, then: retention keys status --recovery-stored"
        yield Check("recovery key", CheckStatus.WARNING, "nobody has said that it was put away", hint)
    else:
        yield Check("recovery key", CheckStatus.OK, "put away")


def _holdings(stores: Stores) -> Iterator[Check]:
    counts = stores.catalog.counts()
    detail = f"{counts.studies} studies, {counts.instances} instances, {counts.quarantined} in quarantine"
    flawed = {state.value: count for state, count in counts.flawed.items() if count}
    if flawed:
        listed = ", ".join(f"{count} {state}" for state, count in flawed.items())
        yield Check(
            "holdings",
            CheckStatus.FAILED,
            f"{detail}; shards not sound: {listed}",
            "retention audit run --all",
        )
    else:
        yield Check("holdings", CheckStatus.OK, detail)
    several = stores.catalog.studies_of_several_patients()
    if several:
        detail = f"{several} studies have instances that name another patient than the first"
        hint = "retention study show UID says which; ask who sent them whose they are"
        yield Check("patients", CheckStatus.WARNING, detail, hint)


def _audits(stores: Stores) -> Iterator[Check]:
    """Whether readings keep up with what is asked."""
    from retention.services.audit.coverage import coverage_of

    found = coverage_of(stores)
    detail = f"{found.share:.0%} of the packages read back in time, {found.late} late, {found.due} due"
    if found.late:
        yield Check(
            "audits", CheckStatus.FAILED, detail, "retention audit run --due; see that retention serve runs"
        )
    elif found.alarms:
        named = ", ".join(found.alarms)
        yield Check("audits", CheckStatus.WARNING, f"{detail}; {named}", "retention audit status")
    else:
        yield Check("audits", CheckStatus.OK, detail)


def _holds(stores: Stores) -> Iterator[Check]:
    standing = len(stores.catalog.holds.standing())
    late = [record.hold_id[:8] for record in holds.overdue(stores)]
    if late:
        detail = f"{standing} stand; the day to look at them again has passed: {', '.join(late[:SHOWN])}"
        hint = "retention hold list; they stand until somebody releases them"
        yield Check("holds", CheckStatus.WARNING, detail, hint)
    else:
        yield Check("holds", CheckStatus.OK, f"{standing} stand")


def _policies(stores: Stores) -> Iterator[Check]:
    """How many studies no rule speaks of; rules that nobody has looked at for too long; settings that wait."""
    with stores.catalog.deciding() as step:
        unruled, stale = step.count_unruled(), step.count_stale()
        institutions, enacted = step.institutions(), step.in_force()
    today = stores.clock.now().date()
    late = [
        force.policy.name
        for force in enacted
        if in_force.users_of(force.policy, institutions)
        and (review_by := in_force.document_of(force.policy).review_by) is not None
        and review_by < today
    ]
    detail = f"{unruled} studies are kept for ever because no rule speaks of them"
    if late:
        names = ", ".join(late[:SHOWN])
        hint = "look whether they still say the law, and put a version with a later review_by in force"
        yield Check("policies", CheckStatus.WARNING, f"{detail}; review overdue: {names}", hint)
    else:
        yield Check("policies", CheckStatus.OK, detail)
    if stale:
        hint = "retention lifecycle run"
        yield Check("decisions", CheckStatus.WARNING, f"{stale} studies wait to be decided again", hint)
    if stores.is_config_waiting:
        hint = "retention config check, then config apply"
        yield Check("settings", CheckStatus.WARNING, "archive.yaml has changes that are not in force", hint)
