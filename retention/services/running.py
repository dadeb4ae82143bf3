"""What the journal is told of the program at work: which version serves, under which settings, and clocks that jump.

A start that cannot be written down stops nothing: whoever serves goes on giving back what is held.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from retention import __version__
from retention.catalog.counters import ENTRIES
from retention.catalog.state import CONFIG_TEXT_STATE
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import RetentionError
from retention.services import commit
from retention.services.entries.config import digest_of
from retention.services.entries.running import CLOCK_JUMP, PROGRAM_START, PROGRAM_VERSION, VERSION_STATE
from retention.services.stores import Stores

LOG = logging.getLogger(__name__)
JUMP = timedelta(minutes=1)


def note_start(stores: Stores, part: str) -> None:
    """Tell that a part of the program (`web`, `scheduler` …) begins: its version, and the settings in force by digest.

    Another version than before is an entry of its own, and so is a clock that shows less than the last entry has.
    """
    at, before = stores.clock.now(), stores.catalog.state(VERSION_STATE)
    entries: list[NewEntry] = []
    if before not in (None, __version__):
        data: dict[str, JsonValue] = {"from": before, "to": __version__}
        entries.append(NewEntry(at, stores.actor, PROGRAM_VERSION, data=data))
    last = stores.catalog.counters.all().get(ENTRIES)
    if last is not None and last.last_at - at >= JUMP:
        entries.append(_jump(stores, at - last.last_at))
    started: dict[str, JsonValue] = {
        "part": part,
        "version": __version__,
        "config": digest_of(stores.catalog.state(CONFIG_TEXT_STATE) or ""),
        "waiting": stores.is_config_waiting,
    }
    entries.append(NewEntry(at, stores.actor, PROGRAM_START, data=started))
    _tell(stores, entries)


def note_jump(stores: Stores, by: timedelta) -> None:
    """Tell that the clock was set while the program was at work."""
    _tell(stores, [_jump(stores, by)])


def _jump(stores: Stores, by: timedelta) -> NewEntry:
    return NewEntry(stores.clock.now(), stores.actor, CLOCK_JUMP, data={"seconds": round(by.total_seconds())})


def _tell(stores: Stores, entries: list[NewEntry]) -> None:
    try:
        commit.append(stores, entries)
    except RetentionError as error:
        LOG.warning("the journal could not be told: %s", error.code)
