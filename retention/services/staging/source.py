"""A staged instance as ingest reads it: its bytes out of the log, from whichever copy gives them whole."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from retention.model.errors import InputChangedError, KeyUnavailableError, StorageError
from retention.services.staging.frames import HEADER_BYTES, FrameHeader
from retention.services.staging.index import Place, StagedInstance, cipher_of
from retention.services.staging.places import log_key
from retention.services.stores import Stores
from retention.storage.volume import ObjectReader


@dataclass(frozen=True, slots=True)
class StagedSource:
    """Opens a staged instance: `retention.services.ingest.scan.InstanceSource`."""

    stores: Stores
    instance: StagedInstance

    def open(self) -> OpenStaged:
        return OpenStaged(self.stores, self.instance)


class OpenStaged:
    """A staged instance being read, one frame of it in memory at a time. Used by one thread at a time."""

    def __init__(self, stores: Stores, instance: StagedInstance) -> None:
        self._stores = stores
        self._instance = instance
        self._cipher = cipher_of(stores, instance.log, instance.institution)
        self._frame: tuple[int, bytes] = (-1, b"")
        self._starts = [0]
        self.size_bytes = instance.size_bytes

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes. Raises InputChangedError when no copy gives them whole."""
        data = self.read_at(offset, length)
        if len(data) < length:
            raise self._unreadable("it ends too early")
        return data

    def read_at(self, offset: int, length: int) -> bytes:
        """Return these bytes, fewer at the end. Raises InputChangedError."""
        pieces: list[bytes] = []
        end = min(offset + length, self.size_bytes)
        while offset < end:
            start, data = self._frame_at(offset)
            piece = data[offset - start : end - start]
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def check_unchanged(self) -> None:
        """A staged instance never changes: what is read was authenticated."""

    def close(self) -> None:
        self._frame = (-1, b"")

    def _frame_at(self, offset: int) -> tuple[int, bytes]:
        """Return where the frame with this byte starts within the instance, and its bytes."""
        places = self._instance.places
        while True:
            index = bisect_right(self._starts, offset) - 1
            if self._frame[0] != index:
                self._frame = (index, self._opened(places[index]))
            start, data = self._starts[index], self._frame[1]
            if offset < start + len(data):
                return start, data
            if index + 1 == len(places):
                raise self._unreadable("it ends too early")
            if index + 1 == len(self._starts):
                self._starts.append(start + len(data))

    def _opened(self, place: Place) -> bytes:
        log = self._instance.log
        reasons: list[str] = []
        for volume in self._stores.volumes:
            try:
                with volume.open(log_key(log)) as reader:
                    return self._read_frame(reader, place)
            except (StorageError, KeyUnavailableError) as error:
                reasons.append(f"{volume.name}: {error.message}")
        raise self._unreadable("; ".join(reasons))

    def _read_frame(self, reader: ObjectReader, place: Place) -> bytes:
        header = FrameHeader.decode(reader.read_at(place.offset, HEADER_BYTES))
        if header is None or header.number != place.number:
            raise KeyUnavailableError("no such frame is there")
        start = place.offset + HEADER_BYTES + header.meta_bytes
        return self._cipher.open_data(header, reader.read_at(start, header.data_bytes))

    def _unreadable(self, why: str) -> InputChangedError:
        return InputChangedError(
            f"frame of the staged instance {self._instance.number} in {self._instance.log} cannot be read: {why}",
            hint="bring the volume back that has the other copy of the log",
        )
