"""A journal of many entries, written directly: ten million through `append` would take the time of a benchmark.

What lies there is what `append` writes (a check reads some of it back), on two replicas whose files are the same ones.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from retention.journal.envelope import FIRST_LINK, FRAME_HEAD, LINK_BYTES, SALT_BYTES
from retention.journal.journal import SEGMENT_ENVELOPES_BYTES, SEGMENT_PAYLOADS_BYTES, Journal
from retention.journal.position import Position
from retention.journal.segment import envelopes_key, payloads_key
from retention.model.errors import ObjectNotFoundError, StorageError

PAYLOAD_BYTES = 160
_LINE = (
    b'{"action":"package.ingest","actor":"retention","at":"2026-11-24T05:32:03.000000Z",'
    b'"data":{"bytes_received":526336,"instances":1,"kind":"study","tier":"hot"},'
    b'"institution":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","objects":{"package":"%032x","study":"%064x"},'
    b'"payload":{"bytes":%d,"digest":"%s","key":"cccccccccccccccccccccccccccccccc"},'
    b'"prev":"%s","seq":%d,"v":1}'
)


@dataclass(frozen=True, slots=True)
class FolderReplica:
    """A folder as the journal sees a volume; what is added is synced."""

    name: str
    root: Path

    def append(self, key: str, data: bytes, expected_size: int) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if (self.size(key) or 0) != expected_size:
            raise StorageError(f"{key} has another size")
        with open(path, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, key: str, data: bytes) -> None:
        (self.root / key).write_bytes(data)

    def truncate(self, key: str, size_bytes: int) -> None:
        os.truncate(self.root / key, size_bytes)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        try:
            with open(self.root / key, "rb", buffering=0) as file:
                file.seek(offset)
                return file.read() if length is None else file.read(length)
        except FileNotFoundError:
            raise ObjectNotFoundError(f"no {key}") from None

    def size(self, key: str) -> int | None:
        try:
            return (self.root / key).stat().st_size
        except FileNotFoundError:
            return None

    def version(self, key: str) -> str | None:
        try:
            found = (self.root / key).stat()
        except FileNotFoundError:
            return None
        return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"

    def list(self, prefix: str) -> list[str]:
        return sorted(
            key
            for path in self.root.rglob("*")
            if path.is_file() and (key := path.relative_to(self.root).as_posix()).startswith(prefix)
        )

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)


def replicas_in(folder: Path) -> list[FolderReplica]:
    return [FolderReplica(name, folder / name) for name in ("a", "b")]


def open_journal(folder: Path, hint: Position | None = None) -> Journal:
    return Journal.open(replicas_in(folder), hint=hint)


def write_long_journal(folder: Path, entries: int) -> None:
    """Write that many entries in segments as `append` makes them."""
    (folder / "a" / "journal").mkdir(parents=True)
    (folder / "b" / "journal").mkdir(parents=True)
    seq, link = 0, FIRST_LINK
    while seq < entries:
        lines, frames, first = bytearray(), bytearray(), seq
        while seq < entries and len(frames) < SEGMENT_PAYLOADS_BYTES and len(lines) < SEGMENT_ENVELOPES_BYTES:
            salted = seq.to_bytes(SALT_BYTES, "big") + b"\xa5" * PAYLOAD_BYTES
            digest = blake3(salted).hexdigest().encode()
            line = _LINE % (seq, seq * seq, PAYLOAD_BYTES, digest, link.hex().encode(), seq)
            link = hashlib.sha256(b"\x00" + line).digest()[:LINK_BYTES]
            lines += line + b"\n"
            frames += FRAME_HEAD.pack(seq, PAYLOAD_BYTES) + salted + link
            seq += 1
        for key, content in ((envelopes_key(first), lines), (payloads_key(first), frames)):
            (folder / "a" / key).write_bytes(content)
            os.link(folder / "a" / key, folder / "b" / key)
