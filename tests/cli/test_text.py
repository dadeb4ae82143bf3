"""Text for people: sizes, tables, colours, and nothing that steers the terminal."""

import io
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.cli import text


@pytest.mark.parametrize(
    ("size_bytes", "written"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (7 * 10**15, "7000.0 TB")],
)
def test_sizes_are_decimal_and_short(size_bytes, written):
    assert text.size_text(size_bytes) == written


def test_a_rate_of_no_time_is_still_a_rate():
    assert text.rate_text(0, 0.0) == "0 B/s"
    assert text.rate_text(3_000_000, 1.5) == "2.0 MB/s"


@given(st.text())
def test_whatever_comes_from_outside_is_harmless(value):
    shown = text.harmless(value)
    assert not any(
        (ord(c) < 0x20 and c != "\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown
    )
    assert text.harmless(shown) == shown


def test_words_of_any_language_stay_as_they_are():
    assert text.harmless("Hôpital 山田^太郎 « ok »") == "Hôpital 山田^太郎 « ok »"
    assert text.harmless("a\x1b[31mb\n\udcff") == "a\\x1b[31mb\\n\\udcff"


def test_columns_are_as_wide_as_their_widest_cell():
    assert list(text.table_lines(["uid", "n"], [["1.2.3", "1"], ["1", "10"]])) == [
        "uid    n",
        "-----  --",
        "1.2.3  1",
        "1      10",
    ]


def test_a_table_streams():
    """The first rows set the widths; those behind them are read one at a time."""
    read = []

    def rows():
        for number in range(text.WIDTHS_FROM_ROWS * 2):
            read.append(number)
            yield [str(number)]

    lines = text.table_lines(["n"], rows())
    next(lines)
    assert len(read) == text.WIDTHS_FROM_ROWS
    assert sum(1 for _ in lines) == text.WIDTHS_FROM_ROWS * 2 + 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def willing(monkeypatch):
    """A terminal that shows colours, when there is one."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_shows_what_is_wrong_in_colour():
    with redirect_stdout(Terminal()):
        assert text.toned("lost") == "\x1b[31mlost\x1b[0m"
        assert text.toned("anything else") == "anything else"
        assert text.strong("uid") == "\x1b[1muid\x1b[0m"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_declined(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with redirect_stdout(Terminal()):
        assert text.toned("lost") == "lost"


def test_an_empty_no_color_declines_nothing(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    with redirect_stdout(Terminal()):
        assert text.toned("lost") != "lost"


def test_elsewhere_there_are_no_colours():
    with redirect_stdout(io.StringIO()):
        assert text.toned("lost") == text.toned("lost", "lost") == "lost"


def test_colours_do_not_move_columns():
    with redirect_stdout(Terminal()):
        *_, first, second = text.table_lines(["health", "n"], [["lost", "1"], ["sound", "2"]])
    assert first == "\x1b[31mlost  \x1b[0m  1"
    assert second == "\x1b[32msound \x1b[0m  2"
