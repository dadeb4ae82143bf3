"""WADO-RS below instances (PS3.18 §10.4): frames, bulk data, rendered pictures and thumbnails.

Nothing of it is decoded in this process.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import chain

from fastapi import Request, Response

from retention.dicom.pixels.decoding import Decoding
from retention.dicom.pixels.picture import Look
from retention.dicom.pixels.wire import Part
from retention.model.errors import InputError, NotFoundError, RetentionError
from retention.services.access import PackageAccess
from retention.services.finding import FoundInstance
from retention.services.reading import Disclosure, read_instances
from retention.web.accepting import (
    EXPLICIT_LITTLE,
    MEDIA_TYPES,
    OCTETS,
    is_multipart,
    media_ranges,
    part_type,
)
from retention.web.callers import institution_named
from retention.web.giving import Streamed, entity_tag, given, is_known, unchanged
from retention.web.limits import FRAME_LIST, THUMBNAIL_TRIES
from retention.web.looks import look_of, media_of
from retention.web.problems import problem
from retention.web.retrieving import Retrieving, content_of


@dataclass(frozen=True, slots=True)
class Rendering:
    """Answers for what is made of instances."""

    retrieving: Retrieving

    @property
    def decoding(self) -> Decoding:
        return self.retrieving.decoding

    def frames(
        self, request: Request, institution: str, study: str, series: str, instance: str, frames: str
    ) -> Response:
        """Give out frames: native, or as they are held."""
        numbers = frame_numbers(frames)
        opened = self._opened(institution, study, series, instance)
        held = opened.instance.transfer_syntax_uid
        chosen = _choose(request.headers.get("accept", "*/*"), held, is_one=len(numbers) == 1)
        if chosen is None:
            return problem(406, "frames are given out as application/octet-stream, or as they are held")
        as_held, in_parts = chosen
        tag = entity_tag("frames", opened.content, numbers, as_held)
        if not in_parts and is_known(request, tag):
            return unchanged(tag)
        parts = self.decoding.frames(opened.read(), numbers, as_held=as_held)
        opened.record()
        if in_parts:
            return Streamed(
                ((_media_type(part), part.data) for part in parts), _media_type(parts[0], plain=True)
            )
        return given(request, parts[0].data, _media_type(parts[0]), tag)

    def bulk(
        self, request: Request, institution: str, study: str, series: str, instance: str, path: str
    ) -> Response:
        """Give out one element's value."""
        opened = self._opened(institution, study, series, instance)
        entries = list(media_ranges(request.headers.get("accept", "*/*")))
        is_single = any(entry.name in (OCTETS, "*/*") for entry in entries)
        if not is_single and not any(is_multipart(entry) for entry in entries):
            return problem(406, "bulk data are given out as application/octet-stream")
        tag = entity_tag("bulk", opened.content, path)
        if is_single and is_known(request, tag):
            return unchanged(tag)
        parts = self.decoding.bulk(opened.read(), path.split("/"))
        opened.record()
        if is_single and len(parts) == 1:
            return given(request, parts[0].data, _media_type(parts[0]), tag)
        return Streamed(((_media_type(part), part.data) for part in parts), _media_type(parts[0], plain=True))

    def rendered(
        self,
        request: Request,
        institution: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
        frames: str = "",
    ) -> Response:
        """Show a frame; in multipart/related every frame that is named, or every instance of a study or series."""
        media = media_of(request)
        if media is None:
            return problem(406, "pictures are image/jpeg or image/png")
        look = look_of(request, media.media_type, is_thumbnail=False)
        numbers = frame_numbers(frames) if frames else [1]
        if instance is None or series is None or len(numbers) > 1:
            if not media.in_parts:
                return problem(406, "several pictures are given out in multipart/related")
            return self._pictures(institution, (study, series, instance), numbers, look)
        opened = self._opened(institution, study, series, instance)
        tag = entity_tag("rendered", opened.content, numbers, look)
        if media.alone and is_known(request, tag):
            return unchanged(tag)
        picture = self.decoding.picture(opened.read(), numbers[0], look)
        opened.record()
        if media.alone:
            return given(request, picture, look.media_type, tag)
        return Streamed([(look.media_type, picture)], look.media_type)

    def thumbnail(
        self,
        request: Request,
        institution: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
        frames: str = "",
    ) -> Response:
        """Show what stands for a study, a series, an instance or a frame: of several instances the middle one."""
        media = media_of(request)
        if media is None or not media.alone:
            return problem(406, "a thumbnail is image/jpeg or image/png")
        look = look_of(request, media.media_type, is_thumbnail=True)
        number = (frame_numbers(frames) if frames else [1])[0]
        caller = institution_named(self.retrieving.stores, institution)
        access = self.retrieving.access()
        wanted = self.retrieving.wanted(access, caller, study, series, instance)
        if not wanted:
            raise self.retrieving.absent(caller, study)
        for each in _from_the_middle(wanted)[:THUMBNAIL_TRIES]:
            opened = _Opened(self.retrieving, access, each)
            tag = entity_tag("thumbnail", opened.content, number, look)
            if is_known(request, tag):
                return unchanged(tag)
            try:
                picture = self.decoding.picture(opened.read(), number, look)
            except NotFoundError:
                continue
            opened.record()
            return given(request, picture, look.media_type, tag)
        raise NotFoundError("nothing of it can be shown", hint="ask for its instances")

    def _opened(self, institution: str, study: str, series: str, instance: str) -> _Opened:
        caller = institution_named(self.retrieving.stores, institution)
        access = self.retrieving.access()
        wanted = self.retrieving.wanted(access, caller, study, series, instance)
        if not wanted:
            raise self.retrieving.absent(caller, study)
        return _Opened(self.retrieving, access, wanted[0])

    def _pictures(
        self, institution: str, path: tuple[str, str | None, str | None], numbers: list[int], look: Look
    ) -> Response:
        caller = institution_named(self.retrieving.stores, institution)
        access = self.retrieving.access()
        wanted = self.retrieving.wanted(access, caller, *path)
        if not wanted:
            raise self.retrieving.absent(caller, path[0])
        pictures = self._shown(access, wanted, numbers, look)
        first = next(pictures, None)
        if first is None:
            raise NotFoundError("nothing of it can be shown", hint="ask for its instances")
        return Streamed(chain([first], pictures), look.media_type, pictures)

    def _shown(
        self, access: PackageAccess, wanted: list[FoundInstance], numbers: list[int], look: Look
    ) -> Generator[tuple[str, bytes]]:
        """Yield pictures. What has no pixels has none; what cannot be shown breaks the answer off."""
        disclosure = Disclosure()
        disclosure.intend(self.retrieving.stores, wanted)
        try:
            for each, file in read_instances(self.retrieving.stores, access, wanted):
                disclosure.count(each, is_given=isinstance(file, bytes))
                if isinstance(file, RetentionError):
                    raise self.retrieving.refused(each, file)
                for number in numbers:
                    try:
                        yield look.media_type, self.decoding.picture(file, number, look)
                    except NotFoundError:
                        continue
        finally:
            disclosure.record(self.retrieving.stores)


