"""The DICOM files of the golden archive, made from nothing, and what must come back of each.

The invariant: the same bytes for ever, on any machine and with any library: everything is written by hand, and what
looks random is SHAKE-256 of a name. `expected.json` is made from this table, and compared with it by the tests, so
that the files themselves need not be kept.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"
CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
LONG_VRS = frozenset({"OB", "OW", "UN"})
UNDEFINED = 0xFFFFFFFF

DataSet = dict[int, tuple[str, bytes]]
"""Tag to VR and value, padded to an even length."""


class Row(TypedDict):
    """One file of the table: what must come back. `study` and `file` are empty for a quarantined one."""

    institution: str
    tier: str
    study: str
    file: str
    size: int
    sha256: str


class Kind(StrEnum):
    """What ingest takes a file for; the names are those of its counts."""

    STORED = "stored"
    CONFLICT = "conflicts"
    REENCODED = "reencoded"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Source:
    """A file to be ingested. It comes back as `name` of `study`, a quarantined one has neither."""

    path: bytes
    content: bytes
    kind: Kind
    study: str = ""
    name: str = ""


@dataclass(frozen=True)
class Batch:
    """What one call of `ingest` is given."""

    institution: str
    tier: str
    files: Sequence[Source]

    def rows(self) -> Iterator[Row]:
        for file in self.files:
            if file.kind is not Kind.REENCODED:  # the first one comes back in its place
                yield Row(
                    institution=self.institution,
                    tier=self.tier,
                    study=file.study,
                    file=file.name,
                    size=len(file.content),
                    sha256=hashlib.sha256(file.content).hexdigest(),
                )


def batches() -> list[Batch]:
    """Return what is ingested, in order: all kinds of files on either tier, then what comes late."""
    necker, cochin = "1.2.840.99.1", "1.2.840.99.2"
    late = [
        stored(b"late.dcm", slice_of(necker, 4)),
        stored(b"late conflict.dcm", slice_of(necker, 1, pixels="other"), kind=Kind.CONFLICT),
    ]
    return [
        Batch("necker", "hot", list(every_kind(necker))),
        Batch("cochin", "cold", [*every_kind(cochin), stored(b"stripes.dcm", noise(cochin))]),
        Batch("necker", "cold", late),
    ]


def every_kind(root: str) -> Iterator[Source]:
    """Yield one file of each kind, of two studies below the UID `root`, in the order in which they are met."""
    for number in (1, 2, 3):
        yield stored(b"ct/%d.dcm" % number, slice_of(root, number))
    yield stored(b"ct/4 conflict.dcm", slice_of(root, 2, pixels="other"), kind=Kind.CONFLICT)
    yield Source(b"ct/5 reencoded.dcm", part10(slice_of(root, 3), EXPLICIT, preamble=b"\1"), Kind.REENCODED)
    yield stored(b"mr/1 frames.dcm", frames(root), IMPLICIT)
    yield stored(b"mr/2 colour.dcm", colour(root))
    yield stored(b"mr/3 encapsulated.dcm", encapsulated(root), RLE)
    yield Source(b"unidentified \xe9.dcm", part10(without_study(root), EXPLICIT), Kind.QUARANTINED)


def stored(path: bytes, data_set: DataSet, syntax: str = EXPLICIT, kind: Kind = Kind.STORED) -> Source:
    """Return a file that comes back under its UID, as the second one if it is a conflict."""
    study, uid = (data_set[tag][1].rstrip(b"\0").decode() for tag in (0x0020000D, 0x00080018))
    name = f"{uid}.2.dcm" if kind is Kind.CONFLICT else f"{uid}.dcm"
    return Source(path, part10(data_set, syntax), kind, study, name)


# data sets


def slice_of(root: str, number: int, pixels: str = "") -> DataSet:
    """A CT slice: signed 16-bit samples, and a head long enough to be its series' dictionary."""
    chance = noise_of(f"ct {root} {number} {pixels}", 48 * 48)
    samples = [
        40 + x // 4 + chance[48 * y + x] % 8 if (x - 24) ** 2 + (y - 24) ** 2 < 400 else -1000
        for y in range(48)
        for x in range(48)
    ]
    return {
        **facts(root, 1, 1, number, CT, "CT"),
        0x00090010: ("LO", text("GOLDEN")),
        0x00091001: ("UN", noise_of(f"protocol {root}", 4096)),
        **image(48, 48, bits=16, is_signed=True),
        0x7FE00010: ("OW", struct.pack(f"<{len(samples)}h", *samples)),
    }


def frames(root: str) -> DataSet:
    """An MR of 640 frames: more 16-bit samples than one block takes, in very few bytes; and something behind them."""
    frame = [[x + y for x in range(32)] for y in range(32)]
    samples = b"".join(
        struct.pack("<32H", *(value + n for value in row)) for n in range(640) for row in frame
    )
    return {
        **facts(root, 2, 1, 1, ENHANCED_MR, "MR"),
        0x00280008: ("IS", text("640")),
        **image(32, 32, bits=16),
        0x7FE00010: ("OW", samples),
        0xFFFCFFFC: ("OB", bytes(64)),
    }


