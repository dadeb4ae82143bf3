"""What was lost and comes in again: its instances lie in the new package from then on.

The invariant: an instance counts once, wherever it lies. A lost package that all instances have left is superseded; one
that some have left stays, and stays lost, with what nobody has brought again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from retention.catalog.locations import KEYS, move_instances
from retention.catalog.records import PackageRecord
from retention.catalog.tables import INSTANCE, PACKAGE, STUDY
from retention.model.errors import CatalogError

Values = dict[str, Any]


@dataclass(slots=True)
class Replacement:
    """What a new package brings again: `moves` of rows of instances, and what of it was counted before."""

    moves: list[Values] = field(default_factory=list)
    left: Counter[int] = field(default_factory=Counter)
    left_bytes: Counter[int] = field(default_factory=Counter)
    series: Counter[str] = field(default_factory=Counter)

    @property
    def instances(self) -> int:
        return len(self.moves)

    @property
    def counted_bytes(self) -> int:
        return self.left_bytes.total()

    def fresh(self, digests: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Return those of a package's (digest, ordinal) that nothing was lost of."""
        moved = {(move["the_digest"], move["to_ordinal"]) for move in self.moves}
        return [each for each in digests if each not in moved]


def find_replaced(connection: Connection, owner: int, row: int, record: PackageRecord) -> Replacement:
    """Return what a package brings again of the lost packages it names. Raises CatalogError for one that is not."""
    found = Replacement()
    lost = _lost_rows(connection, record)
    waiting: dict[bytes, list[tuple[int, int]]] = {}
    digests = sorted({digest for digest, _ in record.digests})
    for start in range(0, len(digests) if lost else 0, KEYS):
        statement = (
            select(INSTANCE.c.digest, INSTANCE.c.variant, INSTANCE.c.package_row)
            .where(INSTANCE.c.institution_row == owner, INSTANCE.c.package_row.in_(lost))
            .where(INSTANCE.c.digest.in_(digests[start : start + KEYS]))
            .order_by(INSTANCE.c.digest, INSTANCE.c.variant.desc())
        )
        for digest, variant, package_row in connection.execute(statement):
            waiting.setdefault(bytes(digest), []).append((variant, package_row))
    for arrival in record.arrivals:
        places = waiting.get(arrival.digest)
        if not places:
            continue
        variant, old_row = places.pop()
        found.moves.append(
            {
                "the_institution": owner,
                "the_digest": arrival.digest,
                "the_variant": variant,
                "to_row": row,
                "to_ordinal": arrival.ordinal,
            }
        )
        found.left[old_row] += 1
        found.left_bytes[old_row] += arrival.size_bytes
        if arrival.series_uid is not None:
            found.series[arrival.series_uid] += 1
    return found


def apply_replacement(connection: Connection, row: int, record: PackageRecord, found: Replacement) -> None:
    """Move the instances' rows; what all have left is superseded, and its shards may go."""
    move_instances(connection, found.moves)
    for old_row, count in found.left.items():
        there = PACKAGE.c.id == old_row
        grown = {
            "replaced": PACKAGE.c.replaced + count,
            "replaced_bytes": PACKAGE.c.replaced_bytes + found.left_bytes[old_row],
        }
        connection.execute(update(PACKAGE).where(there).values(grown))
        rest = select(func.count()).select_from(INSTANCE).where(INSTANCE.c.package_row == old_row)
        if connection.execute(rest).scalar_one():
            continue
        counted = select(PACKAGE.c.study_row, PACKAGE.c.bytes_received - PACKAGE.c.replaced_bytes).where(
            there
        )
        study_row, counted_bytes = connection.execute(counted).one()
        # What was brought again under its name may be of another size; the old one counts no more.
        less = {"bytes_received": STUDY.c.bytes_received - counted_bytes}
        connection.execute(update(STUDY).where(STUDY.c.id == study_row).values(less))
        connection.execute(update(PACKAGE).where(there).values(superseded_row=row, drop_at=record.created_at))


def _lost_rows(connection: Connection, record: PackageRecord) -> list[int]:
    wanted = select(PACKAGE.c.package_id, PACKAGE.c.id, PACKAGE.c.lost).where(
        PACKAGE.c.package_id.in_(record.replaces)
    )
    rows = []
    for package_id, row, is_lost in connection.execute(wanted):
        if not is_lost:
            raise CatalogError(
                f"package {record.package_id} would take the place of {package_id}, which is not lost",
                hint="run `retention journal verify`",
                package=record.package_id,
            )
        rows.append(int(row))
    if len(rows) != len(set(record.replaces)):
        raise CatalogError(f"package {record.package_id} names lost packages that the catalog does not know")
    return rows
