"""The certificate of destruction: what was destroyed, why it could be, who agreed, how it was done and verified.

The fields are those that records managers ask for (NIST SP 800-88 appendix G, the French bordereau d'élimination). The
invariant: it says what is so, also where that is less than everybody would like: what media have not given up, what was
left out, and that an identity was only declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from retention.catalog.approvals import GivenRecord, RequestRecord
from retention.catalog.disposal_records import (
    BuriedKey,
    BuriedPackage,
    CertificateRecord,
    ProposalRecord,
    ProposedStudy,
    TombstoneRecord,
)
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import KeyUnavailableError, ObjectNotFoundError, StorageError
from retention.model.identifiers import KeyId
from retention.policy.disposal import Progress
from retention.services import initialise
from retention.services.entries.disposal import document_text
from retention.services.stores import Stores

KIND = "disposal"
SCHEMA = "retention/certificate/v1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an execution leaves to be certified. `remains`: volume, object, and why it is still there."""

    tombstones: Sequence[TombstoneRecord]
    left_out: tuple[tuple[ProposedStudy, str], ...]
    remains: tuple[tuple[str, str, str], ...]
    approvals: Progress


def issue(stores: Stores, proposal: ProposalRecord, evidence: Evidence) -> CertificateRecord:
    """Return the certificate of an execution, to be put into the journal."""
    at = stores.clock.now()
    number = f"{at:%Y}-{stores.catalog.disposals.certificates() + 1:06d}-{proposal.proposal_id[:8]}"
    document = _document(stores, proposal, evidence, number)
    return CertificateRecord(number, proposal.proposal_id, at, document_text(document), 0)


def _document(
    stores: Stores, proposal: ProposalRecord, evidence: Evidence, number: str
) -> Mapping[str, JsonValue]:
    at = stores.clock.now()
    institution = next(
        one for one in stores.catalog.institutions() if one.institution_id == proposal.institution_id
    )
    tombstones = evidence.tombstones
    packages = [package for tombstone in tombstones for package in tombstone.packages]
    patient_keys = [key for tombstone in tombstones for key in tombstone.patient_keys]
    is_rehearsal = initialise.is_rehearsal(stores)
    return {
        "schema": SCHEMA,
        "number": number,
        "archive": {"id": stores.archive_id, "name": stores.settings.name},
        "institution": {"name": institution.spec.name, "title": institution.spec.title},
        "rehearsal": is_rehearsal,
        "proposal": {
            "id": proposal.proposal_id,
            "made_at": format_instant(proposal.made_at),
            "digest": proposal.digest,
        },
        "destroyed_at": min((format_instant(one.disposed_at) for one in tombstones), default=None),
        "issued_at": format_instant(at),
        "approvals": _approvals(stores, proposal),
        "executable_on": None
        if evidence.approvals.executable_on is None
        else evidence.approvals.executable_on.isoformat(),
        "holds_checked": "at execution, under the lock under which holds are placed: none covered what was destroyed",
        "studies": [_study(one) for one in tombstones],
        "left_out": [{"study": study.study, "reason": why} for study, why in evidence.left_out],
        "totals": {
            "studies": len(tombstones),
            "instances": sum(one.instances for one in tombstones),
            "bytes": sum(one.bytes_received for one in tombstones),
            "packages": len(packages),
            "patient_keys": len(patient_keys),
        },
        "method": {
            "crypto_shred": "the keys of the packages, and of patients of whom no study is left, were destroyed in the"
            " keyring (NIST SP 800-88r2, cryptographic erase)",
            "delete_shards": "every shard was removed from its volume, but for what `remains` lists",
        },
        "volumes": sorted({volume for package in packages for volume, _ in package.remains}),
        "verification": _verification(stores, packages, patient_keys),
        "remains": [{"volume": volume, "object": key, "why": why} for volume, key, why in evidence.remains],
        "backups": "copies of the keyring made outside this archive still open what they knew; the archive makes none",
    }


def _study(tombstone: TombstoneRecord) -> JsonValue:
    return {
        "study": tombstone.study,
        "rule": tombstone.rule,
        "keep_until": tombstone.keep_until_on.isoformat(),
        "decision": dict(tombstone.decision),
        "instances": tombstone.instances,
        "bytes": tombstone.bytes_received,
        "journal_entry": tombstone.sequence,
    }


def _approvals(stores: Stores, proposal: ProposalRecord) -> list[JsonValue]:
    return [
        _approval(stores, request, given)
        for request in stores.catalog.approvals.about(KIND, proposal.proposal_id)
        for given in request.given
    ]


def _approval(stores: Stores, request: RequestRecord, given: GivenRecord) -> JsonValue:
    person = stores.catalog.people.get(given.person)
    return {
        "as": given.approver,
        "person": given.person if person is None else person.name,
        "at": format_instant(given.given_at),
        "method": given.method,
        "visa": None if given.visa is None else dict(given.visa),
        "request": request.request_id,
        "journal_entry": given.sequence,
    }


def _verification(
    stores: Stores, packages: Sequence[BuriedPackage], patient_keys: Sequence[BuriedKey]
) -> JsonValue:
    """Try to read what was destroyed: no key may open, no shard may be there."""
    keyring = stores.keyring
    keys_found = sum(_opens(keyring.package_key, one.key_id, one.key_segment) for one in packages)
    keys_found += sum(_opens(keyring.patient_key, one.key_id, one.segment) for one in patient_keys)
    shards = [place for package in packages for place in package.remains]
    shards_found = sum(_is_there(stores, volume, key) for volume, key in shards)
    return {
        "keys_tried": len(packages) + len(patient_keys),
        "keys_that_open": keys_found,
        "shards_looked_for": len(shards),
        "shards_found": shards_found,
    }


def _opens(find: Callable[[KeyId, int | None], bytes], key_id: KeyId, segment: int | None) -> bool:
    try:
        find(key_id, segment)
    except KeyUnavailableError:
        return False
    return True


def _is_there(stores: Stores, volume: str, key: str) -> bool:
    try:
        stores.volumes[volume].stat(key)
    except ObjectNotFoundError:
        return False
    except StorageError:
        return True  # nobody can say that it is gone
    return True
