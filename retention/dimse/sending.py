"""Sending instances by C-STORE: the data set as it is held, byte for byte, where the peer accepts its transfer syntax.

Only an uncompressed data set is ever encoded anew, into another uncompressed transfer syntax, for a peer that accepts
no other: the values are the same, the bytes are not. Nothing compressed is decoded.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext, build_context

from retention.dicom.head import Head, read_head
from retention.dicom.readers import BytesReader
from retention.dimse.calling import call
from retention.dimse.statuses import CLASS_NOT_SUPPORTED, PROCESSING_FAILURE
from retention.model.errors import ArchiveError, InvalidDicomError
from retention.model.layout import PeerSpec

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
"""Transfer syntaxes whose pixel data are not compressed, best first."""

CONTEXTS = 128
"""The most that one association can propose (PS3.8 §9.3.2.2: odd numbers up to 255)."""

_MEDIUM = 0


class Sendable(Protocol):
    """What has to be known of an instance to send it: one that was found, or a file's own."""

    @property
    def sop_instance_uid(self) -> str: ...

    @property
    def sop_class_uid(self) -> str | None: ...

    @property
    def transfer_syntax_uid(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class FileToSend:
    """A Part 10 file that is sent from where it is."""

    sop_instance_uid: str
    sop_class_uid: str | None
    transfer_syntax_uid: str | None
    file: bytes

    @classmethod
    def of(cls, file: bytes) -> FileToSend:
        """Look into a file. Raises InvalidDicomError for one without identity."""
        head = read_head(BytesReader(file))
        if not isinstance(head, Head):
            raise InvalidDicomError("it has no identity")
        facts = head.instance
        uid = head.identity.sop_instance_uid
        return cls(uid, facts.sop_class_uid, facts.transfer_syntax_uid, file)


class Originator:
    """On whose request instances are sent (C-MOVE), None by C-GET."""

    def __init__(self, ae_title: str, message_id: int) -> None:
        self.ae_title = ae_title
        self.message_id = message_id


def contexts_for(instances: Iterable[Sendable]) -> list[tuple[str, list[str]]]:
    """Return (SOP class, transfer syntaxes) to propose: each as it is held, and uncompressed ones in any."""
    wanted: dict[tuple[str, bool, str], list[str]] = {}
    for instance in instances:
        held = instance.transfer_syntax_uid or ImplicitVRLittleEndian
        sop_class = instance.sop_class_uid or ""
        if held in NATIVE:
            others = [str(each) for each in NATIVE if each != held]
            wanted.setdefault((sop_class, True, held), [held])
            wanted.setdefault((sop_class, True, ""), others)
        else:
            wanted.setdefault((sop_class, False, held), [held])
    return [(sop_class, syntaxes) for (sop_class, _, _), syntaxes in wanted.items() if sop_class][:CONTEXTS]


def send(
    association: Association,
    instance: Sendable,
    file: bytes,
    message_id: int,
    originator: Originator | None = None,
) -> int:
    """Send one instance; return the peer's status, or ours when it cannot be sent."""
    head = read_head(BytesReader(file))
    if not isinstance(head, Head):
        return PROCESSING_FAILURE
    held = head.instance.transfer_syntax_uid or str(ImplicitVRLittleEndian)
    context = _context(association, instance.sop_class_uid or "", held)
    if context is None or context.context_id is None:
        return CLASS_NOT_SUPPORTED
    accepted = context.transfer_syntax[0]
    data = memoryview(file)[head.dataset_offset :] if accepted == held else _encoded(file, accepted)
    if data is None:
        return PROCESSING_FAILURE
    request = C_STORE()
    request.MessageID = message_id
    request.AffectedSOPClassUID = UID(instance.sop_class_uid or "")
    request.AffectedSOPInstanceUID = UID(instance.sop_instance_uid)
    request.Priority = _MEDIUM
    if originator is not None:
        request.MoveOriginatorApplicationEntityTitle = originator.ae_title
        request.MoveOriginatorMessageID = originator.message_id
    request.DataSet = io.BytesIO(data)
    return _exchange(association, request, context.context_id)


def _context(association: Association, sop_class: str, held: str) -> PresentationContext | None:
    """Return the accepted context to send under: the one that takes the bytes as they are, else an uncompressed one."""
    able = [
        each for each in association.accepted_contexts if each.abstract_syntax == sop_class and each.as_scu
    ]
    as_held = [each for each in able if each.transfer_syntax[0] == held]
    if as_held or held not in NATIVE:
        return next(iter(as_held), None)
    native = [each for each in able if each.transfer_syntax[0] in NATIVE]
    return min(native, key=lambda each: NATIVE.index(each.transfer_syntax[0]), default=None)


def _encoded(file: bytes, syntax: UID) -> bytes | None:
    """Return an uncompressed data set in another uncompressed transfer syntax, None if it cannot be."""
    try:
        dataset = dcmread(io.BytesIO(file), force=True)
        return encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    except Exception:  # noqa: BLE001  # a data set that is held may be anything; the peer is told that it failed
        return None


def _exchange(association: Association, request: C_STORE, context_id: int) -> int:
    """Send a request and wait for its answer."""
    association._reactor_checkpoint.clear()  # noqa: SLF001  # as its own send_c_store does, which would decode
    try:
        while not association._is_paused and association.is_established:  # noqa: SLF001
            time.sleep(0.0001)
        association.dimse.send_msg(request, context_id)
        _, response = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()  # noqa: SLF001
    if not isinstance(response, C_STORE) or response.Status is None:
        return PROCESSING_FAILURE
    return int(response.Status)


def send_files(peer: PeerSpec, calling: str, files: Sequence[FileToSend]) -> list[int]:
    """Send files in one association, as a device does; return the status of each. Raises ArchiveError."""
    entity = AE(calling)
    contexts = [build_context(UID(each), list(syntaxes)) for each, syntaxes in contexts_for(files)]
    association = call(entity, Path(), peer, contexts)
    if association is None:
        raise ArchiveError(f"{peer.ae_title} takes no association")
    try:
        return [send(association, each, each.file, number) for number, each in enumerate(files, 1)]
    finally:
        association.release()
