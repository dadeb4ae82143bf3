"""The closer: staged studies become packages, and then leave staging.

A study is closed when nothing came for it for a while, when it is large, or when somebody asks; what comes later makes
a further package. The order never changes: the package is committed, then it is noted that the instance is packed, then
the log goes. Killed between any two, the next run finds the instances staged still, recognises them as held already,
and goes on. Whoever asks for it may say `stop`: then no further study is begun, and what is not packed stays staged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from retention.dicom.head import Head, NotKept, Unidentified, read_head
from retention.model.errors import RetentionError, StorageError
from retention.model.identifiers import InstitutionId
from retention.model.layout import StagingSpec
from retention.package.manifest import KIND_QUARANTINE, KIND_STUDY
from retention.services import gate
from retention.services.ingest.ingest import Files, Ingest
from retention.services.ingest.scan import FileStamp, ScannedFile
from retention.services.progress import NoProgress
from retention.services.staging.index import LogState, StagedIndex, StagedInstance
from retention.services.staging.places import TIER, done_key, log_key
from retention.services.staging.source import StagedSource
from retention.services.stores import Stores

PATIENCE = 6
"""A study that never falls quiet is closed after so many times the quiet time."""

BATCH_BYTES = 1 << 30
RETRY_AFTER = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)

_Study = tuple[InstitutionId, str]
Stop = Callable[[], bool]


def never() -> bool:
    """Nobody stops it."""
    return False


@dataclass(slots=True)
class Closing:
    """What one look came to. `failures` say why something is still staged; it is tried again."""

    studies: int = 0
    instances: int = 0
    failures: list[str] = field(default_factory=list)


class Closer:
    """Closes the studies of one archive. There is one at a time, in one thread."""

    def __init__(self, stores: Stores, settings: StagingSpec) -> None:
        self._stores = stores
        self._settings = settings
        self._index = StagedIndex(stores)
        self._failed_at: dict[_Study, datetime] = {}

    def close_due(self, stop: Stop = never) -> Closing:
        """Pack what is due; what is not stays. Never raises for what is wrong with one study."""
        self._index.refresh()
        return self._close(self._due(), stop)

    def close_study(self, institution: InstitutionId, study_uid: str) -> Closing:
        """Pack what is staged of one study now."""
        self._index.refresh()
        return self._close([(institution, study_uid)], never)

    def close_instances(
        self, institution: InstitutionId, uids: Collection[str], stop: Stop = never
    ) -> Closing:
        """Pack the studies that have one of these instances staged now."""
        self._index.refresh()
        return self._close(
            {
                (each.institution, each.study_uid): None
                for each in self._index.staged()
                if each.institution == institution and each.sop_instance_uid in uids
            },
            stop,
        )

    def close_all(self, stop: Stop = never) -> Closing:
        """Pack all that is staged now."""
        self._index.refresh()
        return self._close(list(self._studies()), stop)

    def staged_count(self) -> int:
        return sum(len(log.staged) for log in self._index.logs.values())

    def _studies(self) -> dict[_Study, list[StagedInstance]]:
        studies: dict[_Study, list[StagedInstance]] = {}
        for instance in self._index.staged():
            studies.setdefault((instance.institution, instance.study_uid), []).append(instance)
        return studies

    def _due(self) -> list[_Study]:
        now = self._stores.clock.now()
        return [
            study
            for study, instances in self._studies().items()
            if now - self._failed_at.get(study, _NEVER) >= RETRY_AFTER and self._is_due(instances, now)
        ]

    def _is_due(self, instances: list[StagedInstance], now: datetime) -> bool:
        quiet = self._settings.quiet
        return (
            now - max(each.received_at for each in instances) >= quiet
            or now - min(each.received_at for each in instances) >= quiet * PATIENCE
            or sum(each.size_bytes for each in instances) >= self._settings.max_bytes
        )

    def _close(self, due: Iterable[_Study], stop: Stop) -> Closing:
        closing = Closing()
        studies = self._studies()
        by_institution: dict[InstitutionId, list[list[StagedInstance]]] = {}
        for study in due:
            if study in studies:
                by_institution.setdefault(study[0], []).append(studies[study])
        for institution, each in by_institution.items():
            for batch in _batches(each):
                if stop():
                    break
                self._pack(institution, batch, closing, stop)
        self._clear(closing)
        return closing

    def _pack(
        self, institution: InstitutionId, batch: list[list[StagedInstance]], closing: Closing, stop: Stop
    ) -> None:
        begun: list[list[StagedInstance]] = []
        problems = self._ingest(institution, _until(batch, stop, begun))
        if not problems:
            packed = [instance for study in begun for instance in study]
            closing.studies += len(begun)
            closing.instances += len(packed)
            self._note_packed(packed, closing)
        elif len(batch) > 1:  # one study must not keep the others staged
            for study in batch:
                self._pack(institution, [study], closing, stop)
        else:
            closing.failures += problems
            self._failed_at[institution, batch[0][0].study_uid] = self._stores.clock.now()

    def _ingest(self, institution: InstitutionId, studies: Iterable[list[StagedInstance]]) -> list[str]:
        """Pack some studies; return why not all of it is packed."""
        try:
            report = Ingest(self._stores, institution, self._tier(), NoProgress()).keep(self._files(studies))
        except RetentionError as error:
            return [error.message]
        unreadable = [refusal.reason for refusal in report.refused if report.unreadable]
        return unreadable + [failure.message for failure in report.failures]

    def _files(self, studies: Iterable[list[StagedInstance]]) -> Iterator[Files]:
        for study in studies:
            scanned = [self._scanned(instance) for instance in study]
            unidentified = [file for file in scanned if file.head is None]
            identified = [file for file in scanned if file.head is not None]
            if identified:
                yield KIND_STUDY, identified
            if unidentified:
                yield KIND_QUARANTINE, unidentified

    def _scanned(self, instance: StagedInstance) -> ScannedFile:
        source = StagedSource(self._stores, instance)
        head = read_head(source.open())
        path = f"{instance.log}/{instance.number}"
        stamp = FileStamp(instance.size_bytes, 0, 0)
        if isinstance(head, Head):
            return ScannedFile(path, stamp, b"", head, source=source)
        reason, detail = _why(head)
        return ScannedFile(path, stamp, b"", None, reason, detail, source)

    def _tier(self) -> str:
        tiers = self._stores.settings.tiers
        return TIER if TIER in tiers else next(iter(tiers))

    def _note_packed(self, packed: Iterable[StagedInstance], closing: Closing) -> None:
        """Note, durably, what is packed: after a disposal, say, it must not come back out of a log."""
        by_log: dict[str, list[StagedInstance]] = {}
        for instance in packed:
            by_log.setdefault(instance.log, []).append(instance)
        for name, instances in by_log.items():
            log = self._index.logs[name]
            for instance in instances:
                log.staged.pop(instance.number, None)
            if log.is_spent:
                continue  # it goes as a whole
            lines = "".join(f"{instance.number}\n" for instance in instances).encode()
            for copy in log.copies:
                try:
                    self._stores.volumes[copy].append(done_key(name), lines)
                except StorageError as error:
                    closing.failures.append(error.message)

    def _clear(self, closing: Closing) -> None:
        for log in list(self._index.logs.values()):
            if log.is_damaged:
                closing.failures.append(
                    f"{log.name}.log cannot be read on at byte {log.read_bytes} in any copy"
                )
            if log.is_spent:
                remove_spent(self._stores, log)


def remove_spent(stores: Stores, log: LogState) -> None:
    """Remove a log whose instances are all packed. The only place where anything leaves staging.

    What is not removed now, because its volume is away, is found and removed later.
    """
    if not log.is_spent:
        raise ValueError(f"{log.name} is still needed")
    for copy in log.copies:
        try:
            keys = [log_key(log.name), done_key(log.name)]
            gate.clear_staging(stores.volumes[copy], keys, still_staged=len(log.staged))
        except StorageError:
            continue


def _batches(studies: list[list[StagedInstance]]) -> Iterable[list[list[StagedInstance]]]:
    """Yield studies that are packed in one go: bounded, so that staging empties step by step."""
    batch: list[list[StagedInstance]] = []
    size_bytes = 0
    for study in studies:
        batch.append(study)
        size_bytes += sum(instance.size_bytes for instance in study)
        if size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _until(
    batch: Iterable[list[StagedInstance]], stop: Stop, begun: list[list[StagedInstance]]
) -> Iterator[list[StagedInstance]]:
    """Yield studies until it is to stop; note which."""
    for study in batch:
        if stop():
            return
        begun.append(study)
        yield study


def _why(head: Unidentified | NotKept) -> tuple[str, str]:
    return (head.reason, head.detail) if isinstance(head, Unidentified) else (head.reason, "")
