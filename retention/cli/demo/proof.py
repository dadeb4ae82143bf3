"""The proof: SHA-256 of the source files, and of what came back. It trusts nothing that the archive says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retention.services.ingest.scan import ScannedFile, Scanner

PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, the digest of all its bytes, and that of its data set alone (without what a transfer may rewrite)."""

    path: Path
    sha256: str
    dataset_sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path, dataset_offset: int) -> SourceFile:
        return cls(path, sha256_of(path), sha256_of(path, dataset_offset), path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is put in and has to come back: every file that is a DICOM instance, or claims to be."""

    files: tuple[SourceFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @classmethod
    def below(cls, folder: Path) -> Sources:
        """Digest every file below the folder. Raises NotFoundError for one that is not there."""
        scanned = (file for file in Scanner().scan([folder]) if isinstance(file, ScannedFile))
        return cls(
            tuple(
                SourceFile.of(Path(file.path), 0 if file.head is None else file.head.dataset_offset)
                for file in scanned
            )
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many source files came back `equal`; which were `reencoded`, the data set of another one that did; which are
    `absent`; and `strange` files that came back and are equal to no source."""

    equal: int
    reencoded: tuple[Path, ...] = ()
    absent: tuple[Path, ...] = ()
    strange: tuple[Path, ...] = ()

    @property
    def is_proof(self) -> bool:
        """Whether everything came back; what is held already in another encoding comes back as first received."""
        return self.equal > 0 and not self.absent and not self.strange


def compare(sources: Sequence[SourceFile], returned: Path, notes: str | None = None) -> Comparison:
    """Compare source files with everything below a folder, by SHA-256 alone; files named like `notes` do not count."""
    files = (path for path in sorted(returned.rglob("*")) if path.is_file())
    back = {path: sha256_of(path) for path in files if notes is None or not path.name.endswith(notes)}
    there = set(back.values())
    equal = [source for source in sources if source.sha256 in there]
    data_sets = {source.dataset_sha256 for source in equal}
    missing = [source for source in sources if source.sha256 not in there]
    given = {source.sha256 for source in sources}
    return Comparison(
        equal=len(equal),
        reencoded=tuple(source.path for source in missing if source.dataset_sha256 in data_sets),
        absent=tuple(source.path for source in missing if source.dataset_sha256 not in data_sets),
        strange=tuple(path for path, digest in back.items() if digest not in given),
    )


def sha256_of(path: Path, offset: int = 0) -> str:
    """Digest a file from `offset` on, a piece at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
