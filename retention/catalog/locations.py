"""Which package holds an instance: one small row each, found by a keyed digest of its identity.

The invariant: per institution and digest the variants are numbered from 0 in order of arrival, so exactly one
instance is the first of its name and every conflict with it stays visible. The digest is 16 bytes and keyed: short,
of even spread, and of no use to a reader of the file without the key (design §10).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from retention.catalog.bulk import insert_rows
from retention.catalog.records import InstanceLocation
from retention.catalog.tables import INSTANCE, INSTITUTION, PACKAGE
from retention.model.errors import CatalogError
from retention.model.identifiers import InstitutionId, PackageId

KEYS = 500

_MOVE = (
    update(INSTANCE)
    .where(
        INSTANCE.c.institution_row == bindparam("the_institution"),
        INSTANCE.c.digest == bindparam("the_digest"),
        INSTANCE.c.variant == bindparam("the_variant"),
    )
    .values(package_row=bindparam("to_row"), ordinal=bindparam("to_ordinal"))
)


@dataclass(frozen=True, slots=True)
class PackageInstances:
    """The instances of one package, as rows are made of them."""

    institution_row: int
    package_row: int
    digests: Sequence[tuple[bytes, int]]


def find_instances(
    connection: Connection, institution_id: InstitutionId, digests: Sequence[bytes]
) -> dict[bytes, list[InstanceLocation]]:
    """Return where instances with these digests lie, first arrivals first; digests not held are absent."""
    found: dict[bytes, list[InstanceLocation]] = {}
    owner = select(INSTITUTION.c.id).where(INSTITUTION.c.institution_id == institution_id)
    institution_row = connection.execute(owner).scalar()
    for start in range(0, len(digests), KEYS):
        statement = (
            select(INSTANCE.c.digest, PACKAGE.c.package_id, INSTANCE.c.ordinal, INSTANCE.c.variant)
            .join(PACKAGE, PACKAGE.c.id == INSTANCE.c.package_row)
            .where(INSTANCE.c.institution_row == institution_row)
            .where(INSTANCE.c.digest.in_(digests[start : start + KEYS]))
            .order_by(INSTANCE.c.digest, INSTANCE.c.variant)
        )
        for digest, package_id, ordinal, variant in connection.execute(statement):
            location = InstanceLocation(PackageId(package_id), ordinal, variant)
            found.setdefault(bytes(digest), []).append(location)
    return found


def store_instances(connection: Connection, packages: Iterable[PackageInstances]) -> None:
    """Add the instances of new packages, numbering those whose digest is there already as its next variants."""
    rows = [
        (package.institution_row, digest, package.package_row, ordinal)
        for package in packages
        for digest, ordinal in package.digests
    ]
    if not rows:
        return
    if (
        connection.dialect.name != "sqlite"
    ):  # a server writes every refusal into its log, and the driver into ours
        insert_rows(connection, INSTANCE, _numbered(connection, rows))
        return
    try:  # nearly always every digest is new: to look first would double the price
        with connection.begin_nested():
            insert_rows(connection, INSTANCE, [_row(*row, variant=0) for row in rows])
    except IntegrityError:
        insert_rows(connection, INSTANCE, _numbered(connection, rows))


def relocate_instances(connection: Connection, old_row: int, new: PackageInstances) -> None:
    """Point the instances of a superseded package to the one that supersedes it.

    Raises CatalogError if the two do not hold the same digests.
    """
    old: dict[bytes, list[int]] = {}
    digests = sorted({digest for digest, _ in new.digests})
    for start in range(0, len(digests), KEYS):
        statement = (
            select(INSTANCE.c.digest, INSTANCE.c.variant)
            .where(INSTANCE.c.institution_row == new.institution_row, INSTANCE.c.package_row == old_row)
            .where(INSTANCE.c.digest.in_(digests[start : start + KEYS]))
            .order_by(INSTANCE.c.digest, INSTANCE.c.variant.desc())
        )
        for digest, variant in connection.execute(statement):
            old.setdefault(bytes(digest), []).append(variant)
    moves = []
    for digest, ordinal in sorted(new.digests, key=lambda item: item[1]):
        variants = old.get(digest)
        if not variants:
            raise CatalogError("a package would supersede another and hold instances that one does not")
        moves.append(
            {
                "the_institution": new.institution_row,
                "the_digest": digest,
                "the_variant": variants.pop(),
                "to_row": new.package_row,
                "to_ordinal": ordinal,
            }
        )
    move_instances(connection, moves)


def move_instances(connection: Connection, moves: Sequence[dict[str, Any]]) -> None:
    """Let rows of instances point elsewhere: to the package that supersedes theirs, or brings again what was lost."""
    if moves:
        connection.execute(_MOVE, moves)


def _row(
    institution_row: int, digest: bytes, package_row: int, ordinal: int, *, variant: int
) -> dict[str, Any]:
    return {
        "institution_row": institution_row,
        "digest": digest,
        "variant": variant,
        "package_row": package_row,
        "ordinal": ordinal,
    }


def _numbered(connection: Connection, rows: Sequence[tuple[int, bytes, int, int]]) -> list[dict[str, Any]]:
    following: dict[tuple[int, bytes], int] = {}
    digests = sorted({digest for _, digest, _, _ in rows})
    owners = sorted({institution_row for institution_row, _, _, _ in rows})
    for start in range(0, len(digests), KEYS):
        statement = (
            select(INSTANCE.c.institution_row, INSTANCE.c.digest, func.max(INSTANCE.c.variant))
            .where(INSTANCE.c.institution_row.in_(owners))
            .where(INSTANCE.c.digest.in_(digests[start : start + KEYS]))
            .group_by(INSTANCE.c.institution_row, INSTANCE.c.digest)
        )
        for institution_row, digest, last in connection.execute(statement):
            following[institution_row, bytes(digest)] = last + 1
    numbered = []
    for institution_row, digest, package_row, ordinal in rows:
        variant = following.get((institution_row, digest), 0)
        following[institution_row, digest] = variant + 1
        numbered.append(_row(institution_row, digest, package_row, ordinal, variant=variant))
    return numbered
