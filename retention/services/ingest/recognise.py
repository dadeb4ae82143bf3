"""Is an instance new? Same bytes, a duplicate; same data set under another file meta, a re-encoding; other content, a
conflict, kept beside the first (design §5).

The catalog knows an instance only by a keyed digest of its identity; whether the content is the same, the manifest of
the package that holds it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from retention.catalog.records import InstanceLocation
from retention.model.errors import InputChangedError
from retention.model.identifiers import InstitutionId
from retention.package.manifest import ROLE_CONFLICT, ROLE_FIRST
from retention.services.access import PackageAccess
from retention.services.events import Names
from retention.services.ingest.build import FileToKeep
from retention.services.ingest.pack import FileDigests, digest_file
from retention.services.ingest.scan import ScannedFile, UnreadableFile
from retention.services.stores import Stores


class _Verdict(Enum):
    DUPLICATE = auto()
    REENCODED = auto()
    CONFLICT = auto()


@dataclass(slots=True)
class Recognised:
    """What to do with the files of one study."""

    keep: list[FileToKeep] = field(default_factory=list)
    duplicates: list[ScannedFile] = field(default_factory=list)
    reencoded: list[ScannedFile] = field(default_factory=list)
    conflicts: list[ScannedFile] = field(default_factory=list)
    unreadable: list[UnreadableFile] = field(default_factory=list)


class Recogniser:
    """Compares files with what an institution already holds, and with each other."""

    def __init__(self, stores: Stores, institution: InstitutionId, names: Names) -> None:
        self._stores = stores
        self._institution = institution
        self._names = names
        self._access = PackageAccess(stores)

    def recognise(self, files: Sequence[ScannedFile]) -> Recognised:
        """Sort the files of one study. Those met for the first time are not read here at all."""
        by_uid: dict[str, list[ScannedFile]] = {}
        for file in files:
            if file.head is not None:
                by_uid.setdefault(file.head.identity.sop_instance_uid, []).append(file)
        digests = {self._names.instance(self._institution, uid): uid for uid in by_uid}
        held = self._stores.catalog.find_instances(self._institution, list(digests))
        found = Recognised()
        for digest, uid in digests.items():
            self._recognise_one(by_uid[uid], held.get(digest, []), found)
        return found

    def recognise_unidentified(self, files: Sequence[ScannedFile]) -> Recognised:
        """Sort files for quarantine, which are known by their content alone."""
        found = Recognised()
        by_content: dict[bytes, ScannedFile] = {}
        for file in files:
            try:
                digests = digest_file(file)
            except (OSError, InputChangedError) as error:
                found.unreadable.append(UnreadableFile(file.path, str(error)))
                continue
            content = self._names.content(self._institution, digests.blake3)
            if by_content.setdefault(content, file) is not file:
                found.duplicates.append(file)
        held = self._stores.catalog.find_instances(self._institution, list(by_content))
        for content, file in by_content.items():
            if content in held:
                found.duplicates.append(file)
            else:
                found.keep.append(FileToKeep(file))
        return found

    def _recognise_one(
        self, files: Sequence[ScannedFile], held: Sequence[InstanceLocation], found: Recognised
    ) -> None:
        if len(files) == 1 and not held:
            found.keep.append(FileToKeep(files[0]))
            return
        known = [self._digests_of(location) for location in held]
        for file in files:
            try:
                digests = digest_file(file)
            except (OSError, InputChangedError) as error:
                found.unreadable.append(UnreadableFile(file.path, str(error)))
                continue
            if not known:
                found.keep.append(FileToKeep(file, ROLE_FIRST))
                known.append(digests)
                continue
            verdict = _compare(digests, known)
            if verdict is _Verdict.DUPLICATE:
                found.duplicates.append(file)
            elif verdict is _Verdict.REENCODED:
                found.reencoded.append(file)
            else:
                found.conflicts.append(file)
                found.keep.append(FileToKeep(file, ROLE_CONFLICT))
                known.append(digests)

    def _digests_of(self, location: InstanceLocation) -> FileDigests:
        contents = self._access.contents(location.package_id)
        row = next(row for row in contents.instances if row.ordinal == location.ordinal)
        return FileDigests(row.size_bytes, row.blake3, row.sha256, row.dataset_offset, row.dataset_blake3)


def _compare(file: FileDigests, known: Sequence[FileDigests]) -> _Verdict:
    if any(file.blake3 == other.blake3 and file.sha256 == other.sha256 for other in known):
        return _Verdict.DUPLICATE
    if any(file.dataset_blake3 == other.dataset_blake3 for other in known):
        return _Verdict.REENCODED
    return _Verdict.CONFLICT
