"""What recover.py has instead of libraries gives the libraries' own bytes; what it reads from a bad disk is bounded."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import reedsolo
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from retention.model.layout import Protection
from retention.package import erasure
from retention.package.packing import planes16
from tests.package.conftest import examples
from tests.package.recovery.conftest import RECOVER, SOP, STUDY, Archive, Found, Item, noise


def _load(without: str) -> Any:
    """Load recover.py as a module that lacks some libraries."""
    spec = importlib.util.spec_from_file_location(f"recover_without_{without.replace(',', '_')}", RECOVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOVER_WITHOUT", without)
        spec.loader.exec_module(module)
    return module


PURE = _load("blake3,cryptography,reedsolo,numpy")
USUAL = _load("none")
CHUNK = 1024
BATCH = PURE._BATCH


SMALL = (0, 1, 63, 64, 65, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, 5 * CHUNK + 7, 64 * CHUNK)
LARGE = (BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, 2 * BATCH + CHUNK, 3 * BATCH + 65, 7 * BATCH + 3 * CHUNK)


@pytest.mark.parametrize("size", [*SMALL, *LARGE])
def test_blake3_at_every_edge_of_its_tree(size: int) -> None:
    data, key = noise(size, size), noise(1, 32)
    assert PURE.blake3(data) == blake3(data).digest()
    assert PURE.blake3_keyed(key, data) == blake3(data, key=key).digest()
    assert (
        PURE.blake3_derived("a context: é", data) == blake3(data, derive_key_context="a context: é").digest()
    )
    assert PURE.blake3_derived("a context: é", data) == USUAL.blake3_derived("a context: é", data)


@examples
@given(st.lists(st.integers(0, 3 * CHUNK), max_size=8))
@example([BATCH, 1, BATCH, BATCH - 1, 5])
def test_blake3_in_pieces(sizes: list[int]) -> None:
    ours, theirs = PURE.new_blake3(), blake3()
    for number, size in enumerate(sizes):
        ours.update(noise(number, size))
        theirs.update(noise(number, size))
        assert ours.digest() == theirs.digest()


@examples
@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=400),
    st.binary(),
)
@example(bytes(32), bytes(12), noise(1, 70_000), b"more counter blocks than are made at once")
def test_aes_gcm(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> None:
    sealed = AESGCM(key).encrypt(nonce, plain, associated)
    assert PURE.Cipher(key).open(nonce, sealed, associated) == plain
    for module in (PURE, USUAL):
        for place in {0, len(sealed) // 2, len(sealed) - 1}:
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(module.NotAuthenticError):
                module.Cipher(key).open(nonce, bytes(changed), associated)
        with pytest.raises(module.NotAuthenticError):
            module.Cipher(key).open(nonce, sealed, associated + b"!")
        with pytest.raises(module.NotAuthenticError):
            module.Cipher(key).open(nonce, sealed[:15], associated)


@pytest.mark.parametrize("errors", [0, 1, 2, 17, 31, 32])
def test_guarded_records_are_repaired(errors: int) -> None:
    chance = random.Random(errors)
    for _ in range(5):
        message = chance.randbytes(191)
        word = bytearray(reedsolo.RSCodec(64).encode(message))
        for place in chance.sample(range(255), errors):
            word[place] ^= chance.randrange(1, 256)
        assert PURE.pure_repair(bytes(word))[:191] == message


@pytest.mark.parametrize("module", [PURE, USUAL], ids=["pure", "usual"])
def test_damage_beyond_repair_is_never_taken_for_a_record(module: Any) -> None:
    chance = random.Random(7)
    for errors in (33, 40, 64, 200, 255):
        fields = chance.randbytes(159)
        record = bytearray(reedsolo.RSCodec(64).encode(fields + blake3(fields).digest()) + b"\0")
        for place in chance.sample(range(255), errors):
            record[place] ^= chance.randrange(1, 256)
        assert module.guarded_fields(bytes(record)) in (None, fields)
    assert module.guarded_fields(bytes(256)) is None
    assert module.guarded_fields(b"short") is None


@pytest.mark.parametrize("module", [PURE, USUAL], ids=["pure", "usual"])
@pytest.mark.parametrize("protection", [Protection(4, 2), Protection(2, 1), Protection(3, 4)], ids=str)
def test_every_pattern_of_loss_decodes(module: Any, protection: Protection) -> None:
    k = protection.data
    cells = [bytes(cell) for cell in erasure.encode(protection, noise(k, k * 1000))]
    for numbers in combinations(range(protection.shards), k):
        at_hand = {number: cells[number] for number in numbers}
        for wanted in range(k):
            assert module.decode_cell(k, at_hand, wanted) == cells[wanted]


@examples
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=300))
def test_planes16(values: list[int]) -> None:
    samples = b"".join(value.to_bytes(2, "little") for value in values)
    planes = planes16.split(memoryview(samples)).tobytes()
    assert PURE.unplanes16(planes) == USUAL.unplanes16(planes) == samples


# Bad disks, bad luck


def recover_within(module: Any, archive: Archive, *volumes: str, out: str = "out") -> Found:
    """Run recover.py in this process, where its reading and writing can be disturbed."""
    arguments = ["recover.py", "--key", str(archive.key_file), "--out", str(archive.root / out)]
    arguments += map(str, archive.volumes(*volumes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        code = module.main()
    return Found(code, "", "", archive.files(out))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_damaged_no_wrong_file_appears(archive: Archive, seed: int) -> None:
    chance = random.Random(seed)
    for path in chance.sample(archive.shards(), chance.randrange(1, 20)):
        size = path.stat().st_size
        for _ in range(chance.randrange(1, 12)):
            length = chance.choice([1, 1, 20, 500, 5000])
            with path.open("r+b") as stream:
                stream.seek(chance.randrange(size))
                stream.write(chance.randbytes(length))
        if chance.random() < 0.2:
            os.truncate(path, chance.randrange(size))
    found = recover_within(USUAL, archive)
    assert found.files.items() <= archive.expected.items()
    assert found.code == (0 if found.files == archive.expected else 3)


def test_flipped_bytes_in_all_of_two_volumes(archive: Archive) -> None:
    for number, path in enumerate(archive.shards("cold-2", "cold-5", "hot-a")):
        content = bytearray(path.read_bytes())
        for place in range(11 * number, len(content), 997):
            content[place] ^= 1 << number % 8
        path.write_bytes(content)
    found = recover_within(USUAL, archive)
    assert (found.code, found.files) == (0, archive.expected)


def test_unreadable_sectors_cost_their_cells_only(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {str(path): 4096 * number for number, path in enumerate(archive.shards())}
    readable = USUAL.ShardFile._read

    def read(self: Any, offset: int, length: int) -> bytes | None:
        start = bad[self.path]
        return None if offset < start + 512 and start < offset + length else readable(self, offset, length)

    monkeypatch.setattr(USUAL.ShardFile, "_read", read)
    found = recover_within(USUAL, archive)
    assert (found.code, found.files) == (0, archive.expected)


def test_a_file_system_without_links(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    taken = archive.root / "out" / STUDY / f"{SOP(2)}.dcm"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody else's")
    archive.expected[f"{STUDY}/{SOP(2)}.2.dcm"] = archive.expected[f"{STUDY}/{SOP(2)}.dcm"]
    archive.expected[f"{STUDY}/{SOP(2)}.dcm"] = b"somebody else's"
    for _ in range(2):
        found = recover_within(USUAL, archive)
        assert (found.code, found.files) == (0, archive.expected)


def test_a_full_disk_leaves_nothing_half_written(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        recover_within(USUAL, archive)
    assert archive.files() == {}


def test_two_files_of_one_name_in_one_go(archive: Archive) -> None:
    """A first instance whose name is taken by another content, waiting or written, gets the next."""
    twice = [Item(b"one" * 99, sop=SOP(30)), Item(b"two" * 99, sop=SOP(30)), Item(b"one" * 99, sop=SOP(30))]
    archive.add("twice", twice)
    found = recover_within(USUAL, archive)
    assert found.code == 0
    assert found.files[f"{STUDY}/{SOP(30)}.dcm"] == b"one" * 99
    assert found.files[f"{STUDY}/{SOP(30)}.2.dcm"] == b"two" * 99
    assert f"{STUDY}/{SOP(30)}.3.dcm" not in found.files


def test_memory_does_not_grow_with_an_instance(archive: Archive) -> None:
    before = peak_bytes(archive)
    archive.add("large", [Item(noise(1, 48 << 20), sop=SOP(40))], cell_bytes=65536)
    assert peak_bytes(archive) - before < 24 << 20


def peak_bytes(archive: Archive) -> int:
    """Return the high-water mark of a run that has to decode."""
    program = """if True:
        import re, runpy, sys
        sys.argv = sys.argv[1:]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            assert not end.code
        print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])"""
    arguments = [str(RECOVER), "--key", str(archive.key_file), "--out", str(archive.root / "out")]
    arguments += map(str, archive.volumes("cold-1", "cold-4", "cold-5", "cold-6", "hot-a"))
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return int(run.stdout.split()[-1]) * 1024


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()
