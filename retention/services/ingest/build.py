"""Building one package: files in, shards written (not yet durable), manifest made.

The order of the files decides ordinals and the order of the stream; a file that cannot be taken leaves no instance, at
most a few unused bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata

from retention import __version__
from retention.keyring.keyring import PendingKey
from retention.model.clock import Clock, format_instant
from retention.model.facts import OTHER_PATIENTS, PatientFacts, is_same_patient
from retention.model.identifiers import InstitutionId, PackageId, new_id
from retention.model.layout import TierSpec
from retention.package.geometry import default_cell_bytes
from retention.package.manifest import (
    KIND_QUARANTINE,
    ROLE_FIRST,
    BlockRow,
    Contents,
    InstanceRow,
    SeriesEntry,
    StudyEntry,
)
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer
from retention.package.writer import PackageWriter
from retention.services.ingest.pack import FileRefused, InstanceEnd, InstancePacker, Product, SealedBlock
from retention.services.ingest.scan import ScannedFile
from retention.services.making import MadePackage
from retention.services.stores import Stores
from retention.services.uploads import PackageUploads
from retention.storage.state import VolumeState


@dataclass(frozen=True, slots=True)
class FileToKeep:
    """A file that goes into the package, and its role there (format §8.2)."""

    file: ScannedFile
    role: str = ROLE_FIRST


@dataclass(slots=True)
class BuiltPackage(MadePackage):
    """A new package of files.

    `known` is how often the archive held each instance (by digest) when the files were recognised; new ones are absent.
    `replaces` are lost packages that some of its instances were in.
    """

    files: Sequence[FileToKeep]
    refused: Sequence[FileRefused]
    known: Mapping[bytes, int]
    replaces: frozenset[PackageId] = frozenset()


@dataclass(frozen=True, slots=True)
class NothingBuilt:
    """Not one of the files could be taken: there is no package."""

    refused: Sequence[FileRefused]


class PackageBuilder:
    """Builds packages for one tier in one session."""

    def __init__(
        self,
        stores: Stores,
        tier: TierSpec,
        states: Mapping[str, VolumeState],
        session: str,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._stores = stores
        self._tier = tier
        self._states = states
        self._session = session
        self._pool = pool

    def begin(
        self,
        institution: InstitutionId,
        kind: str,
        files: Sequence[FileToKeep],
        known: Mapping[bytes, int],
        replaces: Collection[PackageId] = (),
    ) -> PackageUnderWay:
        """Begin a package of these files: the first of them are being packed already when this returns.

        Raises PlacementError when the tier cannot take it, StorageError.
        """
        package = PackageId(new_id())
        key = self._stores.keyring.new_package_key(institution)
        protection = self._tier.protection
        header = ShardHeader(
            self._stores.archive_id, institution, package, protection, default_cell_bytes(protection), 0, 0
        )
        sealer = Sealer.of(key.secret, package, institution)
        uploads = PackageUploads.begin(self._stores.volumes, self._tier, self._states, package, self._session)
        try:
            writer = PackageWriter(header, key.key_id, sealer, uploads.uploads)
            numbered = enumerate(keep.file for keep in files)
            products = InstancePacker(sealer, self._pool).pack(numbered, _shared_series(files))
        except BaseException:
            uploads.discard()
            raise
        return PackageUnderWay(
            self._stores.clock,
            self._tier,
            kind,
            key,
            header,
            uploads,
            writer,
            products,
            files,
            known,
            frozenset(replaces),
        )


@dataclass(frozen=True, slots=True)
class PackageUnderWay:
    """A package whose files are being packed, and not yet written."""

    clock: Clock
    tier: TierSpec
    kind: str
    key: PendingKey
    header: ShardHeader
    uploads: PackageUploads
    writer: PackageWriter
    products: Iterator[Product]
    files: Sequence[FileToKeep]
    known: Mapping[bytes, int]
    replaces: frozenset[PackageId]

    def finish(self) -> BuiltPackage | NothingBuilt:
        """Write the package, if any of its files can be taken.

        Raises PlacementError when the tier cannot take it, StorageError.
        """
        try:
            rows, refused = self._write()
            if not rows:
                self.uploads.discard()
                return NothingBuilt(refused)
            contents = _contents(self.kind, rows)
            tail = self.writer.finish(self.kind, format_instant(self.clock.now()), contents)
            self.uploads.require_enough()
        except BaseException:
            self.uploads.discard()
            raise
        return BuiltPackage(
            self.header.package,
            self.header.institution,
            self.tier,
            self.kind,
            self.key,
            self.uploads,
            self.header,
            tail,
            contents,
            self.files,
            refused,
            self.known,
            self.replaces,
        )

    def _write(self) -> tuple[list[_Row], list[FileRefused]]:
        rows: list[_Row] = []
        refused: list[FileRefused] = []
        blocks: list[BlockRow] = []
        for product in self.products:
            if isinstance(product, SealedBlock):
                start = self.writer.append(product.data)
                blocks.append(
                    BlockRow(
                        start, len(product.data), product.plain_bytes, product.packing, product.dictionary
                    )
                )
                continue
            if isinstance(product, InstanceEnd):
                rows.append(_Row(product, self.files[product.ordinal].role, tuple(blocks)))
                self.uploads.require_enough()
            else:
                refused.append(product)
            blocks = []
        return rows, refused


@dataclass(frozen=True, slots=True)
class _Row:
    end: InstanceEnd
    role: str
    blocks: tuple[BlockRow, ...]


def _shared_series(files: Iterable[FileToKeep]) -> set[str]:
    """Return the series with several instances: their heads are alike, and worth a dictionary."""
    counts = Counter(keep.file.head.identity.series_uid for keep in files if keep.file.head is not None)
    return {series for series, count in counts.items() if count > 1}


def _contents(kind: str, rows: Sequence[_Row]) -> Contents:
    if kind == KIND_QUARANTINE:
        return Contents(None, (), [_quarantined(row) for row in rows], _tools())
    series: dict[str, int] = {}
    entries: list[SeriesEntry] = []
    instances = []
    for row in rows:
        head = row.end.file.head
        if head is None:
            raise ValueError("a study package takes identified files only")
        series_uid = head.identity.series_uid
        if series_uid not in series:
            series[series_uid] = len(entries)
            entries.append(SeriesEntry(series_uid, head.series))
        instances.append(_identified(row, series[series_uid]))
    heads = [head for row in rows if (head := row.end.file.head) is not None]
    first = heads[0]
    others = other_patients(first.patient, (head.patient for head in heads))
    study = StudyEntry(first.identity.study_uid, first.patient, first.study, others)
    return Contents(study, entries, instances, _tools())


def other_patients(
    first: PatientFacts, patients: Iterable[PatientFacts]
) -> tuple[tuple[str, str | None], ...]:
    """Return the patients named beside the first: another id, or the same of another issuer."""
    found = dict.fromkeys(
        (patient.patient_id, patient.issuer)
        for patient in patients
        if patient.patient_id is not None and not is_same_patient(first, patient.patient_id, patient.issuer)
    )
    return tuple(found)[:OTHER_PATIENTS]


def _identified(row: _Row, series: int) -> InstanceRow:
    head, digests = row.end.file.head, row.end.digests
    if head is None:
        raise ValueError("an identified instance has a head")
    return InstanceRow(
        row.end.ordinal,
        digests.size_bytes,
        digests.blake3,
        digests.sha256,
        digests.dataset_offset,
        digests.dataset_blake3,
        row.blocks,
        row.role,
        series,
        head.identity.sop_instance_uid,
        head.instance.sop_class_uid,
        head.instance.transfer_syntax_uid,
        head.instance.instance_number,
    )


def _quarantined(row: _Row) -> InstanceRow:
    file, digests = row.end.file, row.end.digests
    return InstanceRow(
        row.end.ordinal,
        digests.size_bytes,
        digests.blake3,
        digests.sha256,
        digests.dataset_offset,
        digests.dataset_blake3,
        row.blocks,
        name=file.path.rsplit("/", 1)[-1],
        reason=file.reason,
        detail=file.detail,
    )


@lru_cache(maxsize=1)
def _tools() -> dict[str, str]:
    """Return the versions of what packed: a reader in twenty years may have to know."""
    names = ("zstandard", "pyeclib", "numpy", "blake3", "cryptography")
    return {"retention": __version__, **{name: metadata.version(name) for name in names}}
