"""Where staging logs lie: on two volumes where there are two, named by who writes them.

A log's name says which run wrote it, so that whoever finds it knows whether its writer still lives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from retention.model.errors import PlacementError, StorageError, VolumeFullError
from retention.services.gate import STAGING
from retention.services.volumes import VolumeSet
from retention.storage.state import VolumeState
from retention.storage.volume import Volume

PREFIX = STAGING
COPIES = 2
TIER = "hot"
FREE_LIMIT_BYTES = 1 << 30
FREE_DIVISOR = 10
"""Staging leaves a tenth of a volume free, or 1 GiB if that is less: packing what is staged needs space, too."""

_LOG = re.compile(r"staging/([0-9a-f]{16})-([0-9]{6})\.log\Z")


def log_name(session: str, number: int) -> str:
    return f"{session}-{number:06d}"


def log_key(log: str) -> str:
    return f"{PREFIX}{log}.log"


def done_key(log: str) -> str:
    """Return where it is noted which instances of a log are packed."""
    return f"{PREFIX}{log}.done"


def parse_log_key(key: str) -> tuple[str, str] | None:
    """Return the log and the session that wrote it, None for what is no log."""
    found = _LOG.match(key)
    return None if found is None else (f"{found[1]}-{found[2]}", found[1])


def choose(volumes: VolumeSet, hot: Sequence[str]) -> list[Volume]:
    """Return the volumes for a new log, of different failure domains if there are.

    Raises PlacementError when fewer answer than are needed, VolumeFullError when too few have space.
    """
    able = [volume for volume in volumes if volume.supports_append]
    able.sort(key=lambda volume: volume.name not in hot)
    ready = [volume for volume in able if volume.probe() is VolumeState.READY]
    roomy = [volume for volume in ready if has_room(volume)]
    needed = min(COPIES, len(able))
    if len(roomy) < needed:
        what = f"only {len(roomy)} of {needed} volumes can take what is received"
        if len(ready) >= needed:
            raise VolumeFullError(f"{what}: the others are full", hint="free space, or add a volume")
        raise PlacementError(what, hint="bring volumes back: retention volume list")
    chosen = roomy[:1]
    others = sorted(roomy[1:], key=lambda volume: volume.spec.domain == chosen[0].spec.domain)
    return chosen + others[: needed - 1]


def has_room(volume: Volume) -> bool:
    """Whether a volume may take more of what is received."""
    try:
        free, total = volume.free_bytes(), volume.total_bytes()
    except StorageError:
        return False
    return free is None or total is None or free > min(FREE_LIMIT_BYTES, total // FREE_DIVISOR)
