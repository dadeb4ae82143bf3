"""How many connections one caller may hold."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from retention.web import limits
from retention.web.protocol import DoorProtocol


class Transport:
    def __init__(self, address):
        self.address = address
        self.is_aborted = False

    def get_extra_info(self, name):
        return {"peername": self.address, "sockname": ("::", 80, 0, 0)}.get(name)

    def get_write_buffer_size(self):
        return 0

    def abort(self):
        self.is_aborted = True


@pytest.mark.parametrize(
    ("address", "let_in"),
    [("2001:db8::{}", 3), ("2001:db8:0:{}::1", 10), ("192.0.2.1", 3), ("192.0.2.{}", 10)],
)
def test_one_network_never_holds_all_places(monkeypatch, address, let_in):
    """An IPv6 subscriber has 2^64 addresses to himself."""
    monkeypatch.setattr(limits, "CONNECTIONS_OF_ONE", 3)

    async def connect():
        config = uvicorn.Config(lambda: None, http=DoorProtocol)
        config.load()
        state = ServerState()
        transports = [Transport((address.format(number), 1000 + number)) for number in range(1, 11)]
        for each in transports:
            DoorProtocol(config, state, {}).connection_made(each)  # type: ignore[arg-type]  # as much as is asked
        return sum(not each.is_aborted for each in transports)

    assert asyncio.run(connect()) == let_in
