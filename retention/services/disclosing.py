"""Writing down what is given out, before it is given; also while the volumes with the journal are full.

No change without the journal; but who lies on the table cannot wait for a disk to be emptied. So a disclosure that the
journal has no room for is kept in a file of the archive's folder, durably, before anything is given, and entered when
there is room again, marked with the instant it happened at. The invariant: nothing is given out that was not written
down. Where too few volumes answer, nothing is given: what is away cannot be told from what somebody took away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant, parse_instant
from retention.model.errors import VolumeFullError
from retention.model.identifiers import InstitutionId, new_id
from retention.services import commit
from retention.services.durable_file import write_durably
from retention.services.events import QUARANTINE_EXPORT, STUDY_EXPORT, list_of, text_of
from retention.services.stores import Stores

FOLDER = "disclosures"
LATE = "late"
ENTRIES_AT_ONCE = 1000
DISCLOSURES = (STUDY_EXPORT, QUARANTINE_EXPORT)
"""What a file may tell of: nothing else gets into the journal by this way."""


def disclose(stores: Stores, entries: Sequence[NewEntry]) -> None:
    """Enter what is about to be given out, or was, into the journal; without room there, keep it to be entered later.

    What several requests give out at once costs one sync. Raises as `commit.append`; VolumeFullError only when the
    archive's folder has no room either.
    """
    stores.disclosures.do(
        entries, lambda groups: _disclose(stores, [entry for each in groups for entry in each])
    )


def _disclose(stores: Stores, entries: Sequence[NewEntry]) -> None:
    try:
        commit.append(stores, entries)
    except VolumeFullError as error:
        document: dict[str, object] = {"entries": [_encoded(entry) for entry in entries]}
        try:
            write_durably(
                stores.root / FOLDER / f"{format_instant(stores.clock.now())}-{new_id()}.json", document
            )
        except OSError:
            raise error from None


def waiting(root: Path) -> list[Path]:
    """Return the files of an archive that are to be entered, oldest first."""
    return sorted((root / FOLDER).glob("*.json"))


def enter_late(stores: Stores) -> int:
    """Enter what was kept, as far as there is room; return how many entries. The lock must be held.

    One that is killed in between enters a file again: all entries of a file have its name in `late`. Raises as
    `commit.append_locked`, but for VolumeFullError.
    """
    count = 0
    for path in waiting(stores.root):
        try:
            entries = [_decoded(stores, row, path.stem) for row in _rows(path)]
        except (KeyError, TypeError, ValueError):
            continue  # somebody has changed it: it stays, and whoever watches sees it wait
        try:
            for start in range(0, len(entries), ENTRIES_AT_ONCE):
                commit.append_locked(stores, entries[start : start + ENTRIES_AT_ONCE])
        except VolumeFullError:
            break
        path.unlink()
        count += len(entries)
    return count


def _encoded(entry: NewEntry) -> dict[str, JsonValue]:
    if entry.payload is not None:
        raise ValueError("a disclosure has no payload")
    return {
        "at": format_instant(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "institution": entry.institution,
        "objects": dict(entry.objects),
        "data": dict(entry.data),
    }


def _rows(path: Path) -> Iterable[JsonValue]:
    document = json.loads(path.read_bytes())
    return list_of(document, "entries")


def _decoded(stores: Stores, row: JsonValue, name: str) -> NewEntry:
    if not isinstance(row, dict):
        raise TypeError("a disclosure that was kept is not an object")
    objects, data, institution = row["objects"], row["data"], row["institution"]
    if not isinstance(objects, dict) or not isinstance(data, dict):
        raise TypeError("a disclosure that was kept has another form")
    if row["action"] not in DISCLOSURES:
        raise ValueError("this is no disclosure")
    late: dict[str, JsonValue] = {"at": format_instant(parse_instant(text_of(row, "at"))), "kept": name}
    return NewEntry(
        stores.clock.now(),
        text_of(row, "actor"),
        text_of(row, "action"),
        None if institution is None else InstitutionId(str(institution)),
        {kind: str(one) for kind, one in objects.items()},
        {**data, LATE: late},
    )
