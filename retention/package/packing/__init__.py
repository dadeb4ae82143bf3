"""Packings: how an instance becomes fewer bytes, reversibly, and proven so when written (format §7).

`pack` always decodes what it made and compares it with what went in; what does not prove itself is stored plainly.
"""

from __future__ import annotations

from retention.package.packing.blocks import (
    BLOCK_BYTES,
    BlockPlan,
    Content,
    Dictionary,
    Packed,
    Packing,
    pack,
    plan_blocks,
    unpack,
)

__all__ = [
    "BLOCK_BYTES",
    "BlockPlan",
    "Content",
    "Dictionary",
    "Packed",
    "Packing",
    "pack",
    "plan_blocks",
    "unpack",
]
