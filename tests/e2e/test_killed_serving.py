"""Killed at random moments while devices send: whatever was answered with success is there, and equal."""

import os
import random
import re
import signal
import threading
import time

import pytest

from tests.e2e.serving import Served, dataset_of, exported, serving
from tests.services.instances import instance

SENDERS, FILES = 3, 25
ANSWER = re.compile(r"Sending file: (\S+)\n(?:.*\n)*?I: Received Store Response \((\w+)")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for sender in range(SENDERS):
        for number in range(FILES):
            data = instance(number, study=f"1.2.840.99.{sender + 1}", rows=64)
            (folder / f"{sender}-{number:03}.dcm").write_bytes(data)
    return folder


def send(served, sources, sender, acknowledged):
    """Send a share of the files; note those that were answered with success."""
    files = sorted(sources.glob(f"{sender}-*.dcm"))
    done = served.dcmtk("storescu", "-v", *files)
    acknowledged += [name for name, status in ANSWER.findall(done.stderr) if status == "Success"]


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_is_there_and_equal(tmp_path, sources, seed):
    chance = random.Random(seed)
    served = Served.make(tmp_path, "\nstaging: {quiet: PT1S}\n")
    acknowledged: list[str] = []
    for _ in range(2):
        with serving(served):
            senders = [
                threading.Thread(target=send, args=(served, sources, sender, acknowledged))
                for sender in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0.05, 1.5))
            assert served.process is not None
            victim = chance.choice([None, *served.receivers()])
            if victim is None:
                served.kill()
            else:
                os.kill(victim, signal.SIGKILL)
            for sender in senders:
                sender.join()
            if victim is not None:
                served.stop()
    with serving(served):
        assert served.stop()["data"]["staged"] == 0
    back = {dataset_of(data) for data in exported(served, tmp_path / "out").values()}
    assert acknowledged
    assert [
        name
        for name in acknowledged
        if dataset_of((sources / os.path.basename(name)).read_bytes()) not in back
    ] == []
