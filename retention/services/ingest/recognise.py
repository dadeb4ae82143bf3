"""Is an instance new? Same bytes, a duplicate; same data set under another file meta, a re-encoding; other content, a
conflict, kept beside the first (design §5).

The catalog knows an instance only by a keyed digest of its identity; whether the content is the same, the manifest of
the package that holds it says. What was proven lost is as good as not held: its originals are welcome again. What
cannot be compared now is refused, never taken for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

from retention.catalog.records import InstanceLocation
from retention.model.errors import InputChangedError, PackageLostError
from retention.model.identifiers import InstitutionId, PackageId
from retention.package.manifest import ROLE_CONFLICT, ROLE_FIRST, InstanceRow
from retention.services.access import MANIFEST_CACHE, PackageAccess
from retention.services.events import Names
from retention.services.ingest.build import FileToKeep
from retention.services.ingest.pack import FileDigests, digest_file, why_refused
from retention.services.ingest.scan import ScannedFile, UnreadableFile
from retention.services.stores import Stores

Held = Mapping[bytes, Sequence[InstanceLocation]]
"""Where instances lie already, by the digest the catalog knows them by."""


class _Verdict(Enum):
    NEW = auto()
    DUPLICATE = auto()
    REENCODED = auto()
    CONFLICT = auto()


@dataclass(slots=True)
class Recognised:
    """What to do with the files of one study. `known` says how often instances, by digest, were held already,
    `replaces` which lost packages had some of what is kept."""

    keep: list[FileToKeep] = field(default_factory=list)
    duplicates: list[ScannedFile] = field(default_factory=list)
    reencoded: list[ScannedFile] = field(default_factory=list)
    unreadable: list[UnreadableFile] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    replaces: set[PackageId] = field(default_factory=set)


class Recogniser:
    """Compares files with what an institution already holds, and with each other."""

    def __init__(self, stores: Stores, institution: InstitutionId, names: Names) -> None:
        self._stores = stores
        self._institution = institution
        self._names = names
        self._access = PackageAccess(stores)
        self._rows = lru_cache(maxsize=MANIFEST_CACHE)(self._rows_of)

    def look_up(self, files: Iterable[ScannedFile]) -> Held:
        """Return what is held of these files' instances. Asked for many studies at once, it costs a study little."""
        uids = {file.head.identity.sop_instance_uid for file in files if file.head is not None}
        digests = [self._names.instance(self._institution, uid) for uid in uids]
        return self._stores.catalog.find_instances(self._institution, digests)

    def recognise(self, files: Sequence[ScannedFile], looked_up: Held | None = None) -> Recognised:
        """Sort the files of one study. Those met for the first time are not read here at all.

        What came in since `looked_up` was looked up is noticed at the commit.
        """
        by_uid: dict[str, list[ScannedFile]] = {}
        for file in files:
            if file.head is not None:
                by_uid.setdefault(file.head.identity.sop_instance_uid, []).append(file)
        digests = {self._names.instance(self._institution, uid): uid for uid in by_uid}
        held = self.look_up(files) if looked_up is None else looked_up
        found = Recognised(known={digest: len(held[digest]) for digest in digests if digest in held})
        for digest, uid in digests.items():
            self._recognise_one(by_uid[uid], held.get(digest, []), found)
        return found

    def recognise_unidentified(self, files: Sequence[ScannedFile]) -> Recognised:
        """Sort files for quarantine, which are known by their content alone."""
        found = Recognised()
        by_content: dict[bytes, ScannedFile] = {}
        for file in files:
            digests = _digests(file, found)
            if digests is None:
                continue
            content = self._names.content(self._institution, digests.blake3)
            if by_content.setdefault(content, file) is not file:
                found.duplicates.append(file)
        held = self._stores.catalog.find_instances(self._institution, list(by_content))
        found.known = {digest: len(locations) for digest, locations in held.items()}
        for content, file in by_content.items():
            if any(not self._is_lost(location.package_id) for location in held.get(content, ())):
                found.duplicates.append(file)
            else:
                found.keep.append(FileToKeep(file))
                found.replaces |= {location.package_id for location in held.get(content, ())}
        return found

    def _recognise_one(
        self, files: Sequence[ScannedFile], held: Sequence[InstanceLocation], found: Recognised
    ) -> None:
        if len(files) == 1 and not held:
            found.keep.append(FileToKeep(files[0]))
            return
        try:
            known = [
                self._digests_of(location) for location in held if not self._is_lost(location.package_id)
            ]
        except PackageLostError as error:
            why = f"the one held cannot be compared now: {error.message}"
            found.unreadable += [UnreadableFile(file.path, why) for file in files]
            return
        for file in files:
            digests = _digests(file, found)
            if digests is None:
                continue
            match _compare(digests, known):
                case _Verdict.DUPLICATE:
                    found.duplicates.append(file)
                case _Verdict.REENCODED:
                    found.reencoded.append(file)
                case verdict:
                    lost = [place.package_id for place in held if self._is_lost(place.package_id)]
                    role = ROLE_FIRST if verdict is _Verdict.NEW else ROLE_CONFLICT
                    found.keep.append(FileToKeep(file, role))
                    found.replaces.update(lost)
                    known.append(digests)

    def _digests_of(self, location: InstanceLocation) -> FileDigests:
        row = self._rows(location.package_id)[location.ordinal]
        return FileDigests(
            row.size_bytes,
            row.blake3,
            row.sha256,
            row.dataset_offset,
            row.dataset_blake3,
            row.transfer_syntax_uid,
        )

    def _rows_of(self, package_id: PackageId) -> Mapping[int, InstanceRow]:
        return {row.ordinal: row for row in self._access.contents(package_id).instances}

    def _is_lost(self, package_id: PackageId) -> bool:
        return self._access.package(package_id).lost


def _digests(file: ScannedFile, found: Recognised) -> FileDigests | None:
    """Return a file's digests; None, and a note in `found`, if it cannot be read as it was scanned."""
    try:
        return digest_file(file)
    except (OSError, InputChangedError) as error:
        found.unreadable.append(UnreadableFile(file.path, why_refused(error)))
        return None


def _compare(file: FileDigests, known: Sequence[FileDigests]) -> _Verdict:
    if any(file.blake3 == other.blake3 and file.sha256 == other.sha256 for other in known):
        return _Verdict.DUPLICATE
    if any(_is_reencoded(file, other) for other in known):
        return _Verdict.REENCODED
    return _Verdict.CONFLICT if known else _Verdict.NEW


def _is_reencoded(file: FileDigests, other: FileDigests) -> bool:
    """Whether two files have one data set: the same bytes, which mean the same only in the same encoding.

    One that names no transfer syntax says nothing against the other.
    """
    named = {file.transfer_syntax_uid, other.transfer_syntax_uid} - {None}
    return file.dataset_blake3 == other.dataset_blake3 and len(named) < 2
