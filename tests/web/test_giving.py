"""Who hangs up in the middle of an answer: what was given until then is written down all the same, at once."""

from __future__ import annotations

import gc
import socket
import threading

import pytest

from retention.model.layout import WebSpec
from retention.services import disclosing
from retention.services.reading import read_instances
from retention.web import rendering, retrieving
from tests.services.instances import STUDY
from tests.services.world import until
from tests.web.serving import served

LARGE_BYTES = 4 << 20
"""More than all buffers between the door and its client take."""


@pytest.fixture
def large(monkeypatch):
    """Whatever is given out is large."""

    def padded(stores, access, wanted):
        for each, file in read_instances(stores, access, wanted):
            assert isinstance(file, bytes)
            yield each, file + bytes(LARGE_BYTES)

    monkeypatch.setattr(retrieving, "read_instances", padded)
    monkeypatch.setattr(rendering, "read_instances", padded)


@pytest.mark.parametrize("resource", ["", "/rendered"])
def test_hanging_up_keeps_nothing_from_being_written_down(held, decoding, large, monkeypatch, resource):
    by: list[threading.Thread] = []
    disclose = disclosing.disclose

    def seen(stores, entries):
        disclose(stores, entries)
        by.append(threading.current_thread())

    monkeypatch.setattr(disclosing, "disclose", seen)
    monkeypatch.setattr(decoding, "picture", lambda file, *_: file)
    request = f"GET /necker/studies/{STUDY}{resource} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    gc.disable()  # it must not be what closes a forgotten answer
    try:
        with held.opened() as stores, served(stores, decoding, WebSpec()) as address:
            with socket.create_connection(address) as client:
                client.sendall(request.encode())
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            assert until(lambda: len(by) == 2)
            serving = next(each for each in threading.enumerate() if "(run)" in each.name)
            assert serving not in by
            said = [
                each.envelope.data for each in stores.journal.read() if each.envelope.action == "study.export"
            ]
            intent, given = said
            assert (intent["intent"], intent["instances"]) == (True, 3)
            assert 0 < given["instances"] < 3
    finally:
        gc.enable()
