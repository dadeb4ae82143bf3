"""Files to sealed blocks: digests, packing, proof by decoding and encryption, in one pass over the bytes.

Worker threads do the work (all of it releases Python's lock); the results come out in the order of the files. What is
in flight is bounded in bytes, so a single instance of any size needs no more memory than a few blocks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from blake3 import blake3

from retention.model.digests import ReceivedDigests, blake3_digest
from retention.model.errors import InputChangedError
from retention.package import packing
from retention.package.packing import BlockPlan, Content, Dictionary
from retention.package.sealing import Sealer, block_number
from retention.services.ingest.scan import PREFIX_BYTES, FileStamp, OpenInput, ScannedFile

WHOLE_BYTES = 8 * 1024 * 1024
"""Instances up to this size are one piece of work; larger ones are worked on block by block."""

IN_FLIGHT_BYTES = 24 * 1024 * 1024

SMALL_BYTES = 512 * 1024
"""Packages up to this size are packed by who asks for them: to hand the work over costs as much as the work."""


@dataclass(frozen=True, slots=True)
class SealedBlock:
    packing: int
    data: bytes
    plain_bytes: int
    dictionary: int | None


@dataclass(frozen=True, slots=True)
class FileDigests:
    """Of the bytes as received, and of the data set without file meta; which encoding the file meta says that is in."""

    size_bytes: int
    blake3: bytes
    sha256: bytes
    dataset_offset: int
    dataset_blake3: bytes
    transfer_syntax_uid: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceEnd:
    """All blocks of a file have been yielded; these are its digests."""

    file: ScannedFile
    ordinal: int
    digests: FileDigests


@dataclass(frozen=True, slots=True)
class FileRefused:
    """A file that cannot be taken: changed or unreadable since it was scanned. None of its blocks was yielded before
    unless it is larger than WHOLE_BYTES."""

    file: ScannedFile
    ordinal: int
    reason: str


Product = SealedBlock | InstanceEnd | FileRefused


def changed(file: ScannedFile) -> InputChangedError:
    return InputChangedError(f"{file.path} changed while it was being ingested", hint="ingest it again")


class OpenFile:
    """A scanned file, opened again: the same one, or InputChangedError."""

    def __init__(self, file: ScannedFile) -> None:
        self._file = file
        self._descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if FileStamp.of(os.fstat(self._descriptor)) != file.stamp:
            os.close(self._descriptor)
            raise changed(file)

    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        while len(data) < length:
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                raise changed(self._file)
            data += more
        if offset == 0:
            self._check_prefix(data)
        return data

    def _check_prefix(self, start: bytes) -> None:
        is_enough = len(start) >= min(PREFIX_BYTES, self._file.stamp.size_bytes)
        prefix = (
            memoryview(start)[:PREFIX_BYTES] if is_enough else os.pread(self._descriptor, PREFIX_BYTES, 0)
        )
        if blake3_digest(prefix) != self._file.prefix_digest:
            raise changed(self._file)

    def check_unchanged(self) -> None:
        """Raise InputChangedError if the file is not what it was at the scan."""
        if FileStamp.of(os.fstat(self._descriptor)) != self._file.stamp:
            raise changed(self._file)

    def close(self) -> None:
        os.close(self._descriptor)


def open_input(file: ScannedFile) -> OpenInput:
    """Open what was scanned, wherever its bytes are. Raises InputChangedError, OSError."""
    return OpenFile(file) if file.source is None else file.source.open()


def digest_file(file: ScannedFile) -> FileDigests:
    """Return a file's digests without packing it. Raises InputChangedError, OSError."""
    opened = open_input(file)
    try:
        running = _Digests(file)
        for start in range(0, file.stamp.size_bytes, WHOLE_BYTES):
            running.update(opened.read(start, min(WHOLE_BYTES, file.stamp.size_bytes - start)))
        opened.check_unchanged()
        return running.result()
    finally:
        opened.close()


class _Digests:
    def __init__(self, file: ScannedFile) -> None:
        self._received = ReceivedDigests()
        self._dataset = blake3()
        self._size_bytes = 0
        self._dataset_offset = file.head.dataset_offset if file.head is not None else 0
        self._transfer_syntax_uid = None if file.head is None else file.head.instance.transfer_syntax_uid

    def update(self, data: bytes) -> None:
        self._received.update(data)
        if self._dataset_offset:
            skipped = max(0, self._dataset_offset - self._size_bytes)
            self._dataset.update(memoryview(data)[skipped:])
        self._size_bytes += len(data)

    def result(self) -> FileDigests:
        received = self._received.blake3()
        dataset = self._dataset.digest() if self._dataset_offset else received
        return FileDigests(
            self._size_bytes,
            received,
            self._received.sha256(),
            self._dataset_offset,
            dataset,
            self._transfer_syntax_uid,
        )


_Work = tuple[Callable[[], list[Product]], int]
"""One piece of work, and the bytes it is about."""


