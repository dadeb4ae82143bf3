"""Progress: a bar on a terminal, a line now and then elsewhere, nothing for those who asked for quiet."""

import io
import threading
from contextlib import redirect_stderr

import pytest

from retention.cli import progress
from retention.cli.progress import BarProgress, LineProgress, console_progress, progress_line
from retention.services.progress import NoProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""

    class Clock:
        seconds = 100.0

        def monotonic_s(self):
            return self.seconds

    clock = Clock()
    monkeypatch.setattr(progress, "SystemClock", lambda: clock)
    return clock


def test_what_is_shown_depends_on_where():
    assert isinstance(console_progress(is_quiet=True), NoProgress)
    with redirect_stderr(io.StringIO()):
        assert isinstance(console_progress(is_quiet=False), LineProgress)
    with redirect_stderr(Terminal()):
        assert isinstance(console_progress(is_quiet=False), BarProgress)


@pytest.mark.parametrize(
    ("done", "total", "passed_s", "line"),
    [
        (50_000_000, 200_000_000, 5.0, "ingest: 25% of 200.0 MB, 10.0 MB/s, 15 s left"),
        (0, 200_000_000, 5.0, "ingest: 0% of 200.0 MB, 0 B/s, 0 s left"),
        (300, 200, 1.0, "ingest: 100% of 200 B, 300 B/s, 0 s left"),
        (5_000_000, None, 5.0, "ingest: 5.0 MB, 1.0 MB/s"),
    ],
)
def test_a_line_says_how_far_how_fast_and_how_long_still(done, total, passed_s, line):
    assert progress_line("ingest", done, total, passed_s) == line


def test_short_work_is_silent(clock):
    lines = LineProgress()
    with redirect_stderr(io.StringIO()) as written:
        lines.begin("audit", 100)
        clock.seconds += progress.FIRST_LINE_S - 0.1
        lines.advance(100)
        lines.end()
    assert written.getvalue() == ""


def test_lines_become_rarer_and_never_stop(clock):
    lines = LineProgress()
    with redirect_stderr(io.StringIO()) as stream:
        lines.begin("audit", 10_000)
        for _ in range(3600):
            clock.seconds += 1
            lines.advance(1)
        lines.end()
    written = stream.getvalue().splitlines()
    assert written[0] == "audit: 0% of 10.0 kB, 1 B/s, 9995 s left"
    assert 3600 / progress.LONGEST_PAUSE_S <= len(written) < 100
    assert all(line.isprintable() for line in written)


def test_a_bar_leaves_nothing_behind_and_takes_any_thread():
    bar = BarProgress()
    with redirect_stderr(Terminal()) as terminal:
        bar.begin("ingest", 1000)
        threads = [threading.Thread(target=bar.advance, args=(100,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bar.end()
        bar.end()
        bar.advance(1)
    assert "ingest" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_a_second_task_follows_the_first():
    bar = BarProgress()
    with redirect_stderr(Terminal()) as terminal:
        bar.begin("one", None)
        bar.begin("two", 5)
        bar.advance(5)
        bar.end()
    assert terminal.getvalue().count("two") > 0
