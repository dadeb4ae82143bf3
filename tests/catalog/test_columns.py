"""What can be stored, and that instants come back as they went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import StatementError

from retention.catalog.columns import ForeignText, Instant, storable


def round_trip(kind, value):
    table = Table("t", MetaData(), Column("value", kind))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table).values(value=value))
        found = connection.execute(select(table.c.value)).scalar()
    engine.dispose()
    return found


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2300, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_an_instant_comes_back_exact_and_in_utc(at):
    found = round_trip(Instant(), at)
    assert found == at.astimezone(
        UTC
    )  # compared there: an hour that clocks skip or repeat equals nothing elsewhere
    assert found.tzinfo is UTC


def test_no_instant_stays_none():
    assert round_trip(Instant(), None) is None


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(StatementError, match="time zone"):
        round_trip(Instant(), datetime(2026, 11, 24))  # noqa: DTZ001


def test_instants_are_stored_in_their_order():
    early = datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=2)))
    late = datetime(2026, 11, 24, 0, tzinfo=UTC)
    dialect = create_engine("sqlite://").dialect
    process = Instant().dialect_impl(dialect).bind_processor(dialect)
    assert process is not None
    assert process(early) < process(late)


@given(st.text(st.characters(codec=None)))
def test_whatever_text_comes_can_be_stored(text):
    found = round_trip(ForeignText(), text)
    assert found == storable(text)
    assert "\0" not in found
    assert len(found) == len(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_what_can_be_stored_is_not_changed(text):
    assert storable(text) == text
