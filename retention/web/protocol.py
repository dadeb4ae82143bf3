"""Connections of the web door: who takes too long, or too many of them, is hung up on.

What uvicorn does not do: it waits without end for the rest of a header, of a body, and for a reader that does not read.
The invariant: a connection on which nothing gets on for two looks is closed, so that nobody holds a place for nothing;
and one address (of IPv6 a whole /64) never holds all places. It also notes the names in a caller's certificate.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from retention.services.identity.accounts import network_of
from retention.services.tls import names_of
from retention.web import limits
from retention.web.guard import NAMES


class DoorProtocol(H11Protocol):
    """One connection."""

    network: str | None = None
    _watch: asyncio.TimerHandle | None = None
    _received_bytes = 0
    _buffered_bytes = 0
    _has_moved = True
    _is_suspect = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        super().connection_made(transport)
        self.network = None if self.client is None else network_of(self.client[0])
        of_one = sum(getattr(other, "network", None) == self.network for other in self.connections)
        if of_one > limits.CONNECTIONS_OF_ONE:
            transport.abort()
            return
        names = names_of(transport.get_extra_info("ssl_object"))
        self.app_state = {**self.app_state, NAMES: names}
        self._look_later()

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        super().data_received(data)

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self._has_moved = True
        self.flow.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._has_moved = True
        super().on_response_complete()

    def _look_later(self) -> None:
        self._watch = self.loop.call_later(limits.LOOK_S, self._look)

    def _look(self) -> None:
        """Hang up when nothing has got on since the look before the last one."""
        if self._is_waiting() and not self._gets_on():
            if self._is_suspect:
                self.transport.abort()
                return
            self._is_suspect = True
        else:
            self._is_suspect = False
        self._received_bytes, self._has_moved = 0, False
        self._buffered_bytes = self.transport.get_write_buffer_size()
        self._look_later()

    def _is_waiting(self) -> bool:
        """Whether it is the other side's turn: to ask, to send the rest, to read."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return self.flow.write_paused or (cycle.more_body and not self.flow.read_paused)

    def _gets_on(self) -> bool:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return self._has_moved and cycle is not None
        if self._has_moved:
            return True
        if self.flow.write_paused:
            return self._buffered_bytes - self.transport.get_write_buffer_size() >= limits.SLOWEST_BYTES
        return self._received_bytes >= limits.SLOWEST_BYTES
