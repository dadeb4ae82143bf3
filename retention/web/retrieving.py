"""WADO-RS (PS3.18 §10.4): studies, series and instances as they were received, and their metadata.

What lies on a tier that answers slowly is asked back and answered with 503 and Retry-After; what was disposed of with
410. Who was given what is recorded in the journal.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from retention.dicom.json_model import metadata_of
from retention.dicom.pixels.decoding import Decoding
from retention.model.errors import (
    DisposedOfError,
    InvalidDicomError,
    NotFoundError,
    NotReadyError,
    RetentionError,
)
from retention.model.identifiers import InstitutionId
from retention.services.access import PackageAccess, RecentPackages
from retention.services.events import Names
from retention.services.finding import Finder, FoundInstance
from retention.services.reading import Disclosure, ReadInstance, ask_back, read_instances
from retention.services.stores import Stores
from retention.web import attributes
from retention.web.accepting import DICOM, EXPLICIT_LITTLE, is_multipart, media_ranges, part_type
from retention.web.callers import institution_named
from retention.web.giving import CACHE, Streamed, entity_tag, given, is_known, unchanged
from retention.web.places import base_of
from retention.web.problems import ABSENT, GONE, problem
from retention.web.querying import DICOM_JSON, exactly

_UNKNOWN = "1.2.840.10008.1.2"
"""What is taken for the transfer syntax of a file without file meta: Implicit VR Little Endian."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """How instances are given out: in multipart/related or one alone, transcoded or as they are held."""

    in_parts: bool
    is_native: bool


@dataclass(frozen=True, slots=True)
class Retrieving:
    """Answers WADO-RS requests."""

    stores: Stores
    decoding: Decoding
    recent: RecentPackages

    def access(self) -> PackageAccess:
        """Return a request's access to packages."""
        return PackageAccess(self.stores, recent=self.recent)

    def instances(
        self,
        request: Request,
        institution: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
    ) -> Response:
        """Give out instances: as they are held, or transcoded."""
        caller = institution_named(self.stores, institution)
        access = self.access()
        wanted = self.wanted(access, caller, study, series, instance)
        if not wanted:
            raise self.absent(caller, study)
        chosen = _choose(request.headers.get("accept", "*/*"), wanted, is_one=instance is not None)
        if chosen is None:
            return problem(406, "instances are given out as they are held, or in Explicit VR Little Endian")
        tag = entity_tag("instance", content_of(wanted[0]), chosen)
        if not chosen.in_parts and is_known(request, tag):
            return unchanged(tag)
        disclosure = Disclosure()
        if len(wanted) > 1:
            disclosure.intend(self.stores, wanted)
        given_out = self._given(disclosure, read_instances(self.stores, access, wanted), chosen)
        first = next(given_out)
        if len(wanted) == 1:
            given_out.close()  # what is given is in the journal before it is
        if not chosen.in_parts:
            return given(request, first[1], DICOM, tag)
        return Streamed(chain([first], given_out), DICOM, given_out)

    def metadata(
        self,
        request: Request,
        institution: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
    ) -> Response:
        """Give out attributes as DICOM JSON."""
        caller = institution_named(self.stores, institution)
        access = self.access()
        wanted = self.wanted(access, caller, study, series, instance)
        if not wanted:
            raise self.absent(caller, study)
        base = f"{base_of(request, institution)}/studies/{study}"
        tag = entity_tag("metadata", base, [content_of(each) for each in wanted])
        if is_known(request, tag):
            return unchanged(tag)
        found: list[dict[str, Any]] = []
        disclosure = Disclosure("metadata")
        for each, file in read_instances(self.stores, access, wanted):
            if isinstance(file, RetentionError):
                raise self.refused(each, file)
            found.append(_metadata(each, file, base))
            disclosure.count(each, is_given=True)
        disclosure.record(self.stores)
        return JSONResponse(found, headers={"ETag": tag, "Cache-Control": CACHE}, media_type=DICOM_JSON)

    def wanted(
        self,
        access: PackageAccess,
        caller: InstitutionId,
        study: str,
        series: str | None,
        instance: str | None,
    ) -> list[FoundInstance]:
        finder = Finder(self.stores, access)
        return [
            each
            for found in finder.studies(caller, {"study_uid": exactly(study)})
            if found.study_uid == study
            for each in finder.instances(found)
            if series in (None, each.series_uid) and instance in (None, each.sop_instance_uid)
        ]

    def absent(self, caller: InstitutionId, study: str) -> NotFoundError:
        """Return that a study is not there, or not any more: to whom it belonged, and to nobody else."""
        name = Names(self.stores.keyring.index_key.secret).study(caller, study)
        if self.stores.catalog.disposals.of_study(name):
            return DisposedOfError(GONE)
        return NotFoundError(ABSENT)

    def refused(self, instance: FoundInstance, error: RetentionError) -> RetentionError:
        """Return why an instance is not given out; what lies on a tier that answers slowly is asked back."""
        if isinstance(error, NotReadyError):
            ask_back(self.stores, instance.study, "asked for by DICOMweb")
        return error

    def _given(
        self, disclosure: Disclosure, reading: Iterator[ReadInstance], chosen: _Chosen
    ) -> Generator[tuple[str, bytes]]:
        """Yield parts. An instance that cannot be read breaks the answer off: it is never quietly shorter."""
        try:
            for each, file in reading:
                disclosure.count(each, is_given=isinstance(file, bytes))
                if isinstance(file, RetentionError):
                    raise self.refused(each, file)
                syntax = each.transfer_syntax_uid or _UNKNOWN
                if chosen.is_native and syntax != EXPLICIT_LITTLE:
                    yield f"{DICOM}; transfer-syntax={EXPLICIT_LITTLE}", self.decoding.native(file)
                else:
                    yield f"{DICOM}; transfer-syntax={syntax}", file
        finally:
            disclosure.record(self.stores)


def content_of(instance: FoundInstance) -> object:
    """Return what stands for an instance's bytes, which never change."""
    if instance.row is not None:
        return instance.row.blake3
    return None if instance.staged is None else (instance.staged.log, instance.staged.number)


def _metadata(instance: FoundInstance, file: bytes, base: str) -> dict[str, Any]:
    """Return an instance's attributes; of one that cannot be read, those that the archive knows."""
    place = f"{base}/series/{instance.series_uid}/instances/{instance.sop_instance_uid}"
    try:
        return metadata_of(file, f"{place}/bulkdata")
    except InvalidDicomError:
        return {**attributes.study_json(instance.study), **attributes.instance_json(instance)}


def _choose(accept: str, wanted: list[FoundInstance], *, is_one: bool) -> _Chosen | None:
    """Return the first acceptable form that can be given (PS3.18 §8.7), None if there is none.

    No transfer syntax asked for means as held.
    """
    for entry in media_ranges(accept):
        in_parts = is_multipart(entry) and part_type(entry, DICOM) == DICOM
        if not in_parts and not (is_one and entry.name == DICOM):
            continue
        syntax = entry.parameters.get("transfer-syntax", "*")
        if syntax == "*" or all((each.transfer_syntax_uid or _UNKNOWN) == syntax for each in wanted):
            return _Chosen(in_parts=in_parts, is_native=False)
        if syntax == EXPLICIT_LITTLE:
            return _Chosen(in_parts=in_parts, is_native=True)
    return None
