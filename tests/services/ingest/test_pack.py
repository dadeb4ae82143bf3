"""Files to sealed blocks: what comes out is what was scanned, in order, or the file is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from retention.model.identifiers import InstitutionId, PackageId
from retention.package import packing
from retention.package.packing import BLOCK_BYTES, Packing
from retention.package.sealing import Sealer, block_number
from retention.services.ingest import pack
from retention.services.ingest.pack import (
    FileRefused,
    InstanceEnd,
    InstancePacker,
    Product,
    SealedBlock,
    digest_file,
)
from retention.services.ingest.scan import ScannedFile, Scanner
from tests.services.instances import STUDY, instance, unidentified

SEALER = Sealer.of(bytes(32), PackageId("c2" * 16), InstitutionId("b1" * 16))
SERIES = f"{STUDY}.1"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


def scanned(path: Path, data: bytes) -> ScannedFile:
    path.write_bytes(data)
    (found,) = Scanner().scan([path])
    assert isinstance(found, ScannedFile)
    return found


def packed(
    pool: ThreadPoolExecutor, files: list[ScannedFile], shared: set[str] | None = None
) -> list[Product]:
    return list(InstancePacker(SEALER, pool).pack(enumerate(files), shared or set()))


def unpacked(products: list[Product]) -> dict[int, bytes]:
    """Open and unpack all blocks; return each instance's bytes by ordinal."""
    found: dict[int, bytes] = {}
    heads: dict[int, bytes] = {}
    blocks: list[SealedBlock] = []
    for product in products:
        if isinstance(product, SealedBlock):
            blocks.append(product)
            continue
        if isinstance(product, InstanceEnd):
            data = b""
            for part, block in enumerate(blocks):
                number = block_number(product.ordinal, part)
                plain = SEALER.open_block(number, block.packing, block.data)
                dictionary = None if block.dictionary is None else heads[block.dictionary]
                data += (whole := packing.unpack(block.packing, plain, block.plain_bytes, dictionary))
                heads[number] = whole
            found[product.ordinal] = data
        blocks = []
    return found


def test_what_comes_out_is_what_went_in_in_order_with_its_digests(tmp_path: Path, pool: ThreadPoolExecutor):
    originals = [instance(n, rows=24 + n) for n in range(12)] + [unidentified(), b"DICM" + instance(99)[132:]]
    files = [scanned(tmp_path / f"{n:02d}", data) for n, data in enumerate(originals)]
    products = packed(pool, files)
    assert list(unpacked(products).values()) == originals
    ends = [product for product in products if isinstance(product, InstanceEnd)]
    assert [end.ordinal for end in ends] == list(range(len(originals)))
    for end, data in zip(ends, originals, strict=True):
        digests = end.digests
        assert (digests.size_bytes, digests.blake3) == (len(data), blake3(data).digest())
        assert digests.sha256 == hashlib.sha256(data).digest()
        assert digests.dataset_blake3 == blake3(data[digests.dataset_offset :]).digest()
        assert digest_file(end.file) == digests


def test_the_data_set_is_digested_without_its_file_meta(tmp_path: Path, pool: ThreadPoolExecutor):
    one, other = instance(1), instance(1, meta="1.2.840.99.6.7.8")
    files = [scanned(tmp_path / "a", one), scanned(tmp_path / "b", other)]
    first, second = [end.digests for end in packed(pool, files) if isinstance(end, InstanceEnd)]
    assert first.dataset_offset != second.dataset_offset
    assert first.dataset_blake3 == second.dataset_blake3
    assert first.blake3 != second.blake3


def test_heads_of_a_series_share_a_dictionary(tmp_path: Path, pool: ThreadPoolExecutor):
    originals = [instance(n) for n in range(4)]
    files = [scanned(tmp_path / str(n), data) for n, data in enumerate(originals)]
    products = packed(pool, files, {SERIES})
    assert list(unpacked(products).values()) == originals
    heads = [
        product for product in products if isinstance(product, SealedBlock) and product.dictionary is not None
    ]
    assert {head.dictionary for head in heads} == {block_number(0, 0)}
    assert len(heads) == 3


