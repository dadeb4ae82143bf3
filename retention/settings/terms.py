"""The kinds of scalar that archive.yaml is made of: what each looks like, in words a person can act on.

Every check is a pure function of the text. It returns None when the text is right, and otherwise a `Wrong` that says
what is wrong and, where one is near, what was probably meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, unquote, urlsplit

from retention.markup.faults import did_you_mean
from retention.model.identifiers import is_name
from retention.model.layout import NEVER

# Patterns are texts: a file needs few of them, and compiling all would be most of the time it takes to read it.
_ARCHIVE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_PERIOD_YEARS = 200
_DURATION = (
    r"P(?=[0-9T])(?:([0-9]{1,5})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,7})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,7})S)?)?"
)
_SIZE = r"([0-9]{1,12}) ?([A-Za-z]*)"
_SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
_SIZE_MISSPELT = {unit.upper().replace("I", ""): unit for unit in _SIZE_UNITS}
_AE_TITLE = r"(?! )[\x20-\x5b\x5d-\x7e]{1,16}(?<! )"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_CRON_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)
_CRON_PART = r"(?:\*|([0-9]{1,2}|[A-Za-z]{3})(?:-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/[1-9][0-9]?)?"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
BLACKOUT_PATTERN = f"^{_DAY}(-{_DAY})? {_TIME}-{_TIME}$"


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a text is not what it should be."""

    message: str
    suggestion: str | None = None


def check_name(text: str) -> Wrong | None:
    """Names of volumes, tiers, institutions, policies, plans: 1 to 63 of a-z, 0-9 and inner hyphens."""
    if is_name(text):
        return None
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return Wrong(f"`{text}` is not a name: 1 to 63 of a-z, 0-9 and inner hyphens", slug or None)


def check_archive_name(text: str) -> Wrong | None:
    """The archive's own name also stands in seals and reports: 1 to 63 letters, digits, dots, hyphens, underscores."""
    if re.fullmatch(_ARCHIVE_NAME, text):
        return None
    return Wrong(
        f"`{text}` is not a name for an archive: 1 to 63 letters, digits, `.`, `-` and `_`, a letter or digit first",
        archive_name_from(text, otherwise="") or None,
    )


def archive_name_from(text: str, *, otherwise: str = "archive") -> str:
    """Return the name nearest to `text` that an archive may have (a directory's name, say), or `otherwise`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:63] or otherwise


def check_duration(text: str) -> Wrong | None:
    """ISO 8601 durations: `PT24H`, `P7D`, `P1Y6M`; not zero, at most 200 years."""
    if re.fullmatch(_DURATION, text) is None:
        near = text.upper() if re.fullmatch(_DURATION, text.upper()) else None
        return Wrong(f"`{text}` is not an ISO 8601 duration such as PT12H, P7D or P1Y", near)
    duration = duration_of(text)
    if not duration:
        return Wrong(f"`{text}` is no time at all")
    too_long = duration > timedelta(days=_PERIOD_YEARS * 366)
    return Wrong(f"`{text}` is longer than {_PERIOD_YEARS} years") if too_long else None


def duration_of(text: str) -> timedelta:
    """Return how long a duration is, a month counted as 30 days and a year as 365. ValueError for what is none."""
    found = re.fullmatch(_DURATION, text)
    if found is None:
        raise ValueError(f"not a duration: {text}")
    years, months, weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    days += years * 365 + months * 30 + weeks * 7
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def check_percent(text: str) -> Wrong | None:
    """A share written with a percent sign, more than none and at most all: `25%`, `2.5%`."""
    if re.fullmatch(r"(?:100|[1-9]?[0-9](?:\.[0-9]{1,6})?)%", text, re.ASCII) is None:
        near = f"{text}%" if re.fullmatch(r"[1-9]?[0-9](?:\.[0-9]{1,6})?", text, re.ASCII) else None
        return Wrong(f"`{text}` is not a share such as 25%", near)
    return None if percent_of(text) else Wrong(f"`{text}` is nothing at all")


def percent_of(text: str) -> float:
    """Return the share that a percentage is. ValueError for what is none."""
    return float(text.removesuffix("%")) / 100


def parse_size(text: str) -> int | Wrong:
    """Return the bytes that `512KiB`, `1 MiB`, `4GiB` … mean."""
    found = re.fullmatch(_SIZE, text)
    if found is None or found[2] not in _SIZE_UNITS:
        near = _SIZE_MISSPELT.get(found[2].upper().replace("I", "")) if found is not None else None
        return Wrong(
            f"`{text}` is not a size: a whole number and one of {', '.join(_SIZE_UNITS)}",
            f"{found[1]}{near}" if found is not None and near else None,
        )
    size_bytes = int(found[1]) * _SIZE_UNITS[found[2]]
    return size_bytes or Wrong(f"`{text}` is no bytes at all")


def check_timezone(text: str) -> Wrong | None:
    """Names of the IANA time zone database: `Europe/Paris`, `UTC`."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # unknown; a path; a directory of zones such as `Europe`
        return Wrong(
            f"`{text}` is not a time zone such as Europe/Paris", did_you_mean(text, available_timezones())
        )
    return None


