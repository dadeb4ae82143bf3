"""Disposals as plain values: proposals, tombstones, certificates. Studies are named by keyed digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from retention.model.identifiers import InstitutionId, KeyId, PackageId


@dataclass(frozen=True, slots=True)
class ProposedStudy:
    """What an analysis said of one study: `study` is its keyed digest; `winner` is `policy/rule`."""

    study: str
    outcome: str
    why: str
    keep_until_on: date | None
    winner: str | None


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """A proposal; `studies` are those whose outcome is not to keep. `terms` as the policies had them."""

    proposal_id: str
    institution_id: InstitutionId
    for_on: date
    made_at: datetime
    digest: str
    counts: Mapping[str, int]
    studies: tuple[ProposedStudy, ...]
    terms: Mapping[str, Any]
    sequence: int
    state: str = "proposed"


@dataclass(frozen=True, slots=True)
class BuriedPackage:
    """A package of a destroyed study: its key, and where shards of it still lie (volume, object key)."""

    package_id: PackageId
    key_id: KeyId
    key_segment: int | None
    remains: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BuriedKey:
    """The key of a patient, or of a hold, of whose studies none is held any more, and where it lies in the keyring."""

    key_id: KeyId
    segment: int


@dataclass(frozen=True, slots=True)
class TombstoneRecord:
    """A study that was destroyed, named by its keyed digest. `decision`: the whole decision it rested on.

    `patient_keys`: of the patient whose last study it was, under every name; empty as long as there is another study.
    """

    study: str
    institution_id: InstitutionId
    proposal_id: str
    disposed_at: datetime
    disposed_on: date
    rule: str
    keep_until_on: date
    instances: int
    bytes_received: int
    sequence: int
    packages: tuple[BuriedPackage, ...] = ()
    decision: Mapping[str, Any] = field(default_factory=dict)
    patient_keys: tuple[BuriedKey, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate; `document` is its canonical JSON."""

    number: str
    proposal_id: str
    issued_at: datetime
    document: str
    sequence: int


@dataclass(frozen=True, slots=True)
class DoomedPatient:
    """Whose study is to be destroyed: the patient's row, how many studies are held, and the keys, under every name."""

    root: int
    studies: int
    keys: tuple[BuriedKey, ...]


@dataclass(frozen=True, slots=True)
class DoomedHold:
    """A released hold on a study that is to be destroyed: its row, how many studies it covers, and its key."""

    row: int
    studies: int
    key: BuriedKey


@dataclass(frozen=True, slots=True)
class Doomed:
    """All that a study has in the catalog, to be destroyed: packages in whatever form, and their shards' places."""

    study_row: int
    instances: int
    bytes_received: int
    packages: tuple[BuriedPackage, ...]
    shards: tuple[tuple[PackageId, int, int, str], ...]
    """Package, number, generation, volume."""
    patients: tuple[DoomedPatient, ...]
    """The one it belongs to, and the one its header names where that is another."""
    holds: tuple[DoomedHold, ...] = ()
