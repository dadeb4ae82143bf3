"""What may be written in one step of the committer.

The invariant: everything done through one `Transaction` becomes visible and durable together, when its block ends,
or not at all; and nothing can be written to the projection without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from retention.catalog import (
    deciding,
    hidden,
    intake,
    ledger,
    packages,
    patients,
    places,
    shards,
    staleness,
    state,
)
from retention.catalog.approvals import ApprovalWriting
from retention.catalog.audits import AuditWriting
from retention.catalog.counters import CounterWriting
from retention.catalog.credentials import CredentialWriting
from retention.catalog.disposals import DisposalWriting
from retention.catalog.fact_intake import FactWriter
from retention.catalog.holds import HoldWriting
from retention.catalog.jobs import JobWriting
from retention.catalog.people import PeopleWriting
from retention.catalog.policies import PolicyWriting
from retention.catalog.recalls import RecallWriting
from retention.catalog.records import (
    InstitutionRecord,
    JournalPosition,
    PackageRecord,
    ShardRecord,
    VolumeRecord,
)
from retention.model.errors import CatalogError
from retention.model.identifiers import InstitutionId, PackageId
from retention.model.layout import InstitutionSpec


class Transaction:
    """One step of the committer; made by `Catalog.transaction`, of no use after its block."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._places = places.PlaceRows(connection)

    def record_institution(self, record: InstitutionRecord) -> None:
        """Record an institution, or its new particulars; its id and its first entry stay."""
        places.store_institution(self._connection, record)

    def institution(self, institution_id: InstitutionId) -> InstitutionSpec | None:
        """An institution's particulars as of this transaction, None if it is not known."""
        known = {record.institution_id: record.spec for record in places.read_institutions(self._connection)}
        return known.get(institution_id)

    def record_volume(self, record: VolumeRecord) -> None:
        """Record a volume, or what now stands under its name."""
        places.store_volume(self._connection, record)

    def record_package(self, record: PackageRecord) -> bool:
        """Record one package; False if it was recorded already. Many at once are much cheaper together."""
        return self.record_packages([record]) == 1

    def record_packages(self, records: Sequence[PackageRecord]) -> int:
        """Record packages, their studies, series, shards and instances, in order; return how many were new.

        A package already recorded by the same entry changes nothing. Raises CatalogError if it was recorded by
        another, names an institution, volume or superseded package that is not known, or would supersede a package
        that holds something else.
        """
        return intake.record_packages(self._connection, self._places, records)

    def hide_instances(
        self, institution: InstitutionId, study: bytes, digests: Sequence[bytes], note: tuple[str, int]
    ) -> None:
        """Note instances of a study as hidden from ordinary reading. Raises CatalogError (institution)."""
        hidden.store_hidden(self._connection, self._places, institution, study, digests, note)

    def set_shards(self, package_id: PackageId, known: Sequence[ShardRecord]) -> None:
        """Write what is now known of these shards of a package: where they lie, which generation, which state.

        A `verified_at` of None keeps the earlier one. Raises NotFoundError (package, shard), CatalogError (volume)
        and WriteOnceError (an older generation).
        """
        shards.set_shards(self._connection, self._places, self._package_row(package_id), known)

    def shards_of(self, package_id: PackageId) -> list[ShardRecord]:
        """The shards of a package as of this transaction, in order of number. Raises NotFoundError."""
        row = self._package_row(package_id)
        return shards.read_shards(self._connection, [row])[row]

    def record_verified(self, verified: Mapping[PackageId, Sequence[int]], at: datetime) -> None:
        """Note that these shards (package id: numbers) were read back whole at that instant.

        They are sound, whatever was believed of them. Many packages at once are much cheaper together.
        """
        rows = packages.package_rows(self._connection, list(verified))
        shards.record_verified(self._connection, {rows[name]: verified[name] for name in verified}, at)

    def mark_missing(self, volume: str) -> int:
        """Take every sound shard of a volume for missing (its disk was replaced); return how many."""
        row = self._places.volume(volume)
        return 0 if row is None else shards.mark_missing(self._connection, row)

    def set_lost(self, package_id: PackageId, *, lost: bool = True) -> None:
        """Note that an audit proved a package lost, or found it readable again. Raises NotFoundError."""
        packages.set_lost(self._connection, self._package_row(package_id), lost=lost)

    def set_drop_at(self, package_id: PackageId, at: datetime) -> None:
        """Set when the shards of a superseded package or a copy may be dropped. Raises NotFoundError."""
        packages.set_drop_at(self._connection, self._package_row(package_id), at)

    def forget_shards(self, package_id: PackageId) -> None:
        """Note that nothing of a superseded package, or of a copy, lies on volumes any more.

        Raises NotFoundError, and WriteOnceError for a package in force.
        """
        packages.forget_shards(self._connection, self._package_row(package_id))

    @property
    def disposals(self) -> DisposalWriting:
        """What may be done about disposals in this step."""
        return DisposalWriting(self._connection, self._places)

    @property
    def audits(self) -> AuditWriting:
        """What may be noted about audits in this step."""
        return AuditWriting(self._connection)

    @property
    def counters(self) -> CounterWriting:
        """What may be counted in this step."""
        return CounterWriting(self._connection)

    @property
    def policies(self) -> PolicyWriting:
        """What may be done to policies in this step."""
        return PolicyWriting(self._connection, self._places)

    @property
    def facts(self) -> FactWriter:
        """What may be recorded about patients in this step."""
        return FactWriter(self._connection, self._places)

    @property
    def people(self) -> PeopleWriting:
        """What may be done to the registry of people in this step."""
        return PeopleWriting(self._connection, self._places)

    @property
    def credentials(self) -> CredentialWriting:
        """What may be done to tokens and accounts in this step."""
        return CredentialWriting(self._connection)

    @property
    def holds(self) -> HoldWriting:
        """What may be done to legal holds in this step."""
        return HoldWriting(self._connection, self._places)

    @property
    def jobs(self) -> JobWriting:
        """What may be done to what runs by itself in this step."""
        return JobWriting(self._connection)

    @property
    def approvals(self) -> ApprovalWriting:
        """What may be done to requests for approval in this step."""
        return ApprovalWriting(self._connection, self._places)

    def mark_entity_stale(self, entity: str) -> int:
        """Mark all studies of an entity's institutions; return how many were not stale before."""
        return staleness.mark_entity_stale(self._connection, entity)

    def mark_stale(
        self,
        institution_id: InstitutionId,
        *,
        study_uid: str | None = None,
        patient_id: str | None = None,
    ) -> int:
        """Note that what is decided of a study, of a patient's studies, or of all studies of an institution has to be
        decided again; return how many were fresh. A study that is not held is no error: there is nothing to decide."""
        owner = self._places.institution(institution_id)
        if study_uid is not None:
            row = deciding.study_row_of(self._connection, owner, study_uid)
            return 0 if row is None else staleness.mark_study_stale(self._connection, row)
        if patient_id is not None:
            return staleness.mark_patients_stale(
                self._connection, patients.roots_of(self._connection, owner, patient_id)
            )
        return staleness.mark_institution_stale(self._connection, owner)

    def record_access(self, package_id: PackageId, on: date) -> None:
        """Note that somebody read instances of a package's study on a day: its plan may keep it warm.

        Raises NotFoundError.
        """
        deciding.record_access(self._connection, self._package_row(package_id), on)

    @property
    def recalls(self) -> RecallWriting:
        """What may be done to recalls in this step."""
        return RecallWriting(self._connection)

    def deciding(self) -> deciding.Deciding:
        """What is asked and written when studies are decided again, in this step."""
        return deciding.Deciding(self._connection)

    def add_work(
        self, kind: str, package_id: PackageId | None, payload: Mapping[str, object], at: datetime
    ) -> int:
        """Note a piece of work in the ledger; return its id."""
        row = None if package_id is None else self._package_row(package_id)
        return ledger.add_work(self._connection, kind, row, payload, at)

    def set_state(self, key: str, value: str) -> None:
        """Set a named value of the caller's own. Raises UsageError for names that are the catalog's."""
        state.set_state(self._connection, key, value)

    def position(self) -> JournalPosition:
        """How far the journal is applied, as of this transaction."""
        return state.read_position(self._connection)

    def advance(self, position: JournalPosition, *, expected_size: int | None = None) -> None:
        """Note how far the journal is now applied; belongs into the same transaction as what was applied.

        Raises CatalogError if another committer has moved on from `expected_size`, WriteOnceError if it would shrink.
        """
        if expected_size is not None:
            size = self.position().size
            if size != expected_size:
                message = f"the catalog has applied {size} journal entries, not {expected_size}"
                raise CatalogError(message, hint="another process has committed in between; start again")
        state.advance(self._connection, position)

    def _package_row(self, package_id: PackageId) -> int:
        return packages.package_row(self._connection, package_id)
