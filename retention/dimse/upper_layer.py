"""The upper layer of an association, as a receiver needs it: bounded, without polling, and short for images.

pynetdicom reads 4 KiB at a time, copies a data set several times and asks a thousand times a second whether there is
anything to do; it believes any length that a PDU announces. Here a PDU is read whole into one buffer, no longer than we
said we take; threads sleep until something comes; and what belongs to a C-STORE goes straight to staging. All else is
pynetdicom's.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import TypeVar

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from retention.dimse.commands import COMMAND_BYTES, StoreRequest, read_store_request, store_response
from retention.dimse.limits import ASSOCIATE_BYTES, IDENTIFIER_BYTES, IDLE_S, PDU_BYTES, PDU_TIMEOUT_S, WALL_S
from retention.dimse.storing import StoreUnderWay, Storing
from retention.model.clock import Clock

_LOG = logging.getLogger(__name__)

P_DATA_TF = 0x04
_KNOWN_TYPES = range(0x01, 0x08)
_HEADER = struct.Struct(">BxL")
_ITEM = struct.Struct(">LBB")
_IS_COMMAND, _IS_LAST = 1, 2
_CONNECTION_CLOSED, _INVALID_PDU = "Evt17", "Evt19"
_IDLE, _ASSOCIATED, _CLOSING = "Sta1", "Sta6", "Sta13"
_CLOSING_S = 0.02
_ABORT = b"\x07\0\0\0\0\x04\0\0\x02\0"

T = TypeVar("T")


class WakingQueue(queue.Queue[T]):
    """A queue that wakes the thread that waits for the network, too."""

    def __init__(self, wake: int) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002  # as there
        super().put(item, block, timeout)
        os.eventfd_write(self._wake, 1)


class ReceivingLayer(DULServiceProvider):
    """The thread that reads and writes one association's connection."""

    storing: Storing | None = None
    clock: Clock
    _wake: int
    _message: _Message | None = None

    def prepare(self, storing: Storing, clock: Clock) -> None:
        """Become one of ours, before the thread starts."""
        self.storing, self.clock = storing, clock
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.to_provider_queue = WakingQueue(self._wake)

    def run(self) -> None:
        """What the thread does; its own target was bound before it became ours."""
        self.run_reactor()

    def run_reactor(self) -> None:
        try:
            self._began_s = self.clock.monotonic_s()
            self.assoc._dul_ready.set()  # noqa: SLF001
            self._idle_timer.start()
            while not self._kill_thread and self._step():
                pass
        finally:
            if self._message is not None and self._message.store is not None:
                self._message.store.refuse(0, "the association ended")
            wake, self._wake = self._wake, -1
            self.to_provider_queue = queue.Queue()
            os.close(wake)

    def stop_dul(self) -> bool:
        """Stop the thread if the connection is closed; return whether it was."""
        if self.state_machine.current_state != _IDLE:
            return False
        self._kill_thread = True
        self._rouse()
        self.join()
        return True

    def _rouse(self) -> None:
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _step(self) -> bool:
        """Do what there is to do; return whether to go on."""
        try:
            if self.artim_timer.expired:
                self.event_queue.put("Evt18")
            self._check_age()
            if not self._process_recv_primitive() and self._wait_for_network():
                self._idle_timer.restart()
            while not self.event_queue.empty():
                self.state_machine.do_action(self.event_queue.get(block=False))
        except Exception:  # noqa: BLE001  # what a stranger sends must not end more than his association
            _LOG.info("an association is broken off", exc_info=True)
            self._break_off()
            return False
        return True

    def _check_age(self) -> None:
        if self.clock.monotonic_s() - self._began_s > WALL_S:
            raise TimeoutError("the association lasts too long")

    def _break_off(self) -> None:
        """End the association at once (PS3.8 §9.3.8: A-ABORT by the service provider)."""
        if self.socket is not None and self.socket.socket is not None:
            self.socket.send(_ABORT)
            self.socket.close()
        self.assoc.is_aborted, self.assoc.is_established = True, False
        self.assoc._kill = self._kill_thread = True  # noqa: SLF001

    def _wait_for_network(self) -> bool:
        """Wait a while until something comes, from the network or from our own side; return whether the first."""
        connection = None if self.socket is None else self.socket.socket
        is_closing = self.state_machine.current_state == _CLOSING
        if connection is None:
            self._poll(None, _CLOSING_S)
        elif _is_pending(connection) or self._poll(connection, _CLOSING_S if is_closing else IDLE_S):
            self._read_pdu_data()
            return True
        elif is_closing and self.socket is not None:
            self.socket.close()
        return False

    def _poll(self, connection: socket.socket | None, timeout_s: float) -> bool:
        """Wait; return whether the connection can be read."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if connection is not None:
            poll.register(connection, select.POLLIN)
        ready = dict(poll.poll(timeout_s * 1000))
        if ready.pop(self._wake, 0):
            os.eventfd_read(self._wake)
        return bool(ready)

    def _read_pdu_data(self) -> None:
        """Read one PDU. A longer one than we take, or one that does not come whole, ends the association."""
        header = self._receive(_HEADER.size)
        if header is None:
            self.event_queue.put(_CONNECTION_CLOSED)
            return
        kind, length = _HEADER.unpack(header)
        limit = PDU_BYTES if kind == P_DATA_TF else ASSOCIATE_BYTES
        if kind not in _KNOWN_TYPES or length > limit:
            self.event_queue.put(_INVALID_PDU)
            return
        body = self._receive(length)
        if body is None:
            self.event_queue.put(_CONNECTION_CLOSED)
        elif kind == P_DATA_TF and self.state_machine.current_state == _ASSOCIATED:
            self._take(memoryview(body))
        else:
            self._take_other(header + body)

    def _take_other(self, pdu: bytearray) -> None:
        try:
            decoded, event = self._decode_pdu(pdu)
        except Exception:  # noqa: BLE001  # as there
            self.event_queue.put(_INVALID_PDU)
            return
        self._recv_pdu.put(decoded)
        self.event_queue.put(event)

    def _receive(self, length: int) -> bytearray | None:
        """Return exactly so many bytes, None when they do not come in time, or at all."""
        connection = None if self.socket is None else self.socket.socket
        if connection is None:
            return None
        data = bytearray(length)
        view, position = memoryview(data), 0
        began_s = self.clock.monotonic_s()
        while position < length:
            try:
                count = connection.recv_into(view[position:])
            except (OSError, ValueError):
                return None
            if not count or self.clock.monotonic_s() - began_s > PDU_TIMEOUT_S:
                return None
            position += count
        return data

    def _take(self, body: memoryview) -> None:
        """Take a P-DATA-TF: fragments of a message (PS3.8 Annex E)."""
        for context_id, control, data in _items(body):
            if self._message is None:
                self._message = _Message(context_id)
            self._message.take(self, context_id, control, data)
            if self._message.is_complete:
                self._message = None

    def begin_store(self, context_id: int, request: StoreRequest) -> StoreUnderWay | None:
        """Begin a C-STORE, None when its context was not accepted."""
        context = self.assoc._accepted_cx.get(context_id)  # noqa: SLF001
        if context is None or self.storing is None:
            return None
        return self.storing.begin(self.assoc, request, str(context.transfer_syntax[0]))

    def answer(self, context_id: int, store: StoreUnderWay) -> None:
        """Make what came durable, and answer."""
        outcome = store.finish()
        if self.socket is not None:
            self.socket.send(store_response(context_id, store.request, outcome.status, outcome.comment))

    def pass_on(self, context_id: int, fragment: bytes) -> None:
        """Give a fragment of another message to pynetdicom."""
        primitive = P_DATA()
        primitive.presentation_data_value_list = [[context_id, fragment]]  # type: ignore[list-item]  # it wants lists
        self.assoc.dimse.receive_primitive(primitive)


class _Message:
    """A message whose fragments are coming: a C-STORE, that goes to staging, or another."""

    def __init__(self, context_id: int) -> None:
        self.context_id = context_id
        self.store: StoreUnderWay | None = None
        self.is_complete = False
        self._command = bytearray()
        self._is_ours = True
        self._identifier_bytes = 0

    def take(self, layer: ReceivingLayer, context_id: int, control: int, data: memoryview) -> None:
        """Take a fragment. Raises ValueError for one that does not belong here."""
        if context_id != self.context_id:
            raise ValueError("a fragment of another context within a message")
        if not control & _IS_COMMAND:
            self._take_data(layer, control, data)
            return
        self._command += data
        if self.store is not None or len(self._command) > COMMAND_BYTES:
            raise ValueError("a command where none can be")
        if control & _IS_LAST:
            self._begin(layer, bytes(self._command))

    def _begin(self, layer: ReceivingLayer, command: bytes) -> None:
        request = read_store_request(command)
        if request is None:
            self._is_ours = False
            layer.pass_on(self.context_id, bytes([_IS_COMMAND | _IS_LAST]) + command)
            self.is_complete = layer.assoc.dimse.message is None
            return
        self.store = layer.begin_store(self.context_id, request)
        if self.store is None:
            raise ValueError("a context that was not accepted")
        if not request.has_data_set:
            self._end(layer)

    def _take_data(self, layer: ReceivingLayer, control: int, data: memoryview) -> None:
        if not self._is_ours:
            self._identifier_bytes += len(data)
            if self._identifier_bytes > IDENTIFIER_BYTES:
                raise ValueError("an identifier is too long")
            layer.pass_on(self.context_id, bytes([control & _IS_LAST]) + data)
            self.is_complete = bool(control & _IS_LAST)
            return
        if self.store is None:
            raise ValueError("data without a command")
        self.store.write(data)
        if control & _IS_LAST:
            self._end(layer)

    def _end(self, layer: ReceivingLayer) -> None:
        if self.store is not None:
            layer.answer(self.context_id, self.store)
        self.store, self.is_complete = None, True


def _is_pending(connection: socket.socket) -> bool:
    """Whether TLS has bytes that were read from the network already."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _items(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield context, message control header and data of each fragment. Raises ValueError when they do not fit."""
    position = 0
    while position < len(body):
        if position + _ITEM.size > len(body):
            raise ValueError("a fragment is cut short")
        length, context_id, control = _ITEM.unpack_from(body, position)
        end = position + 4 + length
        if length < 2 or end > len(body):
            raise ValueError("a fragment does not fit into its PDU")
        yield context_id, control, body[position + _ITEM.size : end]
        position = end
