"""What a look at a volume finds, and what each finding allows.

The rule that decides is pure (`judge`): the identity found there, the one expected, the device it lies on and the
one recorded go in, a state comes out. Nothing is written anywhere on a guess.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from retention.model.clock import format_instant
from retention.model.errors import NotReadyError, VolumeSuspectError, VolumeUnavailableError
from retention.storage.identity import DeviceRecord, VolumeIdentity


class VolumeState(StrEnum):
    """Only READY takes writes.

    EMPTIED is the recorded device without a sound identity: the same volume, damaged, which `adopt` makes whole
    again. UNMOUNTED is a recorded mount point with nothing mounted, or no identity on a device that is not the
    recorded one. WRONG is the identity of another volume or archive. SUSPECT had a failed sync since it was opened.
    """

    READY = "ready"
    EMPTIED = "emptied"
    MISSING = "missing"
    UNMOUNTED = "unmounted"
    WRONG = "wrong"
    READ_ONLY = "read-only"
    SUSPECT = "suspect"

    @property
    def is_readable(self) -> bool:
        """Whether objects may be read: the place is the volume's own, whatever may be missing from it."""
        return self not in (VolumeState.MISSING, VolumeState.UNMOUNTED, VolumeState.WRONG)


_REFUSALS = {
    VolumeState.EMPTIED: (
        "its identity file is missing or damaged, on the device it always had",
        "run an audit (`retention audit run --all`), which restores it",
    ),
    VolumeState.MISSING: (
        "its place is not there or cannot be read",
        "connect it, or give it another place with `retention volume replace`",
    ),
    VolumeState.UNMOUNTED: (
        "nothing is mounted there, or a device without this volume's identity",
        "mount it, or say that this place is right with `retention volume replace`",
    ),
    VolumeState.WRONG: (
        "another volume is in its place",
        "connect the right one, or correct `volumes` in archive.yaml",
    ),
    VolumeState.READ_ONLY: (
        "it is read-only",
        "a file system that met errors makes itself read-only: look at the system's log",
    ),
}


def unavailable(volume: str, state: VolumeState) -> VolumeUnavailableError | VolumeSuspectError:
    """Return the error that refuses an access to a volume in this state (any but READY)."""
    if state is VolumeState.SUSPECT:
        return suspect(volume, "a sync failed earlier")
    why, hint = _REFUSALS[state]
    return VolumeUnavailableError(f"volume {volume}: {why}", hint=hint, volume=volume, state=state.value)


def suspect(volume: str, why: str) -> VolumeSuspectError:
    """Return the error that says a sync failed, or refuses writes after one."""
    return VolumeSuspectError(
        f"volume {volume}: {why}; what was written there and not yet confirmed is condemned",
        hint="check the medium and the system's log, then run `retention volume check`",
        volume=volume,
    )


def not_ready(volume: str, key: str, ready_at: datetime | None, *, is_requested: bool) -> NotReadyError:
    """Return the error that refuses to read an archived object, asked for already or not."""
    if not is_requested:
        message = f"volume {volume}: {key} is archived, and was not asked for"
        hint = "ask for it with `retention recall request`"
    else:
        when = "nobody can tell when" if ready_at is None else f"expected at {format_instant(ready_at)}"
        message = f"volume {volume}: {key} was asked for and is not back yet ({when})"
        hint = "`retention recall list` says when"
    return NotReadyError(message, hint=hint, ready_at=ready_at, volume=volume, key=key)


def judge(
    name: str,
    *,
    found: VolumeIdentity | None,
    expected: VolumeIdentity | None,
    here: DeviceRecord,
    recorded: DeviceRecord | None,
) -> VolumeState:
    """Decide what a place that exists is: READY, EMPTIED, UNMOUNTED or WRONG.

    The identity on the medium counts more than the device it lies on, which may have got another number or been
    cloned; what was a mount point must be one. Without `expected` (a catalog being rebuilt) the name must fit.
    """
    if recorded is not None and recorded.is_mount and not here.is_mount:
        return VolumeState.UNMOUNTED
    if found is not None:
        fits = found.is_same(expected) if expected is not None else found.name == name
        return VolumeState.READY if fits else VolumeState.WRONG
    return (
        VolumeState.EMPTIED
        if recorded is not None and recorded.device == here.device
        else VolumeState.UNMOUNTED
    )
