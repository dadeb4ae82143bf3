"""Killed at random moments while devices send: whatever was answered with success is there, and equal.

The moments are few in the suite; RETENTION_KILLS=200 makes them two hundred (some ten minutes).
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from tests.e2e.serving import Served, dataset_of, exported, serving
from tests.services.instances import instance

KILLS = int(os.environ.get("RETENTION_KILLS", "6"))
STARTS = max(2, KILLS // 10)
"""At the end of each the whole program is killed, and with it the closer; before, receivers and the web door."""

DEVICES, FILES = 2, 10
ANSWER = re.compile(r"Sending file: (\S+)\n(?:.*\n)*?I: Received Store Response \((\w+)")
KIND = 'multipart/related; type="application/dicom"; boundary=b'


@dataclass
class Senders:
    """Devices and a web client that send new instances until it is over, and what of them was acknowledged."""

    served: Served
    folder: Path
    acknowledged: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    numbers: dict[int, count[int]] = field(default_factory=lambda: {n: count() for n in range(DEVICES + 1)})

    def start(self) -> list[threading.Thread]:
        self.over.clear()
        works = [self._store, *[self._send] * DEVICES]
        threads = [threading.Thread(target=self._repeat, args=each) for each in enumerate(works)]
        for thread in threads:
            thread.start()
        return threads

    def _repeat(self, sender, work):
        while not self.over.is_set():
            work(sender)

    def _file(self, sender):
        number = next(self.numbers[sender])
        return number, instance(number, study=f"1.2.840.99.{sender + 1}.{number // 50}", rows=64)

    def _send(self, sender):
        files = {}
        for _ in range(FILES):
            number, data = self._file(sender)
            path = self.folder / f"{sender}-{number:06}.dcm"
            path.write_bytes(data)
            files[path.name] = path
        done = self.served.dcmtk("storescu", "-v", *files.values())
        for name, status in ANSWER.findall(done.stderr):
            if status == "Success":
                self.acknowledged.append(dataset_of(files[os.path.basename(name)].read_bytes()))
        for path in files.values():
            path.unlink()

    def _store(self, sender):
        _, data = self._file(sender)
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--\r\n"
        with suppress(httpx.HTTPError):
            answer = httpx.post(
                f"{self.served.base()}/studies", content=body, headers={"Content-Type": KIND}, timeout=20
            )
            if answer.status_code == 200:
                self.acknowledged.append(dataset_of(data))


def test_what_was_acknowledged_is_there_and_equal(tmp_path):
    chance = random.Random(KILLS)
    served = Served.make_web(tmp_path, "\nstaging: {quiet: PT1S}\n")
    senders = Senders(served, tmp_path)
    for _ in range(STARTS):
        with serving(served):
            threads = senders.start()
            for _ in range(KILLS // STARTS - 1):
                time.sleep(chance.uniform(0.05, 1.5))
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(served.receivers()), signal.SIGKILL)
            time.sleep(chance.uniform(0.05, 1.5))
            served.kill()
            senders.over.set()
            for thread in threads:
                thread.join()
    with serving(served):
        assert served.stop()["data"]["staged"] == 0
    back = {dataset_of(data) for data in exported(served, tmp_path / "out").values()}
    assert senders.acknowledged
    assert sum(each not in back for each in senders.acknowledged) == 0
