"""Identifiers: what they look like, how new ones are made, which texts are DICOM UIDs.

Archive, institution, package and key ids are 16 random bytes, written as 32 lowercase hexadecimal digits; they say
nothing about what they name. They are never made from DICOM values, and neither is any path.
"""

from __future__ import annotations

import os
import re
from typing import NewType

ArchiveId = NewType("ArchiveId", str)
InstitutionId = NewType("InstitutionId", str)
PackageId = NewType("PackageId", str)
KeyId = NewType("KeyId", str)
VolumeId = NewType("VolumeId", str)

ID_BYTES = 16
_HEX_ID = re.compile(r"[0-9a-f]{32}\Z")
_UID = re.compile(r"(?:[0-9.]{1,64}|[0-9a-f]{32,64})\Z")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def new_id() -> str:
    """Return a new random identifier (128 bits from the operating system)."""
    return os.urandom(ID_BYTES).hex()


def is_id(text: str) -> bool:
    """Whether `text` is written as our identifiers are."""
    return _HEX_ID.match(text) is not None


def is_uid(text: str) -> bool:
    """Whether `text` can be kept as a DICOM UID: 1 to 64 digits and dots (PS3.5 §9, read leniently: old devices
    write leading zeros), or 32 to 64 lowercase hexadecimal digits, which anonymisers write in their place."""
    return _UID.match(text) is not None


def is_name(text: str) -> bool:
    """Whether `text` may name a volume, tier or institution: 1 to 63 of a-z, 0-9 and inner hyphens."""
    return _NAME.match(text) is not None