def check_ae_title(text: str) -> Wrong | None:
    r"""DICOM AE titles (PS3.5 §6.2, AE): 1 to 16 printable ASCII characters without `\`, no outer spaces."""
    if re.fullmatch(_AE_TITLE, text):
        return None
    return Wrong(
        f"`{text}` is not an AE title: 1 to 16 printable ASCII characters without backslash or outer spaces"
    )


def check_schedule(text: str) -> Wrong | None:
    """When something runs by itself: every so often (`PT1H`), five cron fields (`0 2 * * *`), or `never`."""
    if text == NEVER:
        return None
    if text.startswith(("P", "p")):
        return check_duration(text)
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        return Wrong(f"`{text}` is neither a duration (PT1H) nor five cron fields (0 2 * * *), nor `never`")
    for written, (what, low, high, names) in zip(fields, _CRON_FIELDS, strict=True):
        for part in written.split(","):
            found = re.fullmatch(_CRON_PART, part)
            if found is None or not _in_range(found, low, high, names):
                return Wrong(f"`{part}` is not a {what} in the cron expression `{text}`")
    return None


def _in_range(part: re.Match[str], low: int, high: int, names: tuple[str, ...]) -> bool:
    values = []
    for written in filter(None, part.groups()):
        if written.isdigit():
            values.append(int(written))
        elif written.upper() in names:
            values.append(names.index(written.upper()) + low)
        else:
            return False
    return all(low <= value <= high for value in values) and values == sorted(values)


def check_blackout(text: str) -> Wrong | None:
    """When scheduled work rests: `Mon-Fri 08:00-18:00`, `Sun 00:00-23:59`."""
    return (
        None
        if re.fullmatch(BLACKOUT_PATTERN, text)
        else Wrong(f"`{text}` is not days and hours such as Mon-Fri 08:00-18:00")
    )


def check_catalog_url(text: str) -> Wrong | None:
    """Where the catalog is: `sqlite:///catalog.db` (below the archive) or `postgresql+psycopg://host/database`."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("sqlite", "postgresql+psycopg"):
        near = re.sub(r"^postgres(?:ql)?(?:\+\w+)?:", "postgresql+psycopg:", text)
        return Wrong(
            f"`{text}` is not a catalog: sqlite:///FILE or postgresql+psycopg://HOST/DATABASE",
            near if near != text else None,
        )
    if parts.scheme == "sqlite" and (parts.netloc or parts.path in ("", "/")):
        return Wrong(
            f"`{text}` names no file: sqlite:///catalog.db lies in the archive, sqlite:////path anywhere"
        )
    return _without_password(parts)


def check_volume_url(text: str) -> Wrong | None:
    """Where a volume is: `file:PATH` (relative to the archive, or absolute) or `s3://BUCKET/PREFIX`."""
    if text.startswith("file:"):
        path = volume_directory(text) or ""
        if not path.strip("/") or not path.isprintable():
            return Wrong(f"`{text}` names no directory of this machine: file:PATH or file:/PATH")
        return None
    parts = _split(text)
    if parts is None or parts.scheme != "s3":
        is_path = "://" not in text
        return Wrong(
            f"`{text}` is not a place: file:PATH or s3://BUCKET/PREFIX", f"file:{text}" if is_path else None
        )
    if not parts.netloc or parts.query or parts.fragment:
        return Wrong(f"`{text}` is not s3://BUCKET or s3://BUCKET/PREFIX")
    return _without_password(parts)


def volume_directory(url: str) -> str | None:
    """Return the directory that a `file:` URL names (RFC 8089, and the short relative form), or None."""
    scheme, _, path = url.partition(":")
    if scheme != "file":
        return None
    path = unquote(path)
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        return slash + path if host in ("", "localhost") else None
    return path


def check_web_url(text: str) -> Wrong | None:
    """Addresses of services: `https://host[:port]/path`."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
        return Wrong(f"`{text}` is not an address such as https://host/path")
    return _without_password(parts)


def check_https_url(text: str) -> Wrong | None:
    """Addresses that must not be read or changed on the way."""
    parts = _split(text)
    if parts is None or parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        return Wrong(f"`{text}` is not an address such as https://host/path")
    return _without_password(parts)


def _split(text: str) -> SplitResult | None:
    if not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        return None if parts.port == 0 else parts
    except ValueError:  # no address, or a port that is none
        return None


def _without_password(parts: SplitResult) -> Wrong | None:
    if parts.password is None:
        return None
    return Wrong(
        "credentials never stand in this file: use the environment, a profile or a secrets directory"
    )
