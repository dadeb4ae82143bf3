"""A real PostgreSQL server for the tests that need one: started once for all workers of a run, by the first who asks.

It listens on a socket in the run's own folder and nowhere else, keeps its data in memory where the machine has such a
place, and ends with the run. Where it cannot be had, those tests say that they did not run, as with Ceph.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.ceph import RUN, alone, beginner
from tests.services.world import memory_backed

NOT_TESTED = "NOT TESTED on a real PostgreSQL server"
USERS = ("postgres", "nobody")
"""Whom it runs as when root starts it, which it refuses: the first that there is."""
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "autovacuum": "off",
}
START_S = 30.0
# It ends when the run does, however that ends: nothing stays behind.
_WATCH = """
(
    "$@" >"$LOG" 2>&1 & server=$!
    while kill -0 "$BEGINNER" && kill -0 $server; do sleep 1; done
    kill -QUIT $server; wait $server; rm -rf "$FOLDER"
) >/dev/null 2>&1 </dev/null &
"""


def server() -> Path:
    """Return the folder of the server's socket, started if nobody did yet; skips the test where there is none."""
    note = Path(os.environ[RUN], "postgresql")
    with alone(note.with_suffix(".lock")):
        if not note.exists():
            note.write_text(_started())
        found = note.read_text()
    if not found.startswith("/"):
        pytest.skip(f"{NOT_TESTED}: {found}")
    return Path(found)


def address(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://retention@/{database}?host={folder}"


def made(database: str) -> str:
    """Return the address of a new, empty database."""
    import psycopg

    folder = server()
    with psycopg.connect(f"host={folder} user=retention dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    return address(folder, database)


def _started() -> str:
    """Start it; return the folder of its socket, or one line that says why not."""
    programs = _programs()
    if programs is None:
        return "it is not installed; tools/debian-packages.txt names it"
    base = memory_backed(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix="retention-pg-", dir=base))
    as_whom = _as_whom(folder)
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "retention",
        "-A",
        "trust",
        "--no-sync",
    ]
    initdb += ["--encoding", "UTF8", "--locale", "C"]
    begun = subprocess.run([*as_whom, *initdb], capture_output=True, text=True, check=False)
    if begun.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        return f"initdb: {' '.join(begun.stderr.split())}"
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [*as_whom, programs / "postgres", "-D", folder / "data", "-k", folder, *options]
    log = Path(os.environ[RUN], "postgresql.log")
    told = {"LOG": str(log), "FOLDER": str(folder), "BEGINNER": str(beginner())}
    subprocess.run(
        ["sh", "-c", _WATCH, "sh", *map(str, command)],
        env=os.environ | told,
        start_new_session=True,
        check=True,
    )
    return str(folder) if _answers(folder) else f"it does not start: {' '.join(log.read_text().split())}"


def _programs() -> Path | None:
    """Return where the server's programs are: Debian keeps them off the path."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).resolve().parent


def _as_whom(folder: Path) -> list[str]:
    """Return what comes before a command so that root does not run it, and give that user the folder."""
    if os.geteuid() != 0:
        return []
    user = next(entry for name in USERS if (entry := _user(name)) is not None)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _answers(folder: Path) -> bool:
    import psycopg

    for _ in range(int(START_S / 0.05)):
        try:
            psycopg.connect(f"host={folder} user=retention dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False
