"""Nothing but model/clock.py reads the system clock, so that twenty years can be rehearsed in a minute.

Names are followed through imports and aliases. What a database would answer is the system's clock as well.
"""

import ast

import pytest

from tests.architecture.sources import Source, parse, sources, uses

CLOCK = "retention/model/clock.py"
OF_TIME = {"time.sleep"}  # waiting does not tell what time it is
READS = {
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "os.times",
    "sqlalchemy.func.now",
    "sqlalchemy.func.current_timestamp",
    "sqlalchemy.func.current_date",
    "sqlmodel.func.now",
    "sqlmodel.func.current_timestamp",
    "sqlmodel.func.current_date",
}
IN_SQL = (
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "DATETIME('NOW",
    "DATE('NOW",
    "STRFTIME('%",
    "NOW()",
)


def clock_readings(source: Source) -> list[str]:
    found = [
        f"{source.path}:{line}: {name}"
        for line, name in uses(source)
        if name in READS or (name.startswith("time.") and name not in OF_TIME) or name == "time"
    ]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _looks_like_sql(node.value):
            found += [f"{source.path}:{node.lineno}: {word}" for word in IN_SQL if word in node.value.upper()]
    return found


def _looks_like_sql(text: str) -> bool:
    first = text.split(maxsplit=1)[:1]
    return bool(first) and first[0].upper() in {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DEFAULT",
        "WITH",
        *IN_SQL,
    }


def test_nothing_else_reads_the_system_clock():
    assert [
        reading for source in sources() if source.path != CLOCK for reading in clock_readings(source)
    ] == []


def test_the_clock_itself_is_seen_to_read_it():
    (clock,) = (source for source in sources() if source.path == CLOCK)
    assert {reading.rpartition(" ")[2] for reading in clock_readings(clock)} == {
        "datetime.datetime.now",
        "time.monotonic",
    }


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nt.perf_counter()",
        "from time import monotonic as tick\ntick()",
        "from time import time_ns\nread = time_ns",
        "import time\ngetattr(time, 'time')()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import datetime as dt\nf(default=dt.now)",
        "from datetime import date\ndate.today()",
        "def f():\n    import time\n    return time.localtime()",
        "from sqlalchemy import func\nfunc.now()",
        "run('INSERT INTO t VALUES (CURRENT_TIMESTAMP)')",
        "run(\"select datetime('now')\")",
    ],
)
def test_every_way_to_read_it_is_seen(code):
    assert clock_readings(parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1)",
        "from datetime import datetime, UTC\ndatetime.fromtimestamp(0, UTC)",
        "clock.now()",
        "def now(): return 1\nnow()",
        "'''Returns now; CURRENT_TIMESTAMP is refused.'''",
    ],
)
def test_what_does_not_read_it_is_left_alone(code):
    assert clock_readings(parse(code)) == []
