"""Zstandard frames that say how long they are (format §7).

The invariant: no memory is asked for on the word of a frame that was not expected to need it. The library goes by what
a frame declares, whatever limit it is given, so the declaration is compared first.
"""

from __future__ import annotations

import zstandard

from retention.model.errors import ShardDamagedError


def require_size(frame: bytes, what: str, *, exactly: int | None = None, at_most: int | None = None) -> None:
    """Raise ShardDamagedError unless the frame declares this size of its content, in bytes."""
    try:
        declared = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as error:
        raise ShardDamagedError(f"{what} does not decompress: {error}") from error
    if declared < 0:
        raise ShardDamagedError(f"{what} does not decompress: it does not say how long it is")
    if declared != exactly and (at_most is None or declared > at_most):
        wanted = exactly if at_most is None else f"at most {at_most}"
        raise ShardDamagedError(f"{what} unpacks to {declared} bytes instead of {wanted}")
