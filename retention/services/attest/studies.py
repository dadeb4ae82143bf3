"""What is attested of a study: that it was deposited, that it is intact, that it was given back.

The invariant: digests at deposit are those in the manifest that the journal's entry commits to; digests now are made
from bytes read back from the medium. No patient is named: UIDs, digests, sizes, and nothing else from a header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3

from retention.catalog.records import PackageSummary, StudyDetail
from retention.journal.envelope import Envelope
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import IntegrityError, KeyUnavailableError, NotFoundError, StorageError
from retention.model.identifiers import InstitutionId
from retention.package.manifest import InstanceRow
from retention.services.access import OpenPackage, PackageAccess
from retention.services.attest.evidence import KO, OK, check
from retention.services.events import STUDY_EXPORT, Names
from retention.services.stores import Stores

LOCAL_INTEGRITY = "LOCAL_INTEGRITY"
Document = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Said:
    """What an attestation says of its subject, and the entries of the journal it rests on."""

    body: Document
    sequences: tuple[int, ...]
    objects: tuple[str, ...]


def deposited(stores: Stores, study: StudyDetail) -> Said:
    """Return what was deposited: every object as received, and the entries that took it in."""
    access = PackageAccess(stores)
    rows = [
        _object(access, package, row)
        for package in _present(study)
        for row in access.contents(package.package_id).instances
    ]
    return _said(stores, study, {"instances": list(rows), "policies": _policies(stores, study)})


def intact(stores: Stores, study: StudyDetail) -> Said:
    """Return every object with its digests at deposit and now, read back from the medium.

    Raises NotReadyError when part of the study has to be recalled first.
    """
    access = PackageAccess(stores, from_medium=True)
    access.forms(study)
    rows: list[JsonValue] = []
    for package in _present(study):
        try:
            with access.reader(package) as opened:
                rows += [_read_back(access, package, row, opened) for row in opened.contents.instances]
        except (IntegrityError, KeyUnavailableError, StorageError) as error:
            failed = check(LOCAL_INTEGRITY, KO, error.code)
            rows.append({"package": package.package_id, "checks": [failed], "error": error.message})
    return _said(stores, study, {"instances": rows})


def given_back(
    stores: Stores, institution_id: InstitutionId, study_uid: str, study: StudyDetail | None
) -> Said:
    """Return the last time that a study was given back whole, and which copies of it the archive still has.

    Raises NotFoundError when it never was.
    """
    digest = _digest(stores, institution_id, study_uid)
    found = [one for one in _exports(stores, digest) if not one.data.get("intent")]
    whole = [one for one in found if one.data.get("failed") == 0 and not one.data.get("aborted")]
    if not whole:
        raise NotFoundError(
            f"study {study_uid} was never given back whole", hint="retention study export gives it back"
        )
    last = whole[-1]
    person = stores.catalog.people.get(last.actor.removeprefix("person-"))
    buried = stores.catalog.disposals.of_study(digest)
    body: Document = {
        "restitution": {
            "at": format_instant(last.at),
            "entry": last.seq,
            "instances": last.data.get("instances"),
            "bytes": last.data.get("bytes"),
            "format": "DICOM PS3.10",
            "to": last.actor if person is None else person.name,
        },
        "copies_left": [] if study is None else [_package(one) for one in study.packages],
        "destroyed": [{"at": format_instant(one.disposed_at), "entry": one.sequence} for one in buried],
    }
    sequences = [last.seq, *(one.sequence for one in buried)]
    if study is None:
        return Said({**body, "packages": [], "instances": []}, tuple(sequences), (digest,))
    access = PackageAccess(stores)
    rows = [
        _object(access, package, row)
        for package in _present(study)
        for row in access.contents(package.package_id).instances
    ]
    return _said(stores, study, {**body, "instances": list(rows)}, sequences)


def _said(stores: Stores, study: StudyDetail, body: Document, more: Sequence[int] = ()) -> Said:
    summary = study.summary
    forms = stores.catalog.forms_of(summary.study_uid, summary.institution)
    packages: list[JsonValue] = [_package(one) for one in forms if one.copy_of is None]
    digest = _digest(stores, summary.institution_id, summary.study_uid)
    sequences = [one.sequence for one in forms if one.copy_of is None]
    names = [str(one.package_id) for one in forms]
    return Said({"packages": packages, **body}, (*sequences, *more), (digest, *names))


def _present(study: StudyDetail) -> list[PackageSummary]:
    return [one for one in study.packages if one.copy_of is None and not one.is_superseded]


def _package(package: PackageSummary) -> Document:
    return {
        "package": package.package_id,
        "entry": package.sequence,
        "at": format_instant(package.created_at),
        "tier": package.tier,
        "protection": f"{package.protection.data}+{package.protection.parity}",
        "instances": package.instances,
        "bytes": package.bytes_received,
        "manifest": package.manifest_digest.hex(),
        "index_root": package.index_root.hex(),
        "superseded": package.is_superseded,
        "health": package.health.value,
    }


def _object(access: PackageAccess, package: PackageSummary, row: InstanceRow) -> Document:
    series = access.contents(package.package_id).series
    return {
        "package": package.package_id,
        "sop_instance_uid": row.sop_instance_uid,
        "sop_class_uid": row.sop_class_uid,
        "series_uid": None if row.series is None else series[row.series].series_uid,
        "bytes": row.size_bytes,
        "sha256": row.sha256.hex(),
        "blake3": row.blake3.hex(),
    }


def _read_back(
    access: PackageAccess, package: PackageSummary, row: InstanceRow, opened: OpenPackage
) -> Document:
    sha256, own, size = hashlib.sha256(), blake3(), 0
    detail: str | None = None
    try:
        for piece in opened.read_instance(row):
            sha256.update(piece)
            own.update(piece)
            size += len(piece)
    except (IntegrityError, KeyUnavailableError, StorageError) as error:
        detail = error.code
    is_same = detail is None and (sha256.digest(), own.digest(), size) == (
        row.sha256,
        row.blake3,
        row.size_bytes,
    )
    now = None if detail is not None else sha256.hexdigest()
    result = check(LOCAL_INTEGRITY, OK if is_same else KO, detail)
    return _object(access, package, row) | {"sha256_now": now, "checks": [result]}


def _policies(stores: Stores, study: StudyDetail) -> list[JsonValue]:
    """Return the policies that the institution lists, in the versions that are in force."""
    owner = next(
        one for one in stores.catalog.institutions() if one.institution_id == study.summary.institution_id
    )
    with stores.catalog.deciding() as step:
        in_force = [one.policy for one in step.in_force() if one.policy.name in owner.spec.policies]
    return [
        {"name": one.name, "version": one.version, "digest": one.digest}
        for one in sorted(in_force, key=lambda one: one.name)
    ]


def _exports(stores: Stores, digest: str) -> Iterator[Envelope]:
    wanted = digest.encode()
    for entry in stores.journal.read():
        if wanted in entry.line and entry.envelope.action == STUDY_EXPORT:
            yield entry.envelope


def _digest(stores: Stores, institution_id: InstitutionId, study_uid: str) -> str:
    return Names(stores.keyring.index_key.secret).study(institution_id, study_uid)
