"""`includefield` (PS3.18 §8.3.4.3): attributes that a query wants besides those that the archive indexes.

They are read from the first instance of what was found, so a page that asks for them is short, and what lies on a tier
that answers slowly is answered without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from retention.dicom.json_model import metadata_of, tag_of
from retention.model.errors import InputError, RetentionError
from retention.services.access import PackageAccess
from retention.services.finding import FoundInstance
from retention.services.reading import read_instances
from retention.services.stores import Stores
from retention.web.attributes import INDEXED_TAGS, Json
from retention.web.limits import INCLUDED_FIELDS

ALL = "all"
"""Asks for every attribute that is indexed: they are always given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found, as it is answered; `instances` are those it consists of."""

    found: Json
    instances: Callable[[], Iterable[FoundInstance]]


def tags_asked_for(fields: Iterable[str]) -> frozenset[str]:
    """Return the tags that are wanted and not indexed. Raises InputError for a name that is no attribute's."""
    names = {name for field in fields for name in field.split(",") if name and name != ALL}
    if len(names) > INCLUDED_FIELDS:
        raise InputError(f"more than {INCLUDED_FIELDS} attributes to include")
    found = {name: tag_of(name.partition(".")[0]) for name in names}
    unknown = sorted(name[:64] for name, tag in found.items() if tag is None)
    if unknown:
        raise InputError("an attribute to include is none", hint=f"leave out {unknown[0]!r}")
    return frozenset(tag for tag in found.values() if tag is not None) - INDEXED_TAGS


def with_included(stores: Stores, access: PackageAccess, answer: Answer, tags: frozenset[str]) -> Json:
    """Return an answer with the values of other attributes, as far as they can be read now."""
    if not tags:
        return answer.found
    for _, file in read_instances(stores, access, islice(answer.instances(), 1)):
        if isinstance(file, bytes):
            try:
                metadata = metadata_of(file, "")
            except RetentionError:
                break
            wanted = {tag: metadata[tag] for tag in tags if tag in metadata}
            return answer.found | {tag: each for tag, each in wanted.items() if "BulkDataURI" not in each}
    return answer.found
