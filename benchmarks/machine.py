"""The machine that was measured: what a reader needs to compare a table with another one, and no more."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from textwrap import fill

from benchmarks import peers
from benchmarks.figures import MB
from benchmarks.files import drop_cached, warm
from retention import __version__

_PROBE_BYTES = 256 * 1024 * 1024
_LINE = 120
_PIECE_BYTES = 4 * 1024 * 1024
_LIBRARIES = ("blake3", "cryptography", "numpy", "pyeclib", "sqlalchemy", "sqlmodel", "zstandard")


def description(scratch: Path) -> str:
    """Return the machine as a Markdown list."""
    return "".join(f"- {line}\n" for line in _lines(scratch))


def _lines(scratch: Path) -> Iterator[str]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield f"{os.cpu_count()} cores ({_processor()}), {memory_bytes / 2**30:.0f} GiB of memory"
    write, read = _disk_rates(scratch)
    yield f"disk: {write:,.0f} MB/s written with fsync, {read:,.0f} MB/s read after dropping the file's cache"
    yield f"{_distribution()}, {platform.machine()}, Python {platform.python_version()}"
    libraries = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    yield fill(f"retention {__version__}; " + ", ".join(libraries), width=_LINE, subsequent_indent="  ")
    yield ", ".join(f"{name} {version}" for name, version in peers.versions().items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _disk_rates(scratch: Path) -> tuple[float, float]:
    rates = [_disk_rate(scratch / f"probe-{number}") for number in range(3)]
    return statistics.median(rate[0] for rate in rates), statistics.median(rate[1] for rate in rates)


def _disk_rate(path: Path) -> tuple[float, float]:
    piece = os.urandom(_PIECE_BYTES)
    try:
        started_s = time.perf_counter()
        with path.open("wb", buffering=0) as file:
            for _ in range(_PROBE_BYTES // _PIECE_BYTES):
                file.write(piece)
            os.fsync(file.fileno())
        write_s = time.perf_counter() - started_s
        drop_cached([path])
        started_s = time.perf_counter()
        warm([path])
        read_s = time.perf_counter() - started_s
    finally:
        path.unlink(missing_ok=True)
    return _PROBE_BYTES / MB / write_s, _PROBE_BYTES / MB / read_s
