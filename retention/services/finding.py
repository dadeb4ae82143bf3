"""Finding what is held: studies, series and instances of whoever the caller may read, packed or still staged.

What a door shows is made from this, and from nothing else: a study that was received a moment ago is found as one that
is kept for years, and what is hidden from ordinary reading is found by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from retention.catalog.records import PackageSummary, SeriesRecord
from retention.catalog.search import StudyHit
from retention.model.errors import NotFoundError
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import InstitutionId
from retention.model.matching import Match, all_accept
from retention.package.manifest import InstanceRow
from retention.services.access import PackageAccess
from retention.services.authorisation import readable_by
from retention.services.events import Names
from retention.services.staging.index import StagedInstance
from retention.services.staging.view import Studies, staged_view
from retention.services.stores import Stores

LOOK_AGAIN = timedelta(milliseconds=500)
ONLINE, NEARLINE = "ONLINE", "NEARLINE"
_AVAILABILITIES = (ONLINE, NEARLINE, "OFFLINE")


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study as a query sees it; counts leave out what is hidden."""

    institution: InstitutionId
    study_uid: str
    patient: PatientFacts
    facts: StudyFacts
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    series: int
    instances: int
    availability: str


@dataclass(frozen=True, slots=True)
class FoundSeries:
    study: FoundStudy
    series_uid: str
    facts: SeriesFacts
    instances: int


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """An instance and where its bytes are: a row of a package, or staged."""

    study: FoundStudy
    series_uid: str
    series: SeriesFacts
    sop_instance_uid: str
    sop_class_uid: str | None
    transfer_syntax_uid: str | None
    number: str | None
    size_bytes: int
    package: PackageSummary | None = None
    row: InstanceRow | None = None
    staged: StagedInstance | None = None


class Finder:
    """Answers queries. Used by one thread at a time."""

    def __init__(self, stores: Stores, access: PackageAccess) -> None:
        self._stores = stores
        self._access = access
        self._seen: dict[InstitutionId, tuple[datetime, Studies]] = {}
        self._names = Names(stores.keyring.index_key.secret)

    def studies(self, caller: InstitutionId, matches: Mapping[str, Match]) -> Iterator[FoundStudy]:
        """Yield the studies whose values match, by name of attribute (`study_values`)."""
        for institution in readable_by(caller):
            staged = self._staged(institution)

            is_clear = not self._stores.catalog.hidden.count()

            def accept(hit: StudyHit, staged: Mapping[str, list[StagedInstance]] = staged) -> bool:
                return all_accept(matches, study_values(self._found(hit, staged.get(hit.study_uid, []))))

            seen: set[str] = set()
            for hit in self._stores.catalog.search.studies(institution, matches, accept):
                seen.add(hit.study_uid)
                found = self._found(hit, staged.get(hit.study_uid, []))
                shown = found if is_clear else self._without_hidden(found)
                if shown is not None:
                    yield shown
            for study_uid, instances in staged.items():
                if study_uid not in seen:
                    found = _of_staged(institution, study_uid, instances)
                    if all_accept(matches, study_values(found)) and not self._is_held(institution, study_uid):
                        yield found

    def series(self, study: FoundStudy) -> list[FoundSeries]:
        """Return the series of a study."""
        found: dict[str, FoundSeries] = {}
        try:
            detail = self._stores.catalog.study(study.study_uid, self._name_of(study.institution))
        except NotFoundError:
            held: tuple[SeriesRecord, ...] = ()
        else:
            held = detail.series
        for record in held:
            found[record.series_uid] = FoundSeries(study, record.series_uid, record.facts, record.instances)
        if self._hidden(study):
            return self._counted_series(study)
        for instance in self._staged(study.institution).get(study.study_uid, []):
            before = found.get(instance.series_uid)
            if before is None:
                before = FoundSeries(study, instance.series_uid, instance.facts.series, 0)
            found[instance.series_uid] = replace(before, instances=before.instances + 1)
        return list(found.values())

    def instances(self, study: FoundStudy) -> list[FoundInstance]:
        """Return the instances of a study, each UID once: of several contents the one that came first.

        Raises PackageLostError, KeyUnavailableError when a manifest cannot be read.
        """
        found: dict[str, FoundInstance] = {}
        for package in self._forms(study):
            contents = self._access.contents(package.package_id)
            for row in contents.instances:
                if row.series is not None and row.sop_instance_uid is not None:
                    entry = contents.series[row.series]
                    held = _of_row(study, package, row, entry.series_uid, entry.facts)
                    found.setdefault(row.sop_instance_uid, held)
        for staged in self._staged(study.institution).get(study.study_uid, []):
            found.setdefault(staged.sop_instance_uid, _of_staged_instance(study, staged))
        hidden = self._hidden(study)
        return [each for each in found.values() if self._digest(study, each.sop_instance_uid) not in hidden]

    def _forms(self, study: FoundStudy) -> list[PackageSummary]:
        """Return the packages to read a study from: of each the recalled copy, if there is one."""
        try:
            packages = self._stores.catalog.packages_of(study.study_uid, self._name_of(study.institution))
        except NotFoundError:
            return []
        copies = {package.copy_of: package for package in packages if package.copy_of is not None}
        own = (package for package in packages if package.copy_of is None and not package.is_superseded)
        return [copies.get(package.package_id, package) for package in own]

    def _hidden(self, study: FoundStudy) -> frozenset[bytes]:
        """Return the digests of what rejection notes hide of a study."""
        digest = bytes.fromhex(self._names.study(study.institution, study.study_uid))
        return self._stores.catalog.hidden.of_study(study.institution, digest)

    def _digest(self, study: FoundStudy, sop_instance_uid: str) -> bytes:
        return self._names.instance(study.institution, sop_instance_uid)

    def _without_hidden(self, study: FoundStudy) -> FoundStudy | None:
        """Return a study as it is without what is hidden, None if nothing is left."""
        if not self._hidden(study):
            return study
        left = self.instances(study)
        modalities = tuple(dict.fromkeys(filter(None, (each.series.modality for each in left))))
        series = len({each.series_uid for each in left})
        return replace(study, series=series, instances=len(left), modalities=modalities) if left else None

    def _counted_series(self, study: FoundStudy) -> list[FoundSeries]:
        """Return the series as what is left in them counts."""
        found: dict[str, FoundSeries] = {}
        for each in self.instances(study):
            before = found.get(each.series_uid) or FoundSeries(study, each.series_uid, each.series, 0)
            found[each.series_uid] = replace(before, instances=before.instances + 1)
        return list(found.values())

    def _staged(self, institution: InstitutionId) -> Studies:
        """Return what is staged of an institution, by study, as of a moment ago."""
        now = self._stores.clock.now()
        seen = self._seen.get(institution)
        if seen is None or now - seen[0] >= LOOK_AGAIN:
            self._seen[institution] = seen = (now, staged_view(self._stores).of(institution))
        return seen[1]

    def _is_held(self, institution: InstitutionId, study_uid: str) -> bool:
        try:
            self._stores.catalog.packages_of(study_uid, self._name_of(institution))
        except NotFoundError:
            return False
        return True

    def _name_of(self, institution: InstitutionId) -> str:
        for record in self._stores.catalog.institutions():
            if record.institution_id == institution:
                return record.spec.name
        raise NotFoundError("there is no such institution")

    def _found(self, hit: StudyHit, staged: list[StagedInstance]) -> FoundStudy:
        modalities = dict.fromkeys([*hit.modalities, *_modalities(staged)])
        return FoundStudy(
            hit.institution_id,
            hit.study_uid,
            hit.patient,
            hit.facts,
            tuple(modalities),
            hit.sop_classes,
            hit.series,
            hit.instances + len(staged),
            self._availability(hit),
        )

    def _availability(self, hit: StudyHit) -> str:
        """Return how soon the slowest package answers; one with a recalled copy answers as that does."""
        tiers = self._stores.settings.tiers
        soonest: dict[int, str] = {}
        for package in hit.packages:
            row = package.row if package.copy_of is None else package.copy_of
            tier = tiers.get(package.tier)
            own = ONLINE if tier is None else tier.availability
            soonest[row] = min(own, soonest.get(row, own), key=_AVAILABILITIES.index)
        return max(soonest.values(), key=_AVAILABILITIES.index, default=ONLINE)


