"""What a client accepts (PS3.18 §8.7, RFC 9110 §12.5.1), and the media types of what can be given."""

from __future__ import annotations

from collections.abc import Iterator

from retention.web.multipart import MediaType, media_type_of

DICOM = "application/dicom"
OCTETS = "application/octet-stream"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_SYNTAXES = {
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jpeg": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)),
    "image/jls": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)),
    "image/jp2": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91)),
    "image/jpx": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (92, 93)),
    "image/jphc": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)),
    "image/jxl": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112)),
    "video/mpeg": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (100, 101)),
    "video/mp4": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (102, 103, 104, 105, 106)),
    "video/H265": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (107, 108)),
}
MEDIA_TYPES = {syntax: name for name, syntaxes in _SYNTAXES.items() for syntax in syntaxes}
"""Of compressed pixel data, by transfer syntax (PS3.18 table 8.7.3-5)."""


def media_ranges(accept: str) -> Iterator[MediaType]:
    """Yield the media ranges of an Accept header, in its order, without those that it refuses.

    Commas within quotes divide nothing. An empty header accepts everything.
    """
    parts, quoted = [""], False
    for character in accept or "*/*":
        quoted ^= character == '"'
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    for part in parts:
        if part.strip():
            found = media_type_of(part)
            if found.parameters.get("q") not in ("0", "0.0", "0.00", "0.000"):
                yield found


def part_type(entry: MediaType, otherwise: str) -> str:
    """Return the media type of parts that a multipart range accepts; any will do when it says none or a wild card."""
    kind = entry.parameters.get("type", otherwise)
    return otherwise if kind.endswith("/*") else kind


def is_multipart(entry: MediaType) -> bool:
    """Whether several parts are accepted: multipart/related, or anything."""
    return entry.name in ("multipart/related", "multipart/*", "*/*")
