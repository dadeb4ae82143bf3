"""The one error tree.

A *finding is data, an exception is a stop*: an audit returns findings, and raises only when it cannot go on. Every
class has a stable `code` (listed in docs/errors.md); each edge maps classes to exit codes, HTTP problems or DIMSE
statuses in one table. A bug is never a RetentionError.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class RetentionError(Exception):
    """Base of all errors the archive raises on purpose.

    `message` says what and why, `hint` what to do next; `context` holds identifiers, never patient data.
    """

    code: ClassVar[str] = "RET-000"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = context


class InputError(RetentionError):
    """The caller can correct it."""

    code = "INP-000"


class UsageError(InputError):
    """A call that cannot mean anything: wrong argument, unknown or ambiguous name."""

    code = "INP-001"


class SettingsError(InputError):
    """archive.yaml (or another configuration file) is invalid."""

    code = "INP-002"


class PolicyError(InputError):
    """A policy file is invalid."""

    code = "INP-003"


class NotFoundError(InputError):
    """No such study, package, volume, quarantined item …"""

    code = "INP-004"


class InvalidDicomError(InputError):
    """Bytes that claim to be DICOM and cannot be read as such."""

    code = "INP-005"


class InputLimitError(InvalidDicomError):
    """An input passes a stated limit (bytes, depth, count, inflated size)."""

    code = "INP-006"


class InputChangedError(InputError):
    """A file changed while it was being ingested."""

    code = "INP-007"


class UndecodableError(InputError):
    """An instance's pixels cannot be decoded, shown or transcoded. Its bytes are held all the same."""

    code = "INP-008"


class DisposedOfError(NotFoundError):
    """The record was here, and was disposed of as its policy wants. Said to whom it belonged, to nobody else."""

    code = "INP-009"


class RefusedError(RetentionError):
    """A rule forbids it; never retried."""

    code = "REF-000"


class ClockRefusedError(RefusedError):
    """A production archive was asked to take its time from somewhere else than its clock."""

    code = "REF-001"


class WriteOnceError(RefusedError):
    """Something immutable would have been overwritten."""

    code = "REF-002"


class RoleMissingError(RefusedError):
    """Nobody acts, or who acts has no role that allows this."""

    code = "REF-020"


class SignatureMissingError(RefusedError):
    """Somebody said who acts, and did not prove it."""

    code = "REF-021"


class ApprovalRefusedError(RefusedError):
    """An approval that may not be given: out of order, by the wrong person, or a second time."""

    code = "REF-022"


class DisposalRefusedError(RefusedError):
    """A disposal that may not be executed: an approval is missing, the grace runs, a limit would be passed."""

    code = "REF-030"


class UnknownCallerError(RefusedError):
    """Whoever asks at a door has not proven who it is."""

    code = "REF-040"


class TooManyAttemptsError(RefusedError):
    """Too many attempts to prove who one is have failed; after `retry_after_s` seconds one is listened to again."""

    code = "REF-041"
    retryable = True

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after_s: int = 60, **context: object
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.retry_after_s = retry_after_s


class KeptError(RefusedError):
    """Something that is still needed, or still to be kept, would have been removed."""

    code = "REF-010"


class ArchiveError(RetentionError):
    """The archive itself is not there, not whole, or not ours to use now."""

    code = "ARC-000"


class ArchiveNotFoundError(ArchiveError):
    """No archive at that place, or it is not reachable."""

    code = "ARC-001"


class CatalogMissingError(ArchiveError):
    """The catalog database is gone; it can be rebuilt from the volumes."""

    code = "ARC-002"


class LockedError(ArchiveError):
    """Another process holds the lock or lease."""

    code = "ARC-003"
    retryable = True


class BusyError(ArchiveError):
    """More is asked for at once than is done at once."""

    code = "ARC-005"
    retryable = True


class CatalogError(ArchiveError):
    """The catalog disagrees with the journal, or its schema is not this program's."""

    code = "ARC-004"


class StorageError(RetentionError):
    """A volume did not do what was asked."""

    code = "STO-000"


class ObjectNotFoundError(StorageError):
    """The volume answers, and has no such object."""

    code = "STO-001"


class ObjectExistsError(StorageError):
    """Put-once: the object is there already."""

    code = "STO-002"


class VolumeUnavailableError(StorageError):
    """The volume is missing, is not the one recorded, or cannot be read or written."""

    code = "STO-003"
    retryable = True


class VolumeFullError(StorageError):
    """No space (or only the reserve) is left."""

    code = "STO-004"


class VolumeSuspectError(StorageError):
    """A sync failed: what was written on this volume in this run is condemned."""

    code = "STO-005"


class PlacementError(StorageError):
    """The tier's volumes cannot take this package within its failure domains."""

    code = "STO-006"


class RecallPendingError(StorageError):
    """The bytes are on a tier that answers slowly; a recall is under way."""

    code = "STO-007"
    retryable = True


class ObjectUnreadableError(StorageError):
    """The medium cannot read a place of this object; the volume itself answers."""

    code = "STO-008"


class ObjectChangedError(StorageError):
    """An append found another size than expected: somebody else wrote, or the end is torn."""

    code = "STO-009"


class ReadBackError(StorageError):
    """A volume does not give back what was just written."""

    code = "STO-010"


class NotReadyError(StorageError):
    """The object is archived, on a volume that answers slowly, and cannot be read now.

    `ready_at` is when it is expected to be readable; None when it was not asked for, or nobody can tell.
    """

    code = "STO-011"
    retryable = True

    def __init__(
        self, message: str, *, hint: str | None = None, ready_at: datetime | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.ready_at = ready_at


class ObjectLockedError(StorageError):
    """The volume will not remove the object before a date it has promised to keep it until, or while it is on hold.

    `until_at` is that date; None while a legal hold alone keeps it.
    """

    code = "STO-012"

    def __init__(
        self, message: str, *, hint: str | None = None, until_at: datetime | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.until_at = until_at


class IntegrityError(RetentionError):
    """Bytes are not what was promised."""

    code = "FIX-000"


class ShardDamagedError(IntegrityError):
    """One shard cannot be read as what it should be."""

    code = "FIX-001"


class UnsupportedFormatError(IntegrityError):
    """An unknown version, packing or protection: refused, never guessed."""

    code = "FIX-002"


class PackageLostError(IntegrityError):
    """More of a package is damaged or missing than its protection bears."""

    code = "FIX-003"


class JournalBrokenError(IntegrityError):
    """The journal's replicas leave no valid prefix, or contradict each other."""

    code = "FIX-004"


class KeyringBrokenError(IntegrityError):
    """The keyring's replicas leave a key unreadable."""

    code = "FIX-005"


class KeyUnavailableError(RetentionError):
    """A key is missing, wrong, or was destroyed."""

    code = "KEY-001"