def study_values(study: FoundStudy) -> dict[str, str | None]:
    """Return what a study's keys are compared with, by name."""
    return {
        "study_uid": study.study_uid,
        "patient_id": study.patient.patient_id,
        "issuer": study.patient.issuer,
        "patient_name": study.patient.name,
        "birth_date": study.patient.birth_date,
        "sex": study.patient.sex,
        "study_date": study.facts.study_date,
        "study_time": study.facts.study_time,
        "description": study.facts.description,
        "accession_number": study.facts.accession_number,
        "study_id": study.facts.study_id,
        "referring_physician": study.facts.referring_physician,
    }


def _of_staged(institution: InstitutionId, study_uid: str, instances: list[StagedInstance]) -> FoundStudy:
    first = instances[0].facts
    return FoundStudy(
        institution,
        study_uid,
        first.patient,
        first.study,
        _modalities(instances),
        tuple(dict.fromkeys(each.facts.instance.sop_class_uid or "" for each in instances)),
        len({each.series_uid for each in instances}),
        len(instances),
        ONLINE,
    )


def _modalities(instances: list[StagedInstance]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (each.facts.series.modality for each in instances))))


def _of_row(
    study: FoundStudy, package: PackageSummary, row: InstanceRow, series_uid: str, series: SeriesFacts
) -> FoundInstance:
    return FoundInstance(
        study,
        series_uid,
        series,
        row.sop_instance_uid or "",
        row.sop_class_uid,
        row.transfer_syntax_uid,
        row.instance_number,
        row.size_bytes,
        package,
        row,
    )


def _of_staged_instance(study: FoundStudy, staged: StagedInstance) -> FoundInstance:
    facts = staged.facts
    return FoundInstance(
        study,
        staged.series_uid,
        facts.series,
        staged.sop_instance_uid,
        facts.instance.sop_class_uid,
        facts.instance.transfer_syntax_uid,
        facts.instance.instance_number,
        staged.size_bytes,
        staged=staged,
    )
