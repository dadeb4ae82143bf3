"""QIDO-RS (PS3.18 §10.6): studies, the series of a study, the instances of a study or series, in pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from fastapi import Request
from fastapi.responses import JSONResponse

from retention.model.errors import InputError
from retention.model.identifiers import InstitutionId
from retention.model.matching import Kind, Match, match_of
from retention.services.access import PackageAccess, RecentPackages
from retention.services.attributes import INSTANCE, SERIES, STUDY, Keys, accepts, values_of
from retention.services.finding import Finder, FoundInstance, FoundSeries, FoundStudy
from retention.services.stores import Stores
from retention.web import attributes
from retention.web.attributes import Json
from retention.web.callers import institution_named
from retention.web.including import Answer, tags_asked_for, with_included
from retention.web.limits import INCLUDED_RESULTS, RESULTS
from retention.web.places import base_of

DICOM_JSON = "application/dicom+json"
_STUDY_KEYS = frozenset(attribute.keyword for attribute in STUDY)
_SERIES_KEYS = _STUDY_KEYS | {attribute.keyword for attribute in SERIES}
_INSTANCE_KEYS = _SERIES_KEYS | {attribute.keyword for attribute in INSTANCE}


@dataclass(frozen=True, slots=True)
class Querying:
    """Answers queries. The routes are methods, so that each has the archive it answers for."""

    stores: Stores
    recent: RecentPackages

    def studies(self, request: Request, institution: str) -> JSONResponse:
        keys = _at_study_level(attributes.keys_of(request.query_params.multi_items()))
        _require(keys, _STUDY_KEYS)
        base, caller = base_of(request, institution), institution_named(self.stores, institution)
        return self._page(request, self._studies(caller, keys, base))

    def series(self, request: Request, institution: str, study: str | None = None) -> JSONResponse:
        keys = attributes.keys_of(request.query_params.multi_items())
        _require(keys, _SERIES_KEYS)
        base, caller = base_of(request, institution), institution_named(self.stores, institution)
        return self._page(request, self._series(caller, keys, study, base))

    def instances(
        self, request: Request, institution: str, study: str | None = None, series: str | None = None
    ) -> JSONResponse:
        keys = attributes.keys_of(request.query_params.multi_items())
        _require(keys, _INSTANCE_KEYS)
        base, caller = base_of(request, institution), institution_named(self.stores, institution)
        return self._page(request, self._instances(caller, keys, study, series, base))

    def _studies(self, caller: InstitutionId, keys: Keys, base: str) -> Iterator[Answer]:
        finder = self._finder()
        for study in finder.studies(caller, keys.studies):
            if accepts(keys, values_of(STUDY, study)):
                found = attributes.study_json(study) | _retrieve_url(f"{base}/studies/{study.study_uid}")
                yield Answer(found, partial(finder.instances, study))

    def _series(self, caller: InstitutionId, keys: Keys, uid: str | None, base: str) -> Iterator[Answer]:
        finder = self._finder()
        for study in _of_uid(finder, caller, keys, uid):
            for series in finder.series(study):
                if accepts(keys, values_of(STUDY, study) | values_of(SERIES, series)):
                    url = f"{base}/studies/{study.study_uid}/series/{series.series_uid}"
                    found = attributes.study_json(study) | attributes.series_json(series)
                    yield Answer(found | _retrieve_url(url), partial(_instances_of, finder, series))

    def _instances(
        self, caller: InstitutionId, keys: Keys, uid: str | None, series_uid: str | None, base: str
    ) -> Iterator[Answer]:
        finder = self._finder()
        for study in _of_uid(finder, caller, keys, uid):
            for instance in finder.instances(study):
                values = values_of(STUDY, study) | values_of(INSTANCE, instance)
                if series_uid in (None, instance.series_uid) and accepts(keys, values):
                    series = f"{base}/studies/{study.study_uid}/series/{instance.series_uid}"
                    found = attributes.study_json(study) | attributes.instance_json(instance)
                    url = f"{series}/instances/{instance.sop_instance_uid}"
                    yield Answer(found | _retrieve_url(url), partial(_alone, instance))

    def _page(self, request: Request, found: Iterator[Answer]) -> JSONResponse:
        """Return one page, and say when there is more (PS3.18 §8.3.4.4)."""
        tags = tags_asked_for(request.query_params.getlist("includefield"))
        most = INCLUDED_RESULTS if tags else RESULTS
        limit = min(_number(request, "limit", most), most)
        offset = _number(request, "offset", 0)
        page = list(islice(found, offset, offset + limit + 1))
        access = self._access()
        answered = [with_included(self.stores, access, answer, tags) for answer in page[:limit]]
        headers = {"Warning": '299 retention "there are more results, to be asked for with offset"'}
        return JSONResponse(answered, headers=headers if len(page) > limit else None, media_type=DICOM_JSON)

    def _access(self) -> PackageAccess:
        return PackageAccess(self.stores, recent=self.recent)

    def _finder(self) -> Finder:
        return Finder(self.stores, self._access())


def exactly(uid: str) -> Match:
    """Return the match of one UID as a path has it. Raises InputError for none: it must not match everything."""
    match = match_of(Kind.UID, uid.replace("\\", ""))
    if match is None:
        raise InputError("the path has an empty UID")
    return match


def _of_uid(finder: Finder, caller: InstitutionId, keys: Keys, uid: str | None) -> Iterator[FoundStudy]:
    """Yield the study of a UID, all that match when there is none."""
    if uid is None:
        yield from finder.studies(caller, keys.studies)
        return
    for study in finder.studies(caller, {**keys.studies, "study_uid": exactly(uid)}):
        if study.study_uid == uid:
            yield study


def _instances_of(finder: Finder, series: FoundSeries) -> Iterator[FoundInstance]:
    return (each for each in finder.instances(series.study) if each.series_uid == series.series_uid)


def _alone(instance: FoundInstance) -> list[FoundInstance]:
    return [instance]


def _at_study_level(keys: Keys) -> Keys:
    """Take Modality for Modalities in Study where only studies are asked for, as viewers mean it."""
    others = {
        "ModalitiesInStudy" if name == "Modality" else name: match for name, match in keys.others.items()
    }
    return Keys(keys.studies, others)


def _require(keys: Keys, known: frozenset[str]) -> None:
    if not known.issuperset(keys.others):
        raise InputError("a key of the query belongs to a level below the one that is asked for")


def _retrieve_url(url: str) -> Json:
    return {"00081190": {"vr": "UR", "Value": [url]}}


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"{name} is no number")
    return int(text)