def test_a_refused_first_file_of_a_series_leaves_the_others_to_share(
    tmp_path: Path, pool: ThreadPoolExecutor
):
    originals = [instance(n) for n in range(4)]
    files = [scanned(tmp_path / str(n), data) for n, data in enumerate(originals)]
    (tmp_path / "0").write_bytes(b"changed")
    products = packed(pool, files, {SERIES})
    assert [type(product) for product in products][:1] == [FileRefused]
    assert list(unpacked(products).values()) == originals[1:]


def test_large_instances_are_packed_block_by_block(tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch):
    monkeypatch.setattr(pack, "WHOLE_BYTES", 1000)
    data = instance(1, rows=900)
    products = packed(pool, [scanned(tmp_path / "a", data)], {SERIES})
    assert unpacked(products) == {0: data}
    blocks = [product for product in products if isinstance(product, SealedBlock)]
    assert len(blocks) == 3
    assert blocks[1].plain_bytes == BLOCK_BYTES
    assert blocks[1].packing == Packing.PLANES16


def test_what_is_in_flight_is_bounded_in_bytes(tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch):
    """However many files there are, and however slow the one who takes the blocks is."""
    monkeypatch.setattr(pack, "IN_FLIGHT_BYTES", 5000)
    files = [scanned(tmp_path / str(n), instance(n)) for n in range(20)]
    opened: list[str] = []
    honest = pack.OpenFile.__init__

    def counted(self: pack.OpenFile, file: ScannedFile) -> None:
        opened.append(file.path)
        honest(self, file)

    monkeypatch.setattr(pack.OpenFile, "__init__", counted)
    products = InstancePacker(SEALER, pool).pack(enumerate(files), set())
    next(products)
    assert 1 <= len(opened) <= 5000 // min(len(instance(n)) for n in range(20)) + 1
    assert sum(isinstance(product, InstanceEnd) for product in products) == 20


def grown(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, 500)


def rewritten(path: Path) -> None:
    """Other bytes of the same length at the same time: only the digest of the beginning tells."""
    found = path.stat()
    path.write_bytes(bytes(found.st_size))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.rename(path)


def removed(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES = [grown, cut, rewritten, touched, replaced, removed, a_folder, a_pipe]


@pytest.mark.parametrize("whole_bytes", [8 << 20, 500], ids=["whole", "by block"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_changed_since_the_scan_is_refused(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch, change, whole_bytes: int
):
    monkeypatch.setattr(pack, "WHOLE_BYTES", whole_bytes)
    originals = [instance(n) for n in range(3)]
    files = [scanned(tmp_path / str(n), data) for n, data in enumerate(originals)]
    before = os.listdir("/proc/self/fd")
    change(tmp_path / "1")
    products = packed(pool, files)
    (refused,) = [product for product in products if isinstance(product, FileRefused)]
    assert (refused.file, refused.ordinal) == (files[1], 1)
    assert "changed" in refused.reason or "unreadable" in refused.reason
    assert unpacked(products) == {0: originals[0], 2: originals[2]}
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("whole_bytes", [8 << 20, 500], ids=["whole", "by block"])
@pytest.mark.parametrize("change", [grown, cut, touched], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch, change, whole_bytes: int
):
    monkeypatch.setattr(pack, "WHOLE_BYTES", whole_bytes)
    file = scanned(tmp_path / "a", instance(1, rows=64))
    read = pack.OpenFile.read

    def changing(self: pack.OpenFile, offset: int, length: int) -> bytes:
        data = read(self, offset, length)
        change(tmp_path / "a")
        return data

    monkeypatch.setattr(pack.OpenFile, "read", changing)
    products = packed(pool, [file])
    assert isinstance(products[-1], FileRefused)
    assert not any(isinstance(product, InstanceEnd) for product in products)


def test_a_file_that_cannot_be_read_any_more_is_refused(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch
):
    file = scanned(tmp_path / "a", instance())

    def failing(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    (refused,) = packed(pool, [file])
    assert isinstance(refused, FileRefused)
    assert refused.reason == "unreadable: Input/output error"
