"""An archive that holds many studies without their bytes: a generated journal, replayed into its catalog.

Run: python -m benchmarks.held ARCHIVE --studies 10000 --instances 20 [--first 0]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.archives import INSTITUTION
from retention.archive import open_archive, prepare_to_write
from retention.journal.envelope import NewEntry
from retention.keyring.keyring import PendingKey
from retention.model.clock import format_instant
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import PackageId, new_id
from retention.model.layout import Protection
from retention.package import manifest
from retention.package.geometry import COPY_CELL_BYTES, Geometry
from retention.package.manifest import BlockRow, Contents, InstanceRow, PublicPart, SeriesEntry, StudyEntry
from retention.package.sealing import Sealer
from retention.services import commit, events, institutions
from retention.services.events import Names
from retention.services.stores import Stores

_UID_ROOT = "2.25.20261125"
_BATCH = 500
_PROTECTION = Protection(1, 1)
_STORED_BYTES = 180_000
_RECEIVED_BYTES = 525_000


class Filler:
    """Appends entries of ingests that never happened."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._names = Names(stores.keyring.index_key.secret)
        self._institution = institutions.first_or_known(stores, INSTITUTION).institution_id
        self._volumes = list(stores.volumes.tier("hot").volumes)

    def fill(self, first: int, studies: int, instances: int) -> None:
        for start in range(first, first + studies, _BATCH):
            numbers = range(start, min(start + _BATCH, first + studies))
            keys = [self._stores.keyring.new_package_key(self._institution) for _ in numbers]
            with self._stores.commit_lock.hold():
                segments = self._stores.keyring.commit(keys)
                entries = [
                    self._entry(number, instances, key, segments[key.key_id])
                    for number, key in zip(numbers, keys, strict=True)
                ]
                commit.append_locked(self._stores, entries)

    def _entry(self, number: int, instances: int, key: PendingKey, segment: int) -> NewEntry:
        package, study_uid, patient_id = PackageId(new_id()), f"{_UID_ROOT}.{number}", f"P{number // 2}"
        geometry = Geometry(_PROTECTION, COPY_CELL_BYTES, instances * _STORED_BYTES)
        at, index_root = self._stores.clock.now(), os.urandom(32)
        public = PublicPart(
            manifest.KIND_STUDY,
            self._stores.archive_id,
            self._institution,
            package,
            key.key_id,
            geometry,
            index_root,
            format_instant(at),
        )
        sealer = Sealer.of(key.secret, package, self._institution)
        return NewEntry(
            at,
            self._stores.actor,
            events.PACKAGE_INGEST,
            self._institution,
            {
                "package": package,
                "study": self._names.study(self._institution, study_uid),
                "patient": self._names.patient(self._institution, patient_id, None),
            },
            {
                "kind": manifest.KIND_STUDY,
                "tier": "hot",
                "data": _PROTECTION.data,
                "parity": _PROTECTION.parity,
                "instances": instances,
                "bytes_received": instances * _RECEIVED_BYTES,
                "shard_bytes": geometry.cells_bytes,
                "shards": list(self._volumes),
                "index_root": index_root.hex(),
                "manifest": os.urandom(32).hex(),
                "key": key.key_id,
                "key_segment": segment,
            },
            manifest.build(public, _contents(study_uid, patient_id, number, instances), sealer),
        )


def _contents(study_uid: str, patient_id: str, number: int, instances: int) -> Contents:
    on = f"{2000 + number % 26}{1 + number % 12:02d}{1 + number % 28:02d}"
    study = StudyEntry(
        study_uid,
        PatientFacts(patient_id=patient_id, birth_date="19700101", sex="F"),
        StudyFacts(study_date=on, description="Generated", accession_number=str(number)),
    )
    return Contents(
        study,
        [SeriesEntry(f"{study_uid}.1", SeriesFacts(modality="CT", manufacturer="Generated"))],
        [_instance(study_uid, ordinal) for ordinal in range(instances)],
    )


def _instance(study_uid: str, ordinal: int) -> InstanceRow:
    return InstanceRow(
        ordinal,
        _RECEIVED_BYTES,
        os.urandom(32),
        os.urandom(32),
        304,
        os.urandom(32),
        (BlockRow(ordinal * _STORED_BYTES, _STORED_BYTES, _RECEIVED_BYTES, 2),),
        series=0,
        sop_instance_uid=f"{study_uid}.1.{ordinal}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        instance_number=str(ordinal),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--studies", type=int, required=True)
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    stores = open_archive(given.archive)
    try:
        prepare_to_write(stores)
        Filler(stores).fill(given.first, given.studies, given.instances)
    finally:
        stores.close()


if __name__ == "__main__":
    main()
