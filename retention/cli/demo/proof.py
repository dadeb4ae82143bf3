"""The proof: SHA-256 of the source files, and of what came back. It trusts nothing that the archive says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retention.services.ingest.scan import ScannedFile, Scanner


@dataclass(frozen=True, slots=True)
class SourceFile:
    path: Path
    sha256: str
    size_bytes: int


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
        kept = [Path(file.path) for file in Scanner().scan([folder]) if isinstance(file, ScannedFile)]
        return cls(tuple(SourceFile(path, sha256_of(path), path.stat().st_size) for path in kept))


@dataclass(frozen=True, slots=True)
class Comparison:
    """`equal` source files came back, `absent` ones did not; `strange` files came back and are equal to no source."""

    equal: int
    absent: tuple[Path, ...]
    strange: tuple[Path, ...]

    def is_proof(self, reencoded: int) -> bool:
        """Whether everything came back; a re-encoded file comes back as it was first received, and only such a one."""
        return self.equal > 0 and not self.strange and len(self.absent) == reencoded


def compare(sources: Sequence[SourceFile], returned: Path, notes: str | None = None) -> Comparison:
    """Compare source files with everything below a folder, by SHA-256 alone; files named like `notes` do not count."""
    given = {source.sha256 for source in sources}
    files = (path for path in sorted(returned.rglob("*")) if path.is_file())
    back = {path: sha256_of(path) for path in files if notes is None or not path.name.endswith(notes)}
    there = set(back.values())
    absent = tuple(source.path for source in sources if source.sha256 not in there)
    strange = tuple(path for path, digest in back.items() if digest not in given)
    return Comparison(len(sources) - len(absent), absent, strange)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