def colour(root: str) -> DataSet:
    """A screen: three samples of 8 bits a pixel."""
    return {
        **facts(root, 2, 2, 2, SECONDARY_CAPTURE, "OT"),
        **image(20, 20, bits=8, samples=3),
        0x7FE00010: ("OB", bytes(16 * (n // 60) % 256 for n in range(1200))),
    }


def encapsulated(root: str) -> DataSet:
    """An ultrasound image, RLE lossless: one fragment of one segment of literal runs."""
    pixels = bytes(n % 251 for n in range(32 * 32))
    runs = b"".join(b"\x7f" + pixels[n : n + 128] for n in range(0, len(pixels), 128))
    return {
        **facts(root, 2, 3, 3, ULTRASOUND, "US"),
        **image(32, 32, bits=8),
        0x7FE00010: ("OB", item(b"") + item(struct.pack("<16I", 1, 64, *[0] * 14) + runs)),
    }


def noise(root: str) -> DataSet:
    """A CT that cannot be packed: its package has more than one stripe."""
    return {
        **facts(root, 3, 1, 1, CT, "CT"),
        **image(363, 363, bits=16),
        0x7FE00010: ("OW", noise_of(f"noise {root}", 2 * 363 * 363)),
    }


def without_study(root: str) -> DataSet:
    """What has no identity: it goes to quarantine."""
    data_set = facts(root, 4, 1, 1, CT, "CT")
    del data_set[0x0020000D]
    return data_set


def facts(root: str, study: int, series: int, number: int, sop_class: str, modality: str) -> DataSet:
    """Identity, and everything that is read from a head."""
    uid = f"{root}.{study}.{series}"
    return {
        0x00080005: ("CS", text("ISO_IR 100")),
        0x00080016: ("UI", text(sop_class, "\0")),
        0x00080018: ("UI", text(f"{uid}.{number}", "\0")),
        0x00080020: ("DA", text(f"2006031{study}")),
        0x00080030: ("TM", text("101500")),
        0x00080050: ("SH", text(f"A{study}")),
        0x00080060: ("CS", text(modality)),
        0x00080070: ("LO", text("ACME")),
        0x00080080: ("LO", text("Hôpital d'essai")),
        0x00081030: ("LO", text("Thorax")),
        0x0008103E: ("LO", text(f"série {series}")),
        0x00081040: ("LO", text("Radiologie")),
        0x00100010: ("PN", text("Lefèvre^Hélène")),
        0x00100020: ("LO", text("IPP-1")),
        0x00100021: ("LO", text("essai")),
        0x00100030: ("DA", text("19610229")),
        0x00100040: ("CS", text("F")),
        0x00180015: ("CS", text("CHEST")),
        0x0020000D: ("UI", text(f"{root}.{study}", "\0")),
        0x0020000E: ("UI", text(uid, "\0")),
        0x00200013: ("IS", text(str(number))),
    }


def image(rows: int, columns: int, *, bits: int, samples: int = 1, is_signed: bool = False) -> DataSet:
    """How the pixel data are to be read."""
    values = {
        0x00280002: samples,
        0x00280010: rows,
        0x00280011: columns,
        0x00280100: bits,
        0x00280101: bits,
        0x00280102: bits - 1,
        0x00280103: int(is_signed),
        **({0x00280006: 0} if samples > 1 else {}),
    }
    return {
        0x00280004: ("CS", text("RGB" if samples > 1 else "MONOCHROME2")),
        **{tag: ("US", struct.pack("<H", value)) for tag, value in values.items()},
    }


# bytes


def part10(data_set: DataSet, syntax: str, preamble: bytes = b"\0") -> bytes:
    """Return the file of a data set."""
    meta: DataSet = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: data_set[0x00080016],
        0x00020003: data_set[0x00080018],
        0x00020010: ("UI", text(syntax, "\0")),
        0x00020012: ("UI", text("1.2.840.99.0", "\0")),
    }
    group = encoded(meta, EXPLICIT)
    length = encoded({0x00020000: ("UL", struct.pack("<I", len(group)))}, EXPLICIT)
    return preamble * 128 + b"DICM" + length + group + encoded(data_set, syntax)


def encoded(data_set: DataSet, syntax: str) -> bytes:
    """Return a data set's bytes in one of the three transfer syntaxes above, all of them little endian."""
    return b"".join(element(tag, *data_set[tag], syntax) for tag in sorted(data_set))


def element(tag: int, vr: str, value: bytes, syntax: str) -> bytes:
    length, end = len(value), b""
    if tag == 0x7FE00010 and syntax == RLE:
        length, end = UNDEFINED, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    group = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return group + struct.pack("<I", length) + value + end
    layout = "<2s2xI" if vr in LONG_VRS else "<2sH"
    return group + struct.pack(layout, vr.encode(), length) + value + end


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def text(value: str, padding: str = " ") -> bytes:
    data = value.encode("latin-1")
    return data + padding.encode() * (len(data) % 2)


def noise_of(name: str, length: int) -> bytes:
    return hashlib.shake_256(name.encode()).digest(length)


def table(of: Iterable[Batch]) -> list[Row]:
    """Return what must come back, a row a file."""
    return [row for batch in of for row in batch.rows()]
