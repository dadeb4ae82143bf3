"""Entries for the journal's tests."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from retention.journal.envelope import NewEntry
from retention.model.identifiers import InstitutionId, KeyId

AT = datetime(2026, 11, 24, 5, 32, 3, 250, tzinfo=UTC)
INSTITUTION = InstitutionId("b" * 32)
KEY = KeyId("c" * 32)


def entry(number=0, payload=b"sealed", **changes):
    """An entry that is recognised by its number."""
    values = {
        "at": AT,
        "actor": "system",
        "action": "ingest",
        "institution": INSTITUTION,
        "objects": {"package": f"{number:032x}"},
        "data": {"number": number, "text": 'with ,"payload":null,"prev": in it'},
        "payload": payload,
        "payload_key": None if payload is None else KEY,
    }
    return NewEntry(**values | changes)


payloads = st.none() | st.binary(max_size=40)


@st.composite
def groups(draw, max_groups=4):
    """Some groups of entries, numbered through."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=max_groups))
    number = iter(range(100))
    return [[entry(next(number), draw(payloads)) for _ in range(size)] for size in sizes]
