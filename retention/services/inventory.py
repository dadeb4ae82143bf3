"""The inventory: every object on every volume, and what it is part of, for whoever counts with other tools.

Names of studies are in it, names of patients are not. The invariant: that it was made, of what, and its manifest's
digest are in the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from retention.catalog.stored import StoredObject
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import UsageError
from retention.reports.inventory import Inventory, Row, write_inventory
from retention.services import commit, institutions
from retention.services.people import ARCHIVIST, AUDITOR, OPERATOR, require_role
from retention.services.stores import Stores
from retention.services.volumes import shard_key

INVENTORY_MADE = "inventory.export"
FOLDER = "inventory"
EVERY = timedelta(days=6)


class InventoryStoppedError(Exception):
    """Somebody wanted it to stop; what was written has no manifest."""


@dataclass(frozen=True, slots=True)
class InventoryDone:
    """What the scheduled inventory did: 0 when the last one is young enough."""

    rows: int
    files: int


def export_inventory(stores: Stores, out: Path, institution: str | None = None) -> Inventory:
    """Write the inventory of everything held (or of one institution) below a folder.

    Raises UsageError (an unknown institution, a folder inside the archive's volumes), RoleMissingError.
    """
    owner = None if institution is None else institutions.find(stores, institution)
    owner_id = None if owner is None else owner.institution_id
    require_role(stores, owner_id, ARCHIVIST, OPERATOR, AUDITOR)
    if out.resolve().is_relative_to(stores.root.resolve()):
        raise UsageError(f"{out} lies inside the archive", hint="name a folder outside of it")
    return _write(stores, out, institution, lambda: False)


def inventory_if_due(stores: Stores, *, stop: Callable[[], bool]) -> InventoryDone:
    """Write an inventory into the archive's own folder `inventory/`, unless there is a recent one."""
    now, folder = stores.clock.now(), stores.root / FOLDER
    oldest = f"{now - EVERY:%Y-%m-%dT%H-%MZ}"
    if any(path.parent.name > oldest for path in folder.glob("*/*/*/manifest.json")):
        return InventoryDone(0, 0)
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        made = _write(stores, folder, None, stop)
    except InventoryStoppedError:
        return InventoryDone(0, 0)
    return InventoryDone(made.rows, len(made.files))


def _write(stores: Stores, out: Path, institution: str | None, stop: Callable[[], bool]) -> Inventory:
    at = stores.clock.now()
    made = write_inventory(out, stores.settings.name, at, _rows(stores, institution, stop))
    digest = hashlib.sha256((out / made.files[-1]).read_bytes()).hexdigest()
    data: dict[str, JsonValue] = {"rows": made.rows, "files": len(made.files), "manifest": digest}
    owner = None if institution is None else institutions.find(stores, institution).institution_id
    entry = NewEntry(at, stores.actor, INVENTORY_MADE, owner, data=data)
    commit.append(stores, [entry])
    return made


def _rows(stores: Stores, institution: str | None, stop: Callable[[], bool]) -> Iterator[Row]:
    for number, one in enumerate(stores.catalog.stored(institution)):
        if number % 10_000 == 0 and stop():
            raise InventoryStoppedError
        yield inventory_row(one)


def inventory_row(one: StoredObject) -> Row:
    """Return the row of an object, in the order of the inventory's columns. Everything that is stored is encrypted."""
    return (
        one.volume,
        shard_key(one.package_id, one.number, one.generation),
        str(one.generation),
        not one.is_superseded,
        one.size_bytes,
        one.created_at,
        one.index_root.hex(),
        one.tier,
        "CLIENT-SIDE",
        None if one.holds is None else "On" if one.holds else "Off",
        one.institution,
        one.package_id,
        f"{one.data}+{one.parity}",
        one.state,
        one.verified_at,
        one.study_uid,
        one.modalities,
        one.study_state,
        None if one.keep_until_on is None else one.keep_until_on.isoformat(),
    )
