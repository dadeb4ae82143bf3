"""WADO-RS (PS3.18 §10.4): studies, series and instances as they were received, and their metadata.

What lies on a tier that answers slowly is asked back and answered with 503 and Retry-After; what was disposed of with
410. Who was given what is recorded in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from retention.dicom.json_model import metadata_of
from retention.model.errors import InvalidDicomError, NotFoundError, NotReadyError, RetentionError
from retention.model.identifiers import InstitutionId, new_id
from retention.services.access import PackageAccess
from retention.services.events import Names
from retention.services.finding import Finder, FoundInstance
from retention.services.reading import Disclosure, ReadInstance, ask_back, read_instances
from retention.services.stores import Stores
from retention.web import attributes
from retention.web.callers import institution_named
from retention.web.multipart import MediaType, media_type_of, written
from retention.web.problems import ABSENT, GONE, problem
from retention.web.querying import DICOM_JSON, exactly

DICOM = "application/dicom"
_UNKNOWN = "1.2.840.10008.1.2"
"""What is taken for the transfer syntax of a file without file meta: Implicit VR Little Endian."""


@dataclass(frozen=True, slots=True)
class Retrieving:
    """Answers WADO-RS requests."""

    stores: Stores

    def instances(
        self,
        request: Request,
        institution: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
    ) -> Response:
        """Give out instances as they are held."""
        caller = institution_named(self.stores, institution)
        access = PackageAccess(self.stores)
        wanted = self._wanted(access, caller, study, series, instance)
        if not wanted:
            return self._absent(caller, study)
        chosen = _choose(request.headers.get("accept", "*/*"), wanted, is_one=instance is not None)
        if chosen is None:
            return problem(406, "instances are given out as they are held, in multipart/related")
        reading = read_instances(self.stores, access, wanted)
        first, file = next(reading)
        if isinstance(file, RetentionError):
            return self._refuse(first, file)
        disclosure = Disclosure()
        if chosen == DICOM:
            disclosure.count(first, is_given=True)
            disclosure.record(self.stores)
            return Response(file, media_type=DICOM)
        boundary = new_id()
        body = self._given(disclosure, _and_then((first, file), reading))
        kind = f'multipart/related; type="{DICOM}"; boundary={boundary}'
        return StreamingResponse(written(boundary, body), headers={"Content-Type": kind})

    def metadata(
        self, institution: str, study: str, series: str | None = None, instance: str | None = None
    ) -> Response:
        """Give out attributes as DICOM JSON."""
        caller = institution_named(self.stores, institution)
        access = PackageAccess(self.stores)
        wanted = self._wanted(access, caller, study, series, instance)
        if not wanted:
            return self._absent(caller, study)
        found: list[dict[str, Any]] = []
        for each, file in read_instances(self.stores, access, wanted):
            if isinstance(file, RetentionError):
                return self._refuse(each, file)
            found.append(_metadata(each, file))
        return JSONResponse(found, media_type=DICOM_JSON)

    def _wanted(
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

    def _absent(self, caller: InstitutionId, study: str) -> Response:
        """Say that a study is not there, or not any more: to whom it belonged, and to nobody else."""
        name = Names(self.stores.keyring.index_key.secret).study(caller, study)
        if self.stores.catalog.disposals.of_study(name):
            return problem(410, GONE)
        raise NotFoundError(ABSENT)

    def _refuse(self, instance: FoundInstance, error: RetentionError) -> Response:
        if isinstance(error, NotReadyError):
            ask_back(self.stores, instance.study, "asked for by DICOMweb")
        raise error

    def _given(self, disclosure: Disclosure, reading: Iterator[ReadInstance]) -> Iterator[tuple[str, bytes]]:
        """Yield parts. An instance that cannot be read breaks the answer off: it is never quietly shorter."""
        try:
            for each, file in reading:
                disclosure.count(each, is_given=isinstance(file, bytes))
                if isinstance(file, RetentionError):
                    self._refuse(each, file)
                else:
                    yield f"{DICOM}; transfer-syntax={each.transfer_syntax_uid or _UNKNOWN}", file
        finally:
            disclosure.record(self.stores)


def _and_then(first: ReadInstance, others: Iterator[ReadInstance]) -> Iterator[ReadInstance]:
    yield first
    yield from others


def _metadata(instance: FoundInstance, file: bytes) -> dict[str, Any]:
    """Return an instance's attributes; of one that cannot be read, those that the archive knows."""
    try:
        return metadata_of(file)
    except InvalidDicomError:
        return {**attributes.study_json(instance.study), **attributes.instance_json(instance)}


def _choose(accept: str, wanted: list[FoundInstance], *, is_one: bool) -> str | None:
    """Return the first acceptable media type that can be given (PS3.18 §8.7), None if there is none.

    No transfer syntax asked for means as held: nothing is transcoded.
    """
    for entry in _entries(accept):
        if entry.parameters.get("q") in ("0", "0.0"):
            continue
        is_multipart = entry.name == "multipart/related" and entry.parameters.get("type", DICOM) == DICOM
        is_single = is_one and entry.name == DICOM
        if not (is_multipart or is_single or entry.name in ("*/*", "multipart/*")):
            continue
        syntax = entry.parameters.get("transfer-syntax", "*")
        if syntax == "*" or all((each.transfer_syntax_uid or _UNKNOWN) == syntax for each in wanted):
            return DICOM if is_single else "multipart/related"
    return None


def _entries(accept: str) -> list[MediaType]:
    """Return the media ranges of an Accept header, in its order; commas within quotes divide nothing."""
    parts, quoted = [""], False
    for character in accept:
        quoted ^= character == '"'
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [media_type_of(part) for part in parts if part.strip()]
