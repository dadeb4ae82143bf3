"""How a picture is asked for: the query parameters of rendered resources and thumbnails (PS3.18 §8.3.5, §8.3.3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

from fastapi import Request

from retention.dicom.pixels.picture import JPEG, PNG, Look, Viewport, Window
from retention.model.errors import InputError
from retention.web.accepting import is_multipart, media_ranges, part_type

_THUMBNAIL = Viewport(128, 128)
_MOST = 65_535


def look_of(request: Request, media_type: str, *, is_thumbnail: bool) -> Look:
    """Read a look. Raises InputError for parameters that are not as the standard has them."""
    query = request.query_params
    quality = query.get("quality", "90")
    if len(quality) > 3 or not quality.isdecimal() or not 1 <= int(quality) <= 100:
        raise InputError("quality is a number from 1 to 100")
    viewport = _viewport(query["viewport"]) if "viewport" in query else None
    window = _window(query["window"]) if "window" in query else None
    if is_thumbnail and viewport is None:
        viewport = _THUMBNAIL
    return Look(media_type, int(quality), window, viewport)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A picture's media type, and whether it is accepted alone, and in multipart/related."""

    media_type: str
    alone: bool
    in_parts: bool


def media_of(request: Request) -> Accepted | None:
    """Return what is accepted first of what can be given, None if nothing is.

    `accept` as a query parameter is for browsers, which cannot choose their header.
    """
    accept = request.query_params.get("accept") or request.headers.get("accept", "*/*")
    for entry in media_ranges(accept):
        if entry.name in (JPEG, PNG):
            return Accepted(entry.name, alone=True, in_parts=False)
        if entry.name in ("*/*", "image/*"):
            return Accepted(JPEG, alone=True, in_parts=entry.name == "*/*")
        kind = part_type(entry, JPEG)
        if is_multipart(entry) and kind in (JPEG, PNG):
            return Accepted(kind, alone=False, in_parts=True)
    return None


def _window(text: str) -> Window:
    center, _, rest = text.partition(",")
    width, _, function = rest.partition(",")
    function = function or "linear"
    if function not in ("linear", "linear-exact", "sigmoid"):
        raise InputError(
            "window is center,width,function", hint="a function is linear, linear-exact or sigmoid"
        )
    values = (_number(center), _number(width))
    if values[1] < (1 if function == "linear" else 1e-9):
        raise InputError("a window's width is at least 1")
    return Window(*values, cast("Literal['linear', 'linear-exact', 'sigmoid']", function))


def _viewport(text: str) -> Viewport:
    values = [_number(value) for value in text.split(",")]
    if len(values) not in (2, 6) or not 1 <= values[0] <= _MOST or not 1 <= values[1] <= _MOST:
        raise InputError("viewport is width,height or width,height,x,y,width,height")
    region = (values[2], values[3], values[4], values[5]) if len(values) == 6 else None
    return Viewport(int(values[0]), int(values[1]), region)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e9:
        raise InputError("a number in the query is none")
    return number
