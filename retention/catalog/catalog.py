"""The catalog as the services see it: open it, ask it, write to it in transactions.

The invariant: it is never made by being opened; only `create` (for `init`) and `rebuilding` make one, and one that
was left unfinished is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from retention.catalog import (
    integrity,
    inventory,
    leases,
    ledger,
    locations,
    packages,
    places,
    quarantine,
    schema,
    shards,
    state,
    studies,
)
from retention.catalog.approvals import Approvals
from retention.catalog.audits import Audits
from retention.catalog.counters import Counters
from retention.catalog.credentials import Credentials
from retention.catalog.database import BUSY_TIMEOUT_S, Database, use_write_ahead_log
from retention.catalog.deciding import Deciding
from retention.catalog.disposals import Disposals
from retention.catalog.facts import FactTable
from retention.catalog.figures import Figures
from retention.catalog.files import make_file
from retention.catalog.hidden import Hidden
from retention.catalog.holds import Holds
from retention.catalog.jobs import Jobs
from retention.catalog.leases import Lease
from retention.catalog.moving import Moving
from retention.catalog.people import People
from retention.catalog.policies import Policies
from retention.catalog.recalls import Recalls
from retention.catalog.records import (
    EVERYTHING,
    CatalogCounts,
    CatalogProblem,
    Claim,
    FlawedShard,
    InstanceLocation,
    InstitutionRecord,
    JournalPosition,
    PackageKey,
    PackageKind,
    PackageSummary,
    PlacedShard,
    QuarantineItem,
    ShardRecord,
    ShardState,
    StudyDetail,
    StudyFilter,
    StudySummary,
    VolumeRecord,
    VolumeUsage,
    WorkItem,
)
from retention.catalog.sampling import Sampling
from retention.catalog.search import Search
from retention.catalog.stored import StoredObject, list_stored
from retention.catalog.transaction import Transaction
from retention.model.identifiers import ArchiveId, InstitutionId, PackageId


class Catalog:
    """An open catalog. Safe to share between threads; readers never wait for the committer.

    Every method may raise CatalogError (the database is damaged, full or not usable) and, where it writes,
    LockedError (another process keeps the write lock).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.policies = Policies(database)
        self.people = People(database)
        self.credentials = Credentials(database)
        self.holds = Holds(database)
        self.approvals = Approvals(database)
        self.disposals = Disposals(database)
        self.search = Search(database)
        self.facts = FactTable(database)
        self.recalls = Recalls(database)
        self.hidden = Hidden(database)
        self.counters = Counters(database)
        self.jobs = Jobs(database)
        self.fence: Sequence[Lease] = ()
        """The leases under which this catalog is written to: without them no transaction begins."""
        self.audits = Audits(database)

    @classmethod
    def create(
        cls,
        url: str,
        archive_id: ArchiveId,
        *,
        root: Path | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Catalog:
        """Make a new, empty catalog for an archive and open it. Raises WriteOnceError if there is one already."""
        database = Database(url, root, busy_timeout_s=busy_timeout_s)
        if database.file is not None:
            make_file(database.file)
            use_write_ahead_log(database.file)
        return cls.begin(database, archive_id)

    @classmethod
    def open(cls, url: str, *, root: Path | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Catalog:
        """Open an existing catalog; a relative SQLite file lies below `root`.

        Raises CatalogMissingError if there is none, CatalogError if its schema is not this program's.
        """
        database = Database(url, root, busy_timeout_s=busy_timeout_s)
        database.require()
        with database.closed_on_failure():
            schema.require_newest(database)
        return cls(database)

    @classmethod
    def begin(cls, database: Database, archive_id: ArchiveId) -> Catalog:
        """Make the tables in an empty database. Raises WriteOnceError if it has them."""
        with database.closed_on_failure(), database.write() as connection:
            database.make_room(connection)
            schema.install_schema(connection)
            state.put_state(connection, state.ARCHIVE_ID, archive_id)
        return cls(database)

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Take the write lock, and commit when the block ends; an exception undoes all of it.

        Raises LockedError when another committer keeps the lock longer than the busy timeout, or when a lease of
        `fence` has passed to another holder. Not reentrant.
        """
        with self._database.write() as connection:
            leases.require(connection, self.fence)
            yield Transaction(connection)

    @contextmanager
    def deciding(self) -> Iterator[Deciding]:
        """A view of what decisions rest on: keep it short."""
        with self._database.read() as connection:
            yield Deciding(connection)

    @property
    def moving(self) -> Moving:
        """Which studies should lie elsewhere."""
        return Moving(self._database)

    @property
    def sampling(self) -> Sampling:
        """Packages drawn by chance."""
        return Sampling(self._database)

    def archive_id(self) -> ArchiveId:
        """Whose catalog this is."""
        with self._database.read() as connection:
            return ArchiveId(state.read_archive_id(connection))

    def position(self) -> JournalPosition:
        """How far the journal is applied."""
        with self._database.read() as connection:
            return state.read_position(connection)

    def state(self, key: str) -> str | None:
        """A named value set by `Transaction.set_state`, None if never set."""
        with self._database.read() as connection:
            return state.get_state(connection, key)

    def institutions(self) -> list[InstitutionRecord]:
        """All institutions, in order of name."""
        with self._database.read() as connection:
            return places.read_institutions(connection)

    def volumes(self) -> list[VolumeRecord]:
        """All volumes, in the order in which they were recorded."""
        with self._database.read() as connection:
            return places.read_volumes(connection)

    def volume_usage(self) -> dict[str, VolumeUsage]:
        """How many shards each volume holds, by name; linear in the number of shards."""
        with self._database.read() as connection:
            return places.read_usage(connection)

    def find_instances(
        self, institution_id: InstitutionId, digests: Sequence[bytes]
    ) -> dict[bytes, list[InstanceLocation]]:
        """Where instances with these digests lie, first arrivals first; digests not held are absent."""
        with self._database.read() as connection:
            return locations.find_instances(connection, institution_id, digests)

    def studies(self, wanted: StudyFilter = EVERYTHING) -> Iterator[StudySummary]:
        """Stream the studies a filter lets through, in order of arrival (with `due_before`: soonest due first).

        Raises, when called, UsageError (unknown institution, bad limit, ambiguous `after`) or NotFoundError.
        """
        return studies.list_studies(self._database, wanted)

    def study(self, study_uid: str, institution: str | None = None) -> StudyDetail:
        """Everything about one study; `institution` is a name.

        Raises NotFoundError, or UsageError if several institutions hold it and none is named.
        """
        with self._database.read() as connection:
            return studies.read_study(connection, study_uid, institution)

    def package(self, package_id: PackageId) -> PackageSummary:
        """One package, superseded or not. Raises NotFoundError."""
        with self._database.read() as connection:
            return packages.read_package(connection, package_id)

    def packages_of(self, study_uid: str, institution: str | None = None) -> list[PackageSummary]:
        """The packages that hold a study, recalled copies too, oldest first; errors as `study`."""
        with self._database.read() as connection:
            return packages.read_packages_of(
                connection, studies.study_row(connection, study_uid, institution)
            )

    def forms_of(self, study_uid: str, institution: str | None = None) -> list[PackageSummary]:
        """Every package with shards of a study: superseded ones in their grace and copies too; errors as `study`."""
        with self._database.read() as connection:
            return packages.read_forms_of(connection, studies.study_row(connection, study_uid, institution))

    def copies_of(self, package_id: PackageId) -> list[PackageSummary]:
        """The recalled copies of a package. Raises NotFoundError."""
        with self._database.read() as connection:
            return packages.read_copies_of(connection, packages.package_row(connection, package_id))

    def successor_of(self, package_id: PackageId) -> PackageSummary:
        """The package that now stands for this one: itself, or what superseded it. Raises NotFoundError."""
        with self._database.read() as connection:
            return packages.read_successor_of(connection, package_id)

    def is_moved(self, package_id: PackageId) -> bool:
        """Whether another package holds the same in another form. Raises NotFoundError."""
        with self._database.read() as connection:
            return packages.is_moved(connection, packages.package_row(connection, package_id))

    def leaving_packages(self, at: datetime) -> Iterator[PackageSummary]:
        """Stream the superseded packages and copies whose shards may be dropped by that instant."""
        return packages.list_leaving(self._database, at)

    def all_packages(
        self, *, tier: str | None = None, kind: PackageKind | None = None
    ) -> Iterator[PackageSummary]:
        """Stream all packages, those whose oldest reading is longest ago first.

        One that is read back while the list runs is not met again. The shards are as of when a page was read.
        """
        return packages.list_packages(self._database, tier, kind)

    def studies_of_several_patients(self) -> int:
        """How many studies have instances that name another patient than the study's own."""
        with self._database.read() as connection:
            return studies.count_with_other_patients(connection)

    def package_keys(self) -> Iterator[PackageKey]:
        """Stream the key of every package in force, in order of arrival."""
        return packages.list_keys(self._database)

    def packages_elsewhere(self, tiers: Collection[str]) -> dict[str, int]:
        """The tiers beside `tiers` that packages in force lie on, and how many do."""
        with self._database.read() as connection:
            return packages.count_elsewhere(connection, tiers)

    def shards_of(self, package_id: PackageId) -> list[ShardRecord]:
        """The shards of a package now, in order of number. Raises NotFoundError."""
        with self._database.read() as connection:
            row = packages.package_row(connection, package_id)
            return shards.read_shards(connection, [row])[row]

    def placed_shards(self) -> Iterator[PlacedShard]:
        """Stream every shard that lies somewhere, by package id and number: in the order of their names."""
        return inventory.list_placed(self._database)

    def stored(self, institution: str | None = None) -> Iterator[StoredObject]:
        """Stream every object that lies somewhere, with what it is part of, by package id."""
        return list_stored(self._database, institution)

    def flawed_shards(self, state: ShardState | None = None) -> Iterator[FlawedShard]:
        """Stream the shards that are not sound, or those in one state, in order of package."""
        return shards.list_flawed(self._database, state)

    def debts(self) -> Iterator[FlawedShard]:
        """Stream the write debt: shards that lie on no volume yet."""
        return shards.list_flawed(self._database, ShardState.UNPLACED)

    def quarantined(self, institution: str | None = None) -> Iterator[QuarantineItem]:
        """Stream what could not be identified, in order of arrival. Raises UsageError for an unknown institution."""
        with self._database.read() as connection:
            owner = None if institution is None else places.institution_row(connection, institution)
        return quarantine.list_quarantined(self._database, owner)

    def lease_work(
        self, kind: str, holder: str, at: datetime, lease: timedelta, limit: int = 1
    ) -> list[WorkItem]:
        """Lease the oldest open work that nobody holds at that instant; committed when this returns."""
        with self._database.write(committer=False) as connection:
            return ledger.lease_work(connection, kind, holder, at, lease, limit)

    def claim_work(self, claim: Claim, package_ids: Sequence[PackageId]) -> list[WorkItem]:
        """Take work on packages; those that another holder is at now are left out. Raises NotFoundError."""
        with self._database.write(committer=False) as connection:
            return ledger.claim_work(connection, claim, package_ids)

    def held_work(self, items: Sequence[WorkItem]) -> set[int]:
        """The ids of those pieces of work that nobody else has taken over."""
        with self._database.read() as connection:
            return ledger.held_work(connection, items)

    def finish_work_of(self, items: Sequence[WorkItem], result: str) -> None:
        """Close leased work for ever, where nobody else has taken it over."""
        if items:
            with self._database.write(committer=False) as connection:
                ledger.finish_work_of(connection, items, result)

    def renew_work(self, item: WorkItem, until_at: datetime) -> WorkItem:
        """Hold on to leased work for longer. Raises LockedError if it went to somebody else."""
        with self._database.write(committer=False) as connection:
            return ledger.renew_work(connection, item, until_at)

    def finish_work(self, item: WorkItem, result: str) -> None:
        """Close leased work for ever. Raises LockedError if it went to somebody else."""
        with self._database.write(committer=False) as connection:
            ledger.finish_work(connection, item, result)

    def counts(self) -> CatalogCounts:
        """How much is held; linear in the number of packages."""
        with self._database.read() as connection:
            return integrity.count(connection)

    @contextmanager
    def figures(self, institution: str | None = None) -> Iterator[Figures]:
        """Sums over everything held, or one institution's, as of one moment (see `Figures`)."""
        with self._database.read() as connection:
            yield Figures(connection, institution)

    def check(self) -> list[CatalogProblem]:
        """The catalog's check of itself: file, schema and guards, sums. Never raises for what it finds."""
        return integrity.check(self._database)
