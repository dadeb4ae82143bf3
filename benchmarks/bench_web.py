"""DICOMweb under eight clients: STOW-RS in, one hot instance out by WADO-RS or shown, QIDO-RS among many studies.

Against Orthanc with its DICOMweb plugin, the same clients in turn.

Run: python -m benchmarks.bench_web [--quick]
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import receivers
from benchmarks.figures import MB, Row
from benchmarks.files import files_below, size_of
from benchmarks.receivers import PLUGINS, Door
from benchmarks.setting import Setting, alone

CLIENTS = 8
PARTS = 10
KIND = 'multipart/related; type="application/dicom"; boundary=b1'
STUDIES = 1_000_000
QUERY_MS = 50

JPEG = {"Accept": "image/jpeg"}

Ask = tuple[str, str, bytes, dict[str, str]]
"""Method, path, body and headers of a request."""


def measure(setting: Setting) -> Iterator[Row]:
    if not PLUGINS.exists():
        raise RuntimeError("orthanc-dicomweb is not installed: tools/setup bench")
    files = files_below(setting.generated("web", "--instances", str(setting.size(480, 80)), "--studies", "8"))
    yield from _store(setting, files)
    yield from _retrieve(setting, files)
    yield from _query(setting)
    setting.forget("web")


def _store(setting: Setting, files: list[Path]) -> Iterator[Row]:
    bodies = [_multipart(files[start : start + PARTS]) for start in range(0, len(files), PARTS)]
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(setting.rounds):
        for name, side in (("ours", receivers.ours), ("theirs", receivers.orthanc)):
            with setting.folder() as folder, side(folder) as door:
                path = f"{urlsplit(door.web).path}/studies"
                began_s = time.perf_counter()
                _ask_all(door, [("POST", path, body, {"Content-Type": KIND}) for body in bodies])
                seconds[name].append(time.perf_counter() - began_s)
    ratio = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
    size_bytes = size_of(files)
    ours, theirs = (f"{size_bytes / statistics.median(each) / MB:,.0f} MB/s" for each in seconds.values())
    work = f"STOW-RS, {CLIENTS} clients, {PARTS} CT a request"
    yield Row(work, ours, "Orthanc DICOMweb", theirs, ratio, "2×", ratio >= 2)


def _retrieve(setting: Setting, files: list[Path]) -> Iterator[Row]:
    """One instance, again and again: packed on hot for us, on disk and in the page cache for both."""
    requests, pictures = setting.size(1_600, 160), setting.size(200, 20)
    one = files[0].parent
    with setting.folder() as folder, receivers.ours(folder, one) as door:
        ours = _ask_all(door, [_instance(door)] * requests)
        method, path, body, _ = _instance(door)
        shown = _ask_all(door, [(method, f"{path}/rendered", body, JPEG)] * pictures, clients=1)
    with setting.folder() as folder, receivers.orthanc(folder) as door:
        body = _multipart(files_below(one)[:1])
        _ask_all(door, [("POST", f"{urlsplit(door.web).path}/studies", body, {"Content-Type": KIND})])
        theirs = _ask_all(door, [_instance(door)] * requests)
        previewed = _ask_all(door, [("GET", _preview(door), b"", JPEG)] * pictures, clients=1)
    mine, other = statistics.median(shown), statistics.median(previewed)
    yield Row(
        "first frame of a hot CT as JPEG, one client, p50",
        f"{mine * 1e3:.1f} ms (the first {shown[0] * 1e3:.0f} ms)",
        "Orthanc preview",
        f"{other * 1e3:.1f} ms (the first {previewed[0] * 1e3:.0f} ms)",
        other / mine,
        "1×",
        other >= mine,
    )
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        mine, other = _at(ours, share), _at(theirs, share)
        work = f"WADO-RS of one hot CT, {CLIENTS} clients, {name}"
        yield Row(
            work,
            f"{mine * 1e3:.1f} ms",
            "Orthanc DICOMweb",
            f"{other * 1e3:.1f} ms",
            other / mine,
            "1×",
            other >= mine,
        )


def _query(setting: Setting) -> Iterator[Row]:
    studies = setting.size(STUDIES, 2_000)
    with setting.folder() as folder, receivers.ours(folder, studies=studies) as door:
        path = f"{urlsplit(door.web).path}/studies"
        for what, keys in (
            ("patient", [f"PatientID=P{1 + number * 37}" for number in range(200)]),
            ("day", [f"StudyDate=20{1 + n % 24:02}{1 + n % 12:02}{1 + n % 28:02}" for n in range(200)]),
            (
                "day and modality",
                [f"StudyDate=2012{1 + n % 12:02}15&ModalitiesInStudy=MR" for n in range(100)],
            ),
        ):
            times = _ask_all(door, [("GET", f"{path}?{key}", b"", {}) for key in keys], clients=1)
            p95 = _at(times, 0.95) * 1e3
            work = f"QIDO-RS by {what}, {studies:,} studies held, p95 (p50 {_at(times, 0.5) * 1e3:.0f} ms)"
            yield Row(work, f"{p95:.0f} ms", target=f"{QUERY_MS} ms", held=p95 <= QUERY_MS)


def _instance(door: Door) -> Ask:
    """Return the request for the one instance that is held."""
    connection, base = _connection(door), f"{urlsplit(door.web).path}/studies"
    connection.request("GET", base)
    study = json.loads(connection.getresponse().read())[0]["0020000D"]["Value"][0]
    connection.request("GET", f"{base}/{study}/instances")
    found = json.loads(connection.getresponse().read())[0]
    connection.close()
    series, instance = (found[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    path = f"{urlsplit(door.web).path}/studies/{study}/series/{series}/instances/{instance}"
    return "GET", path, b"", {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def _preview(door: Door) -> str:
    """Return where Orthanc shows the one instance that it holds."""
    connection = _connection(door)
    connection.request("GET", "/instances")
    (instance,) = json.loads(connection.getresponse().read())
    connection.close()
    return f"/instances/{instance}/preview"


def _ask_all(door: Door, asks: Sequence[Ask], clients: int = CLIENTS) -> list[float]:
    """Ask by so many clients at once, each over its own connection; return how long each answer took."""
    times: list[float] = []
    failures: list[Exception] = []

    def ask(mine: Sequence[Ask]) -> None:
        try:
            times.extend(_ask(door, mine))
        except Exception as error:  # noqa: BLE001  # told by whoever waits
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(asks[number::clients],)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(str(failures[0]))
    return times


def _ask(door: Door, asks: Sequence[Ask]) -> list[float]:
    times = []
    connection = _connection(door)
    for method, path, body, headers in asks:
        began_s = time.perf_counter()
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {said[:200]!r}")
        times.append(time.perf_counter() - began_s)
    connection.close()
    return times


def _connection(door: Door) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(door.web).netloc, timeout=120)


def _at(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def _multipart(files: Sequence[Path]) -> bytes:
    parts = (
        b"--b1\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n" for path in files
    )
    return b"".join([*parts, b"--b1--\r\n"])


if __name__ == "__main__":
    alone(measure, __doc__)