class _UnderWay:
    """Work handed to a pool, a bounded amount ahead of what is taken from it."""

    def __init__(self, pool: ThreadPoolExecutor, work: Iterator[_Work]) -> None:
        self._pool = pool
        self._work = work
        self._queue: deque[tuple[Future[list[Product]], int]] = deque()
        self._in_flight_bytes = 0

    def top_up(self) -> None:
        """Hand out work until enough is in flight."""
        while self._in_flight_bytes < IN_FLIGHT_BYTES:
            item = next(self._work, None)
            if item is None:
                return
            do, size_bytes = item
            self._queue.append((self._pool.submit(do), size_bytes))
            self._in_flight_bytes += size_bytes

    def products(self) -> Iterator[Product]:
        while self._queue:
            future, size_bytes = self._queue.popleft()
            yield from future.result()
            self._in_flight_bytes -= size_bytes
            self.top_up()


class InstancePacker:
    """Packs and seals the files of one package."""

    def __init__(self, sealer: Sealer, pool: ThreadPoolExecutor) -> None:
        self._sealer = sealer
        self._pool = pool
        self._dictionaries: dict[str, Dictionary | None] = {}

    def pack(self, files: Iterable[tuple[int, ScannedFile]], shared_series: set[str]) -> Iterator[Product]:
        """Return sealed blocks, an InstanceEnd or FileRefused after each file's, in order.

        Work begins at once, as much as may be in flight. `files` are (ordinal, file); the first of each series in
        `shared_series` gives its head as dictionary to the others. Raises OSError for nothing: an unreadable file is a
        FileRefused.
        """
        numbered = list(files)
        work = (item for ordinal, file in numbered for item in self._work(ordinal, file, shared_series))
        if sum(file.stamp.size_bytes for _, file in numbered) <= SMALL_BYTES:
            return (product for do, _ in work for product in do())
        under_way = _UnderWay(self._pool, work)
        under_way.top_up()
        return under_way.products()

    def _work(self, ordinal: int, file: ScannedFile, shared_series: set[str]) -> Iterator[_Work]:
        if file.stamp.size_bytes > WHOLE_BYTES:
            yield from self._work_by_block(ordinal, file)
            return
        series = file.head.identity.series_uid if file.head is not None else ""
        if series in shared_series and series not in self._dictionaries:
            products = self._pack_whole(ordinal, file, None, series)
            yield (lambda: products), file.stamp.size_bytes
        else:
            dictionary = self._dictionaries.get(series)
            yield (lambda: self._pack_whole(ordinal, file, dictionary)), file.stamp.size_bytes

    def _pack_whole(
        self, ordinal: int, file: ScannedFile, dictionary: Dictionary | None, gives_to: str | None = None
    ) -> list[Product]:
        try:
            opened = open_input(file)
            try:
                data = opened.read(0, file.stamp.size_bytes)
                opened.check_unchanged()
            finally:
                opened.close()
        except (OSError, InputChangedError) as error:
            return [FileRefused(file, ordinal, why_refused(error))]
        view = memoryview(data)
        digests = _Digests(file)
        digests.update(data)
        products: list[Product] = []
        for part, plan in enumerate(_plan(file)):
            plain = view[plan.start : plan.start + plan.length]
            products.append(self._pack_block(block_number(ordinal, part), plain, plan.content, dictionary))
            if gives_to is not None and part == 0:
                is_worth = plan.content is Content.HEAD and Dictionary.is_worth(len(plain))
                self._dictionaries[gives_to] = (
                    Dictionary(block_number(ordinal, part), bytes(plain)) if is_worth else None
                )
        products.append(InstanceEnd(file, ordinal, digests.result()))
        return products

    def _work_by_block(self, ordinal: int, file: ScannedFile) -> Iterator[_Work]:
        try:
            opened = open_input(file)
        except (OSError, InputChangedError) as error:
            refused: list[Product] = [FileRefused(file, ordinal, why_refused(error))]
            yield (lambda: refused), 0
            return
        digests = _Digests(file)
        try:
            for part, plan in enumerate(_plan(file)):
                data = opened.read(plan.start, plan.length)
                digests.update(data)
                yield self._block_work(block_number(ordinal, part), data, plan.content), len(data)
            opened.check_unchanged()
            end: list[Product] = [InstanceEnd(file, ordinal, digests.result())]
        except (OSError, InputChangedError) as error:
            end = [FileRefused(file, ordinal, why_refused(error))]
        finally:
            opened.close()
        yield (lambda: end), 0

    def _block_work(self, number: int, data: bytes, content: Content) -> Callable[[], list[Product]]:
        return lambda: [self._pack_block(number, memoryview(data), content, None)]

    def _pack_block(
        self, number: int, plain: memoryview, content: Content, dictionary: Dictionary | None
    ) -> SealedBlock:
        packed = packing.pack(plain, content, dictionary)
        sealed = self._sealer.seal_block(number, packed.packing, packed.data)
        return SealedBlock(packed.packing, sealed, len(plain), packed.dictionary)


def _plan(file: ScannedFile) -> Iterator[BlockPlan]:
    head = file.head
    if head is None or head.pixel_offset is None or head.pixel_length is None or head.bits_allocated != 16:
        return packing.plan_blocks(file.stamp.size_bytes, None, 0)
    return packing.plan_blocks(file.stamp.size_bytes, head.pixel_offset, head.pixel_length)


def why_refused(error: OSError | InputChangedError) -> str:
    return error.message if isinstance(error, InputChangedError) else f"unreadable: {error.strerror}"
