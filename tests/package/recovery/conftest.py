"""An archive on disk as a stranger finds it: volumes with shards and keyrings, a key, and recover.py to run on them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from retention.model.digests import ReceivedDigests
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId, new_id
from retention.model.layout import Protection
from retention.package import packing
from retention.package.manifest import BlockRow, Contents, InstanceRow, SeriesEntry, StudyEntry
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer, block_number
from retention.package.writer import PackageWriter
from tests.package.recovery.keyring_files import KeyringFiles

RECOVER = Path(__file__).parents[3] / "retention" / "package" / "recovery" / "recover.py"
COLD = tuple(f"cold-{number}" for number in range(1, 7))
HOT = ("hot-a", "hot-b")
FOUR_PLUS_TWO, TWO_COPIES = Protection(4, 2), Protection.copies(2)
CELL_BYTES = 4096
ALL, FAILED, USAGE, SOME_MISSING = 0, 1, 2, 3

STUDY, OTHER_STUDY = "1.2.840.99.7", "1.2.840.99.8"
SOP = "1.2.840.99.7.1.{}".format


@dataclass
class Item:
    """An instance to be packaged: its bytes, where 16-bit samples lie in them, what the manifest says of it."""

    content: bytes
    samples_start: int | None = None
    sop: str | None = None
    role: str = "first"
    reason: str | None = None
    sha256: bytes | None = None  # what the manifest says instead of the right one


def ct_image(seed: int) -> Item:
    """Return what a CT slice looks like to packing: a head that repeats in its series, then smooth 16-bit samples."""
    head = b"\0" * 128 + b"DICM" + b"(0008,0060) CT " * 60 + seed.to_bytes(4, "little")
    rows = np.add.outer(np.arange(96) * seed, np.arange(96) * 3) + np.random.default_rng(seed).integers(
        0, 9, (96, 96)
    )
    return Item(head + rows.astype("<u2").tobytes() + b"\0after", len(head), SOP(seed))


def noise(seed: int, size_bytes: int) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


@dataclass
class Found:
    """What a run left behind."""

    code: int
    said: str
    problems: str
    files: dict[str, bytes]


@dataclass
class Archive:
    """Volumes below one folder, and what recover.py is to bring back from them."""

    root: Path
    keyring: KeyringFiles
    expected: dict[str, bytes] = field(default_factory=dict)
    packages: dict[str, tuple[PackageId, KeyId]] = field(default_factory=dict)

    def volumes(self, *names: str) -> list[Path]:
        return [self.root / name for name in names or COLD + HOT]

    def shards(self, *names: str) -> list[Path]:
        return sorted(path for volume in self.volumes(*names) for path in volume.glob("packages/*/*.shard"))

    def of(self, package: str) -> list[Path]:
        """Return the shards of one package, by number."""
        paths = self.root.glob(f"*/packages/*/{self.packages[package][0]}.*")
        return sorted(paths, key=lambda path: path.name)

    @property
    def key_file(self) -> Path:
        return self.root / "root.key"

    def write_keyring(self) -> None:
        for volume in self.volumes("cold-1", "cold-2", "cold-3", "hot-a"):
            self.keyring.write(volume)

    def recover(
        self,
        volumes: Iterable[Path] | None = None,
        *,
        without: str = "",
        out: str = "out",
        key: Sequence[str] = (),
        typed: str = "",
    ) -> Found:
        """Run recover.py as a stranger would: by itself, from elsewhere."""
        arguments = [*(key or ("--key", str(self.key_file))), "--out", str(self.root / out)]
        arguments += [str(volume) for volume in (self.volumes() if volumes is None else volumes)]
        env = {"PATH": os.environ["PATH"], "RECOVER_WITHOUT": without}
        run = subprocess.run(
            [sys.executable, "-I", str(RECOVER), *arguments],
            cwd=self.root,
            env=env,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in run.stderr, run.stderr
        return Found(run.returncode, run.stdout, run.stderr, self.files(out))

    def files(self, out: str = "out") -> dict[str, bytes]:
        folder = self.root / out
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def add(
        self,
        name: str,
        items: Sequence[Item],
        protection: Protection = FOUR_PLUS_TWO,
        *,
        kind: str = "study",
        study: str = STUDY,
        supersedes: tuple[str, ...] = (),
        cell_bytes: int = CELL_BYTES,
    ) -> None:
        """Write a package to the volumes of its protection, as an ingest does."""
        package, (key_id, key) = PackageId(new_id()), self.keyring.new_package_key()
        self.packages[name] = package, key_id
        header = ShardHeader(
            self.keyring.archive, self.keyring.institution, package, protection, cell_bytes, 0, 0
        )
        volumes = self.volumes(*(HOT if protection.is_copies else COLD))
        paths = [
            volume / f"packages/{package[:2]}/{package}.{n:02}.g0.shard" for n, volume in enumerate(volumes)
        ]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        sinks = {number: _ShardFile(path) for number, path in enumerate(paths)}
        sealer = Sealer.of(key, package, self.keyring.institution)
        writer = PackageWriter(header, key_id, sealer, sinks)
        packer = _Packer(writer, sealer)
        rows = [packer.write(ordinal, item) for ordinal, item in enumerate(items)]
        entry = StudyEntry(study, PatientFacts("4711"), StudyFacts("20240131"))
        contents = Contents(entry, [SeriesEntry(study + ".1", SeriesFacts("CT"))], rows)
        if kind == "quarantine":
            contents = replace(contents, study=None, series=[])
        made_at = f"2026-11-24T05:{len(self.packages):02}:00.000000Z"
        older = tuple(self.packages[name][0] for name in supersedes)
        writer.finish(kind, made_at, contents, older)
        for sink in sinks.values():
            sink.close()
        self.write_keyring()


class _ShardFile:
    def __init__(self, path: Path) -> None:
        self._stream = path.open("xb")

    def write(self, data: bytes | memoryview) -> None:
        self._stream.write(data)

    def close(self) -> None:
        self._stream.close()


class _Packer:
    """Blocks of one package; the first head is the dictionary of the others."""

    def __init__(self, writer: PackageWriter, sealer: Sealer) -> None:
        self._writer, self._sealer = writer, sealer
        self._dictionary: packing.Dictionary | None = None

    def write(self, ordinal: int, item: Item) -> InstanceRow:
        digests, blocks, view = ReceivedDigests(), [], memoryview(item.content)
        digests.update(item.content)
        samples_bytes = 0 if item.samples_start is None else len(item.content) - item.samples_start - 6
        for part, plan in enumerate(
            packing.plan_blocks(len(item.content), item.samples_start, samples_bytes)
        ):
            plain = view[plan.start : plan.start + plan.length]
            number = block_number(ordinal, part)
            packed = packing.pack(plain, plan.content, self._dictionary)
            if plan.content is packing.Content.HEAD and self._dictionary is None:
                self._dictionary = packing.Dictionary(number, bytes(plain))
            sealed = self._sealer.seal_block(number, packed.packing, packed.data)
            start = self._writer.append(sealed)
            blocks.append(BlockRow(start, len(sealed), len(plain), packed.packing, packed.dictionary))
        blake3, sha256 = digests.blake3(), item.sha256 or digests.sha256()
        row = InstanceRow(
            ordinal,
            len(item.content),
            blake3,
            sha256,
            0,
            blake3,
            tuple(blocks),
            item.role,
            sop_instance_uid=item.sop,
        )
        if item.reason is not None:
            return replace(row, name="IM\udce9.dcm", reason=item.reason, detail="-")
        return replace(row, series=0)


def build(root: Path, keyring: KeyringFiles | None = None) -> Archive:
    """Build one study with a conflict, another one in copies, and a quarantined file."""
    archive = Archive(root, keyring or KeyringFiles(ArchiveId(new_id()), InstitutionId(new_id())))
    for volume in archive.volumes():
        volume.mkdir(parents=True)
    archive.key_file.write_text(f"RETENTION-ROOT-KEY-1 {archive.keyring.root_key.hex()}\n")
    study = [
        *(ct_image(seed) for seed in range(1, 5)),
        Item(noise(5, 70_000), sop=SOP(5)),
        Item(b"", sop=SOP(6)),
    ]
    conflict = Item(b"other content, same UID" * 30, sop=SOP(1), role="conflict")
    copies = [Item(noise(6, 30_000) + b"text " * 4000, sop="1.2.840.99.8.1.1")]
    unknown = Item(b"DICM without identity" * 20, reason="no-identity")
    archive.add("study", study)
    archive.add("conflict", [conflict])
    archive.add("copies", copies, TWO_COPIES, study=OTHER_STUDY, cell_bytes=16384)
    archive.add("quarantine", [unknown], kind="quarantine")
    archive.expected = {f"{STUDY}/{item.sop}.dcm": item.content for item in study}
    archive.expected[f"{STUDY}/{SOP(1)}.2.dcm"] = conflict.content
    archive.expected[f"{OTHER_STUDY}/1.2.840.99.8.1.1.dcm"] = copies[0].content
    item = f"quarantine/{archive.packages['quarantine'][0]}/0"
    archive.expected[item + ".bin"] = unknown.content
    archive.expected[item + ".reason.txt"] = b'name: "IM\\udce9.dcm"\nreason: no-identity\ndetail: -\n'
    return archive


def damage(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        if start < 0:
            stream.seek(start, os.SEEK_END)
        else:
            stream.seek(start)
        stream.write(data)


def assert_all_back(found: Found, archive: Archive) -> None:
    assert found.code == ALL, found.problems
    assert found.files == archive.expected


def assert_none_wrong(found: Found, archive: Archive) -> None:
    assert found.files.items() <= archive.expected.items()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return build(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def archive(pristine: Archive, tmp_path: Path) -> Archive:
    """A copy of the archive, to be damaged."""
    root = tmp_path / "archive"
    shutil.copytree(pristine.root, root)
    return replace(deepcopy(pristine), root=root)
