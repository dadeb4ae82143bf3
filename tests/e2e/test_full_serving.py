"""A disk that fills up while sixty devices send: each is told so, none falsely of success, and it goes on by itself.

Small in the suite; RETENTION_FULL_S=60 lets them send so many seconds before, while and after it is full.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.bad_days.disks import disk
from tests.e2e.raw import answered, associate, command, connected, fragment
from tests.e2e.serving import Served, dataset_of, exported, serving
from tests.services.instances import instance
from tests.services.world import until

SENDERS, CLIENTS = 60, 2
LONG_S = float(os.environ.get("RETENTION_FULL_S", "0"))
DISK_KIB = (192 << 10) if not LONG_S else (1 << 20)
SUCCESS, FULL = 0x0000, 0xA700
KIND = 'multipart/related; type="application/dicom"; boundary=b'
PLACE, NUMBER = b"1.2.840.99.7.9999", b".1.999999"
SMALL = instance(1, study=PLACE.decode(), uid=(PLACE + NUMBER).decode(), rows=64)
LARGE = instance(1, study=PLACE.decode(), uid=(PLACE + NUMBER).decode(), rows=2200)
STATUS = re.compile(rb"\0\0\0\x09\x02\0\0\0(..)", re.DOTALL)


def numbered(template: bytes, sender: int, number: int) -> tuple[str, bytes]:
    """Return an instance that is another by its UIDs, and its own UID."""
    study = f"1.2.840.99.7.{1000 + sender + len(template) // len(LARGE) * number}".encode()
    end = f".1.{100_000 + number}".encode()
    return (study + end).decode(), template.replace(NUMBER, end).replace(PLACE, study)


@dataclass
class Sending:
    """Those who send until it is over, each in one association; what they were told, and what was kept."""

    served: Served
    over: threading.Event = field(default_factory=threading.Event)
    told: list[Counter[int]] = field(default_factory=lambda: [Counter() for _ in range(SENDERS + CLIENTS)])
    acknowledged: list[bytes] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def start(self) -> None:
        works = [self._by_dimse] * SENDERS + [self._by_web] * CLIENTS
        self.threads = [threading.Thread(target=self._work, args=each) for each in enumerate(works)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def told_everyone(self, status: int, times: int, before: list[int]) -> bool:
        return all(told[status] >= times + b for told, b in zip(self.told, before, strict=True))

    def so_far(self, status: int) -> list[int]:
        return [told[status] for told in self.told]

    def _work(self, sender, work):
        try:
            work(sender)
        except Exception as error:  # noqa: BLE001  # the test says it
            self.broken.append(f"{sender}: {error!r}")

    def _note(self, sender, status, data):
        self.told[sender][status] += 1
        if status == SUCCESS:
            self.acknowledged.append(dataset_of(data))
        pause_s = 1.0 if len(data) > len(SMALL) else 0.1
        self.over.wait(pause_s)

    def _by_dimse(self, sender):
        with connected(self.served) as connection:
            connection.sendall(associate())
            assert answered(connection) == 2
            connection.settimeout(60)
            number = 0
            while not self.over.is_set():
                number += 1
                uid, data = numbered(SMALL, sender, number)
                pdus = fragment(command(uid, data_set=0), 3) + fragment(dataset_of(data), 2)
                connection.sendall(pdus)
                self._note(sender, status_of(connection), data)

    def _by_web(self, sender):
        number = 0
        with httpx.Client(base_url=self.served.base(), timeout=60) as client:
            while not self.over.is_set():
                number += 1
                _, data = numbered(LARGE if sender % 2 else SMALL, sender, number)
                body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--\r\n"
                answer = client.post("/studies", content=body, headers={"Content-Type": KIND})
                status = {200: SUCCESS, 507: FULL}.get(answer.status_code, answer.status_code)
                self._note(sender, status, data)


def status_of(connection: socket.socket) -> int:
    """Return the status of the C-STORE-RSP that comes."""
    header = _exactly(connection, 6)
    found = STATUS.search(_exactly(connection, struct.unpack(">L", header[2:])[0]))
    assert header[0] == 4
    assert found is not None
    status: int = struct.unpack("<H", found[1])[0]
    return status


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, "hung up on"
        data += piece
    return data


def volumes_together(root: Path) -> Path:
    """Put all volumes into one folder: then they can lie on one disk, and staging finds no other."""
    folder = root / "volumes"
    folder.mkdir()
    settings = root / "archive.yaml"
    text = settings.read_text()
    for name in re.findall(r'"file:([a-z0-9-]+)"', text):
        (root / name).rename(folder / name)
    settings.write_text(text.replace('"file:', '"file:volumes/'))
    return folder


def fill_while_others_write(path):
    """Write a file until not a byte is left, however much the others take meanwhile."""
    with (path / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(1 << 16))
    return path / "filler"


def test_a_disk_fills_up_while_sixty_send_and_it_goes_on_when_there_is_space(tmp_path):
    served = Served.make_web(tmp_path, "\nstaging: {quiet: PT1S}\n")
    with disk(volumes_together(served.root), DISK_KIB) as small, serving(served):
        process, receivers = served.process, served.receivers()
        sending = Sending(served)
        sending.start()
        try:
            assert until(lambda: sending.told_everyone(SUCCESS, 1, [0] * len(sending.told))), sending.told
            time.sleep(LONG_S)
            filler = fill_while_others_write(small.path)
            time.sleep(LONG_S)
            refused = sending.so_far(FULL)
            assert until(lambda: sending.told_everyone(FULL, 2, refused)), sending.told
            filler.unlink()
            kept = sending.so_far(SUCCESS)
            assert until(lambda: sending.told_everyone(SUCCESS, 2, kept)), sending.told
            time.sleep(LONG_S)
        finally:
            sending.stop()
        assert sending.broken == []
        assert set().union(*sending.told) == {SUCCESS, FULL}
        assert served.process is process
        assert served.receivers() == receivers  # nothing was started again
        small.resize(4 * DISK_KIB)  # for packages of all of it, beside their logs
        document = served.stop()
        assert document["data"]["failures"] == []
        assert document["data"]["staged"] == 0
        back = {dataset_of(data) for data in exported(served, tmp_path / "out").values()}
        assert set(sending.acknowledged) - back == set()
