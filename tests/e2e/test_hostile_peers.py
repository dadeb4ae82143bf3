"""What strangers send to the DICOM port ends their association and nothing else: others are served."""

import os
import struct
import threading
from pathlib import Path

import pytest

from tests.e2e.raw import (
    STORE,
    answered,
    associate,
    associated,
    command,
    connected,
    context,
    fragment,
    item,
    say,
)
from tests.e2e.serving import Served, serving
from tests.services.instances import STUDY, instance
from tests.services.world import until


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(Served.make(tmp_path_factory.mktemp("hostile"))) as served:
        yield served


@pytest.fixture(autouse=True)
def still_there(served):
    before = served.receivers()
    yield
    assert served.dcmtk("echoscu").returncode == 0
    assert served.receivers() == before


BEFORE = {
    "a PDU that announces 4 GiB": struct.pack(">BxL", 1, 0xFFFFFFFF),
    "a PDU of no kind": struct.pack(">BxL", 0x42, 4) + b"abcd",
    "data before the association": fragment(b"x" * 20, 3),
    "no presentation contexts": associate(contexts=[]),
    "contexts with even numbers": associate(contexts=[context(n) for n in (0, 2, 4)]),
    "a syntax that is no text": associate(contexts=[context(1, b"\xff\xfe\x00" * 20)]),
    "items within items": associate(contexts=[item(0x20, item(0x20, item(0x20, b"")))]),
    "an item longer than its PDU": struct.pack(">BxL", 1, 80)
    + bytes(68)
    + struct.pack(">BxH", 0x10, 60000)
    + bytes(8),
    "a request of HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(200),
}


@pytest.mark.parametrize("what", BEFORE)
def test_before_an_association(served, what):
    with connected(served) as connection:
        say(connection, BEFORE[what])
        while answered(connection):
            pass


DURING = {
    "a PDU longer than announced": struct.pack(">BxL", 4, (1 << 20) + 1),
    "a PDU that announces 4 GiB": struct.pack(">BxL", 4, 0xFFFFFFFF),
    "a fragment longer than its PDU": struct.pack(">BxLLBB", 4, 6, 1000, 1, 3),
    "a fragment of length zero": struct.pack(">BxLLBB", 4, 6, 0, 1, 3),
    "a context that was not accepted": fragment(command(), 3, number=99),
    "data without a command": fragment(b"x" * 100, 2),
    "a command within data": fragment(command(), 3) + fragment(b"x", 0) + fragment(command(), 3),
    "another context within a message": fragment(command(), 3) + fragment(b"x", 0, number=3),
    "a command set of nonsense": fragment(b"\xff" * 100, 3),
    "a command set that announces 2 GiB": fragment(STORE.pack(0, 0x0100, 0x7FFFFFFF), 3),
    "a command that never ends": b"".join(fragment(b"\0" * 16000, 1) for _ in range(10)),
    "a response nobody waits for": fragment(command(field=0x8001, data_set=0x0101), 3),
    "a second association": associate(),
}


@pytest.mark.parametrize("what", DURING)
def test_within_an_association(served, what):
    with associated(served) as connection:
        say(connection, DURING[what])
        while answered(connection):
            pass


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_hanging_up_in_the_middle_of_an_instance_keeps_nothing(served, share):
    data = instance(1)
    stream = fragment(command(uid="1.2.3.4.5"), 3) + fragment(data[:600], 0) + fragment(data[600:], 2)
    with associated(served) as connection:
        connection.sendall(stream[: int(len(stream) * share)])


def test_many_who_say_nothing_do_not_keep_others_out(served):
    silent = [connected(served) for _ in range(60)]
    assert served.dcmtk("echoscu").returncode == 0
    for connection in silent:
        connection.close()


def test_opening_and_closing_leaves_nothing_behind(served):
    def memory():
        return sum(_resident(process) for process in served.receivers())

    def knock():
        for _ in range(60):
            with connected(served) as connection:
                connection.sendall(associate())
                answered(connection)
                connection.sendall(b"\x05\0\0\0\0\x04\0\0\0\0")
                answered(connection)

    def knock_together():
        threads = [threading.Thread(target=knock) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    knock_together()
    before = memory()
    knock_together()
    assert memory() < before * 1.2

    def threads_left() -> int:
        return max(len(os.listdir(f"/proc/{process}/task")) for process in served.receivers())

    assert until(lambda: threads_left() < 40)


def test_what_cannot_be_understood_gets_its_status(served, tmp_path):
    whole = instance(1)
    cases = {
        "an identity that is missing": (
            whole.replace(b"\x20\x00\x0d\x00UI", b"\x20\x00\x0c\x00UI"),
            "0xc000",
        ),
        "another instance than announced": (whole, "0xa900"),
    }
    for data, status in cases.values():
        with associated(served) as connection:
            uid = f"{STUDY}.1.1" if status == "0xc000" else "1.2.3.4"
            body = data[144 + int.from_bytes(data[140:144], "little") :]
            connection.sendall(fragment(command(uid=uid), 3) + fragment(body, 2))
            header = connection.recv(6)
            answer = connection.recv(struct.unpack(">L", header[2:])[0])
            at = answer.index(STORE.pack(0, 0x0900, 2)) + STORE.size
            assert hex(int.from_bytes(answer[at : at + 2], "little")) == status


def _resident(process):
    (line,) = [
        each for each in Path(f"/proc/{process}/status").read_text().splitlines() if each.startswith("VmRSS")
    ]
    return int(line.split()[1])
