"""Queries and answers of DICOMweb: which keys may be asked, and answers as DICOM JSON (PS3.18 §8.3.4, annex F)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from retention.model.errors import InputError
from retention.model.matching import Kind
from retention.services import attributes
from retention.services.attributes import BY_KEYWORD, INSTANCE, SERIES, STUDY, Attribute, Found, Keys, Value
from retention.services.finding import FoundInstance, FoundSeries, FoundStudy

Json = dict[str, dict[str, object]]
Values = Mapping[str, Value]

NOT_KEYS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching"})
INDEXED_TAGS = frozenset(f"{attribute.tag:08X}" for attribute in BY_KEYWORD.values())
_KEYWORDS = {f"{attribute.tag:08X}": keyword for keyword, attribute in BY_KEYWORD.items()}


def keys_of(parameters: Iterable[tuple[str, str]]) -> Keys:
    """Read a query's keys. Raises InputError for one that is not matched here: it must not match everything."""
    asked: list[tuple[str, str]] = []
    is_fuzzy = False
    for name, text in parameters:
        if name in NOT_KEYS:
            is_fuzzy |= (name, text) == ("fuzzymatching", "true")
            continue
        attribute = BY_KEYWORD.get(_KEYWORDS.get(name.upper(), name))
        if attribute is None or attribute.kind is None:
            raise InputError(
                "a key of the query is none that is matched here", hint=f"leave out {name[:64]!r}"
            )
        listed = text.replace(",", "\\") if attribute.kind is Kind.UID else text  # PS3.18 §8.3.4.1
        asked.append((attribute.keyword, listed))
    return attributes.keys_of(asked, is_fuzzy=is_fuzzy)


def study_json(study: FoundStudy) -> Json:
    return _json(STUDY, study)


def series_json(series: FoundSeries) -> Json:
    return _json(SERIES, series)


def instance_json(instance: FoundInstance) -> Json:
    return _json(INSTANCE, instance)


def _json(wanted: Iterable[Attribute[Found]], found: Found) -> Json:
    return {
        f"{attribute.tag:08X}": _written(attribute.vr, attribute.value(found))
        for attribute in sorted(wanted, key=lambda attribute: attribute.tag)
    }


def _written(vr: str, value: Value) -> dict[str, object]:
    """Return an element; without `Value` when nothing is known (PS3.18 F.2.5)."""
    if value is None or value in ("", ()):
        return {"vr": vr}
    if vr == "PN":
        return {"vr": "PN", "Value": [_name(str(value))]}
    if vr == "IS" and isinstance(value, str):
        number = value.strip()
        return {"vr": "IS", "Value": [int(number)]} if number.lstrip("+-").isdecimal() else {"vr": "IS"}
    return {"vr": vr, "Value": list(value) if isinstance(value, tuple) else [value]}


def _name(text: str) -> dict[str, str]:
    """Return a name's component groups (PS3.18 F.2.2)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {group: part for group, part in groups if part}
