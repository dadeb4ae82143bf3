"""The statuses that are answered with, and what stands beside a refusal (PS3.7 Annex C, PS3.4 B.2.3, C.4)."""

from __future__ import annotations

from pydicom.dataset import Dataset

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
INVALID_INSTANCE = 0x0117
CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORISED = 0x0124
OUT_OF_RESOURCES = 0xA700
UNABLE_TO_PERFORM = 0xA702
UNKNOWN_DESTINATION = 0xA801
DOES_NOT_MATCH = 0xA900
SOME_FAILED = 0xB000
CANNOT_UNDERSTAND = 0xC000
UNABLE_TO_PROCESS = 0xC001
CANCELLED = 0xFE00
PENDING = 0xFF00

NOT_ADMITTED = "who calls may not ask for this here"
"""Said of an AE title that belongs to nobody any more, and of a certificate without the role."""

COMMENT_CHARACTERS = 64
"""Error Comment is an LO (PS3.7 table E.1-1)."""


def is_taken(status: int) -> bool:
    """Whether a peer took an instance: success, or a warning (PS3.4 B.2.3)."""
    return status == SUCCESS or status >> 12 == 0xB


def refusal(status: int, comment: str) -> Dataset:
    """Return a failure with what a person at the sender's may want to know."""
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment_of(comment)
    return answer


def comment_of(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:COMMENT_CHARACTERS]
