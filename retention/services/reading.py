"""Reading found instances, one after another, each verified: from packages, opened once for all that is read of one,
or from staging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue
from retention.model.errors import ObjectNotFoundError, RetentionError
from retention.model.identifiers import InstitutionId, PackageId
from retention.services import events
from retention.services.access import OpenPackage, PackageAccess
from retention.services.authorisation import Caller, present
from retention.services.events import Names
from retention.services.finding import FoundInstance, FoundStudy
from retention.services.staging.source import StagedSource
from retention.services.stores import Stores
from retention.storage.volume import Urgency


def ask_back(stores: Stores, study: FoundStudy, reason: str) -> None:
    """Recall a study that is on a tier that answers slowly, unless it was asked for already. Raises as a commit."""
    from retention.services import recall  # only who asks for it loads what makes copies

    names = {record.institution_id: record.spec.name for record in stores.catalog.institutions()}
    institution = names[study.institution]
    waiting = {
        (open_recall.institution, open_recall.study_uid) for open_recall in stores.catalog.recalls.open()
    }
    if (institution, study.study_uid) not in waiting:
        detail = stores.catalog.study(study.study_uid, institution)
        recall.request(stores, detail, reason, Urgency.SOON)


INSTANCES = "instances"


@dataclass(slots=True)
class Given:
    """What was given out of one study."""

    instances: int = 0
    bytes: int = 0
    failed: int = 0
    package: PackageId | None = None


class Disclosure:
    """What one request gave out, to be recorded: by study, with whoever was present when it began, or `asked_by`."""

    def __init__(self, what: str = INSTANCES, asked_by: Caller | None = None) -> None:
        self._caller = asked_by or present()
        self._what = what
        self._given: dict[tuple[InstitutionId, str], Given] = {}

    def count(self, instance: FoundInstance, *, is_given: bool) -> None:
        study = (instance.study.institution, instance.study.study_uid)
        given = self._given.setdefault(study, Given())
        if is_given:
            given.instances += 1
            given.bytes += instance.size_bytes
            given.package = None if instance.package is None else instance.package.package_id
        else:
            given.failed += 1

    def intend(self, stores: Stores, wanted: Iterable[FoundInstance]) -> None:
        """Put into the journal that these are about to be given, one after another. Raises as `disclose`."""
        studies = Counter((each.study.institution, each.study.study_uid) for each in wanted)
        self._enter(
            stores,
            {study: {"intent": True, "instances": count} for study, count in studies.items()},
        )

    def record(self, stores: Stores) -> None:
        """Put into the journal what was given. Raises as `disclose`."""
        entries: dict[tuple[InstitutionId, str], dict[str, JsonValue]] = {}
        for study, given in self._given.items():
            entries[study] = {"instances": given.instances, "bytes": given.bytes, "failed": given.failed}
            if given.package is not None and self._what == INSTANCES:
                entries[study] |= {"on": _today(stores, study[0]).isoformat()}
        self._enter(stores, entries)

    def _enter(
        self, stores: Stores, told: Mapping[tuple[InstitutionId, str], Mapping[str, JsonValue]]
    ) -> None:
        # A receiver loads what commits when the first study is given out.
        from retention.services.disclosing import disclose

        names = Names(stores.keyring.index_key.secret)
        method = None if self._caller is None else self._caller.method.value
        entries = []
        for (institution, study_uid), data in told.items():
            objects = {"study": names.study(institution, study_uid)}
            package = self._given.get((institution, study_uid), Given()).package
            if "on" in data and package is not None:
                objects["package"] = package  # names an access: it can keep the study warm
            entry = NewEntry(
                at=stores.clock.now(),
                actor=stores.actor if self._caller is None else self._caller.actor,
                action=events.STUDY_EXPORT,
                institution=institution,
                objects=objects,
                data={**data, "method": method, "what": self._what},
            )
            entries.append(entry)
        if entries:
            disclose(stores, entries)


def _today(stores: Stores, institution: InstitutionId) -> date:
    """Return what day it is for an institution."""
    zones = {record.institution_id: record.spec.timezone for record in stores.catalog.institutions()}
    return stores.clock.now().astimezone(ZoneInfo(zones[institution])).date()


ReadInstance = tuple[FoundInstance, bytes | RetentionError]


def read_instances(
    stores: Stores, access: PackageAccess, wanted: Iterable[FoundInstance]
) -> Iterator[ReadInstance]:
    """Yield each instance with its file's bytes, or with the error that keeps it from being read."""
    by_package: dict[str, list[FoundInstance]] = {}
    for instance in wanted:
        if instance.staged is not None:
            yield instance, _read_staged(stores, instance)
        elif instance.package is not None:
            by_package.setdefault(instance.package.package_id, []).append(instance)
    for instances in by_package.values():
        yield from _read_package(access, instances)


def _read_package(access: PackageAccess, instances: list[FoundInstance]) -> Iterator[ReadInstance]:
    package = instances[0].package
    if package is None:
        return
    try:
        with access.reader(package) as opened:
            for instance in instances:
                yield instance, _read_row(opened, instance)
    except RetentionError as error:
        for instance in instances:
            yield instance, error


def _read_row(opened: OpenPackage, instance: FoundInstance) -> bytes | RetentionError:
    if instance.row is None:
        return ObjectNotFoundError("an instance without a place")
    try:
        return b"".join(opened.read_instance(instance.row))
    except RetentionError as error:
        return error


def _read_staged(stores: Stores, instance: FoundInstance) -> bytes | RetentionError:
    if instance.staged is None:
        return ObjectNotFoundError("an instance without a place")
    try:
        return StagedSource(stores, instance.staged).open().read(0, instance.size_bytes)
    except RetentionError as error:
        return error