@dataclass(frozen=True, slots=True)
class _Opened:
    """One instance that something is made of."""

    retrieving: Retrieving
    access: PackageAccess
    instance: FoundInstance

    @property
    def content(self) -> object:
        return content_of(self.instance)

    def read(self) -> bytes:
        """Return its file. Raises what keeps it from being read."""
        ((_, file),) = read_instances(self.retrieving.stores, self.access, [self.instance])
        if isinstance(file, RetentionError):
            raise self.retrieving.refused(self.instance, file)
        return file

    def record(self) -> None:
        """Record that it was given out."""
        disclosure = Disclosure()
        disclosure.count(self.instance, is_given=True)
        disclosure.record(self.retrieving.stores)


def frame_numbers(text: str) -> list[int]:
    """Read a list of frames. Raises InputError when it is none."""
    parts = text.split(",")
    if len(parts) > FRAME_LIST or not all(
        len(part) < 10 and part.isascii() and part.isdecimal() and int(part) > 0 for part in parts
    ):
        raise InputError("frames are numbers from 1, divided by commas", hint=f"at most {FRAME_LIST}")
    return [int(part) for part in parts]


def _choose(accept: str, held: str | None, *, is_one: bool) -> tuple[bool, bool] | None:
    """Return whether frames are given out as they are held, and whether in parts; None if nothing is acceptable."""
    for entry in media_ranges(accept):
        in_parts = is_multipart(entry)
        kind = part_type(entry, OCTETS) if in_parts else entry.name
        syntax = entry.parameters.get("transfer-syntax")
        if not in_parts and not is_one:
            continue
        if kind == OCTETS and syntax in (None, EXPLICIT_LITTLE):
            return False, in_parts
        if syntax in (None, "*", held) and kind in (OCTETS, MEDIA_TYPES.get(held or "")):
            return True, in_parts
    return None


def _media_type(part: Part, *, plain: bool = False) -> str:
    if part.transfer_syntax_uid is None:
        return OCTETS
    name = MEDIA_TYPES.get(part.transfer_syntax_uid, OCTETS)
    return name if plain else f"{name}; transfer-syntax={part.transfer_syntax_uid}"


def _from_the_middle(wanted: list[FoundInstance]) -> list[FoundInstance]:
    """Return instances of the first series, beginning with its middle one, then those of the others."""
    ordered = sorted(wanted, key=lambda each: (each.series_uid != wanted[0].series_uid, _position(each)))
    middle = sum(each.series_uid == wanted[0].series_uid for each in wanted) // 2
    return ordered[middle:] + ordered[:middle]


def _position(instance: FoundInstance) -> int:
    number = (instance.number or "").strip()
    return int(number) if number.isdecimal() and len(number) < 12 else 0
