"""Where everything of a package lies: the arithmetic of stripes and cells (format §5). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retention.model.digests import DIGEST_BYTES
from retention.model.layout import Protection

CODE_CELL_BYTES = 64 * 1024
COPY_CELL_BYTES = 256 * 1024


def default_cell_bytes(protection: Protection) -> int:
    """Return the cell size new packages get: stripes stay near 256 KiB, where ISA-L is quickest."""
    return COPY_CELL_BYTES if protection.is_copies else CODE_CELL_BYTES


@dataclass(frozen=True, slots=True)
class Geometry:
    """Protection, cell size and stream length of one package; everything else follows."""

    protection: Protection
    cell_bytes: int
    stream_bytes: int

    @property
    def stripe_bytes(self) -> int:
        return self.protection.data * self.cell_bytes

    @property
    def stripes(self) -> int:
        return -(-self.stream_bytes // self.stripe_bytes)

    @property
    def digests_per_stripe(self) -> int:
        return 1 if self.protection.is_copies else self.protection.shards

    @property
    def index_bytes(self) -> int:
        return self.stripes * self.digests_per_stripe * DIGEST_BYTES

    @property
    def cells_bytes(self) -> int:
        """Bytes of all cells of one shard."""
        if not self.stripes:
            return 0
        return (self.stripes - 1) * self.cell_bytes + self.cell_length(self.stripes - 1)

    def stripe_length(self, stripe: int) -> int:
        """Return the bytes of the stream in this stripe."""
        return min(self.stripe_bytes, self.stream_bytes - stripe * self.stripe_bytes)

    def cell_length(self, stripe: int) -> int:
        """Return the bytes of each cell of this stripe."""
        return -(-self.stripe_length(stripe) // self.protection.data)

    def digest_offset(self, stripe: int, shard: int) -> int:
        """Return where in the index the digest of this cell stands."""
        column = 0 if self.protection.is_copies else shard
        return (stripe * self.digests_per_stripe + column) * DIGEST_BYTES

    def stripes_of(self, start: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Yield `(stripe, first byte, last byte + 1)` within each stripe that a range of the stream touches."""
        end = start + length
        while start < end:
            stripe, inside = divmod(start, self.stripe_bytes)
            stop = min(self.stripe_bytes, inside + end - start)
            yield stripe, inside, stop
            start += stop - inside
