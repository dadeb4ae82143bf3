"""HL7 v2 messages: what each event says, once; and whatever a file holds, no surprise."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.policy.words import Assurance
from retention.services.facts.hl7_messages import ReadMessages, Wording, is_messages, read_messages
from retention.services.facts.record import record
from tests.services.world import World


def message(
    event: str,
    number: int = 1,
    pid: str = "PID|1||IPP-1^^^APHP&1.2&ISO^PI||DOE^JANE||19600101",
    rest: str = "",
) -> str:
    head = f"MSH|^~\\&|SIH|NECKER|||20261120||ADT^{event}|M{number}|P|2.5"
    return "\r".join(filter(None, [head, f"EVN|{event}|20261120103000", pid, rest])) + "\r"


def read(world: World, text: str | bytes, *, has_issuers: bool = True) -> ReadMessages:
    path = world.root.parent / "adt.hl7"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with world.opened(to_write=False) as stores:
        (owner,) = stores.catalog.institutions()
        wording = Wording("necker", owner.institution_id, Assurance.VERIFIED, has_issuers)
        return read_messages(stores, path, wording)


def told(found: ReadMessages) -> list[tuple[str, str]]:
    return [(saying.kind, str(saying.from_on)) for saying in found.sayings]


DEAD = "PID|1||IPP-1^^^APHP||DOE^JANE||19600101" + "|" * 22 + "20261110|Y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (message("A04"), [("last_visit", "2026-11-20")]),
        (message("A01", rest="PV1|1|I" + "|" * 42 + "20261101"), [("last_visit", "2026-11-01")]),
        (
            message("A03", rest="PV1|1|I" + "|" * 43 + "20261119"),
            [("discharge", "2026-11-19"), ("last_visit", "2026-11-19")],
        ),
        (message("A08"), [("birth", "1960-01-01")]),
        (message("A31", pid=DEAD), [("birth", "1960-01-01"), ("death", "2026-11-10")]),
        (message("A11"), []),
    ],
)
def test_each_event_says_what_is_written_of_it(held: World, text, expected):
    found = read(held, text)
    assert found.refused == []
    assert told(found) == expected


def test_who_it_is_about_goes_with_or_without_the_issuer(held: World):
    assert read(held, message("A04")).sayings[0].patient.written == "IPP-1^APHP"
    assert read(held, message("A04"), has_issuers=False).sayings[0].patient.written == "IPP-1"


def test_a_merge_names_both(held: World):
    found = read(held, message("A40", rest="MRG|IPP-2^^^APHP"))
    assert [(gone.written, into.written) for gone, into in found.merges] == [("IPP-2^APHP", "IPP-1^APHP")]


@pytest.mark.parametrize("joined", ["\r", "\n", "\r\n", "\x1c\r\x0b"])
def test_framed_batched_or_neither(held: World, joined):
    texts = [message("A04", 1).replace("\r", "\r"), message("A08", 2)]
    found = read(held, "FHS|^~\\&\rBHS|^~\\&\r\x0b" + joined.join(texts) + "BTS|2\r")
    assert [kind for kind, _ in told(found)] == ["last_visit", "birth"]


def test_a_message_is_read_once(held: World):
    found = read(held, message("A04") + message("A04"))
    assert (len(found.sayings), found.ignored) == (1, 1)
    with held.opened() as stores:
        owner = stores.catalog.institutions()[0].institution_id
        record(stores, found.sayings, {owner: found.seen})
    again = read(held, message("A04"))
    assert (again.sayings, again.ignored) == ([], 1)


def test_what_cannot_be_is_told_with_its_line(held: World):
    found = read(
        held, message("A08", 1, pid="PID|1||IPP-1||X||1960") + message("A08", 2, pid="") + "MSH|junk\r"
    )
    assert [(each.line, each.objection.key) for each in found.refused] == [
        (1, "no_day"),
        (4, "no_message"),
        (6, "no_message"),
    ]


def test_messages_are_known_by_their_beginning(tmp_path: Path):
    (tmp_path / "a").write_text("\x0bMSH|^~\\&|")
    (tmp_path / "b").write_text("institution,patient_id")
    assert is_messages(tmp_path / "a")
    assert not is_messages(tmp_path / "b")


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.text("MSHPIDEVN|^~\\&\r12A08", max_size=200).map(lambda tail: f"MSH|^~\\&|{tail}")
    | st.text(max_size=80).map(lambda tail: message("A08").replace("IPP-1", tail, 1))
)
def test_whatever_a_file_holds_is_no_surprise(held: World, text: str):
    found = read(held, text.encode("utf-8", "replace"))
    assert all(saying.patient.patient_id for saying in found.sayings)
    assert all(saying.from_on is None or saying.from_on > date(1849, 1, 1) for saying in found.sayings)
