"""Files of facts: every bad row is told with its line, at once, and then nothing is recorded."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.model.errors import InputLimitError, RetentionError, UsageError
from retention.services.facts import reading
from retention.services.facts.reading import COLUMNS, read_rows
from tests.services.world import World

HEAD = ",".join(COLUMNS)


def read(world: World, text: str | bytes) -> reading.ReadFile:
    path = world.root.parent / "txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with world.opened(to_write=False) as stores:
        return read_rows(stores, path)


def reasons(found: reading.ReadFile) -> list[tuple[int, str]]:
    return [(each.line, each.objection.key) for each in found.refused]


def test_csv_and_json_lines_say_the_same(held: World):
    rows = read(held, f"\ufeff{HEAD}\r\nnecker,IPP-1,,birth,1960-01-01,,SIH,verified\r\n")
    lines = read(
        held,
        '{"institution":"necker","patient_id":"IPP-1","kind":"birth","from":"1960-01-01","source":"SIH",'
        '"assurance":"verified"}\n',
    )
    assert rows.refused == lines.refused == []
    assert rows.sayings == lines.sayings
    assert len(rows.sayings) == 1


def test_every_bad_row_is_told(held: World):
    found = read(
        held,
        f"{HEAD}\nnecker,IPP-1,,birth,1960-01-32,,SIH,verified\nnobody,IPP-1,,birth,1960-01-01,,SIH,\n"
        "necker,,,birth,1960-01-01,,SIH,\nnecker,IPP-1,,brith,2999-01-01,,,sure\nnecker,IPP-1\n"
        "necker,IPP-1,,identity,,,SIH,\nnecker,IPP-1,,liability_appeal,2020-02-01,2020-01-01,SIH,\n",
    )
    assert reasons(found) == [
        (2, "no_day"),
        (3, "unknown_institution"),
        (4, "no_patient"),
        (5, "no_assurance"),
        (6, "cells"),
        (7, "identity"),
        (8, "backwards"),
    ]


def test_kinds_that_nobody_declared_and_days_to_come_are_no_facts(held: World):
    found = read(held, f"{HEAD}\nnecker,IPP-1,,brith,2999-01-01,,SIH,\nnecker,IPP-1,,quux,1700-01-01,,SIH,\n")
    assert reasons(found) == [
        (2, "near_kind"),
        (2, "future"),
        (3, "unknown_kind"),
        (3, "too_early"),
    ]


def test_json_lines_are_told_too(held: World):
    found = read(
        held, '{"a":1}\n[]\n{"institution":1}\n{nonsense\n{"institution":"necker"}\n' + '{"a":"' + "x" * 5000
    )
    assert [key for _, key in reasons(found)] == [
        "unknown_name",
        "no_json",
        "missing_name",
        "no_json",
        "missing_name",
        "long_line",
    ]


@pytest.mark.parametrize("text", ["", "a;b;c\n", "\n\n", HEAD.replace("source", "origin")])
def test_a_file_that_is_none_is_told(held: World, text):
    with pytest.raises(UsageError, match="not the columns"):
        read(held, text)


def test_what_is_not_utf_8_is_told(held: World):
    with pytest.raises(UsageError, match="not UTF-8"):
        read(held, b"institution,\xff\xfe")


def test_files_and_rows_are_bounded(held: World, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 2)
    with pytest.raises(InputLimitError):
        read(held, f"{HEAD}\n" + "necker,IPP-1,,birth,1960-01-01,,SIH,\n" * 3)
    monkeypatch.setattr(reading, "FILE_BYTES", 10)
    with pytest.raises(InputLimitError):
        read(held, HEAD)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"{HEAD}\n{text}".encode("utf-8", "replace"))
)
def test_nothing_that_a_file_holds_is_a_surprise(held: World, data: bytes):
    try:
        found = read(held, data)
    except RetentionError:
        return
    assert all(saying.source and saying.patient.patient_id for saying in found.sayings)
