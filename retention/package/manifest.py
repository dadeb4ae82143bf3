"""The manifest: what a package says of itself, in public and under its key (format §8).

The public part holds no personal data and no digest of an original, so that after crypto-shredding nothing
identifying is left.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import zstandard

from retention.model.errors import ShardDamagedError, UnsupportedFormatError
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId
from retention.package.erasure import protection_of, scheme_of
from retention.package.frames import require_size
from retention.package.geometry import Geometry
from retention.package.records import FORMAT_VERSION
from retention.package.sealing import Sealer

KIND_STUDY = "study"
KIND_QUARANTINE = "quarantine"
ROLE_FIRST = "first"
ROLE_CONFLICT = "conflict"

MAX_MANIFEST_BYTES = 1 << 30
_LENGTH = struct.Struct("<I")
_LEVEL = 3

_Facts = TypeVar("_Facts", PatientFacts, StudyFacts, SeriesFacts)


@dataclass(frozen=True, slots=True)
class PublicPart:
    kind: str
    archive: ArchiveId
    institution: InstitutionId
    package: PackageId
    key: KeyId
    geometry: Geometry
    index_root: bytes
    created_at: str
    supersedes: tuple[PackageId, ...] = ()

    def encode(self) -> bytes:
        protection = self.geometry.protection
        return _canonical(
            {
                "format": FORMAT_VERSION,
                "kind": self.kind,
                "archive": self.archive,
                "institution": self.institution,
                "package": self.package,
                "key": self.key,
                "scheme": scheme_of(protection),
                "data": protection.data,
                "parity": protection.parity,
                "cell_size": self.geometry.cell_bytes,
                "stripes": self.geometry.stripes,
                "stream_length": self.geometry.stream_bytes,
                "index_root": self.index_root.hex(),
                "created_at": self.created_at,
                "supersedes": list(self.supersedes),
            }
        )

    @classmethod
    def decode(cls, text: bytes) -> PublicPart:
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT_VERSION:
                raise UnsupportedFormatError(
                    f"manifest format {raw['format']} is unknown",
                    hint="upgrade retention to read this package",
                )
            protection = protection_of(raw["scheme"], raw["data"], raw["parity"])
            return cls(
                raw["kind"],
                ArchiveId(raw["archive"]),
                InstitutionId(raw["institution"]),
                PackageId(raw["package"]),
                KeyId(raw["key"]),
                Geometry(protection, raw["cell_size"], raw["stream_length"]),
                bytes.fromhex(raw["index_root"]),
                raw["created_at"],
                tuple(PackageId(text) for text in raw["supersedes"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ShardDamagedError(f"the public part of a manifest cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Where one block lies: start and stored bytes in the stream, its size unpacked, its packing and dictionary."""

    start: int
    stored_bytes: int
    plain_bytes: int
    packing: int
    dictionary: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance of the package; in quarantine only name, reason and detail stand for its identity."""

    ordinal: int
    size_bytes: int
    blake3: bytes
    sha256: bytes
    dataset_offset: int
    dataset_blake3: bytes
    blocks: tuple[BlockRow, ...]
    role: str = ROLE_FIRST
    series: int | None = None
    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    transfer_syntax_uid: str | None = None
    instance_number: str | None = None
    name: str | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    series_uid: str
    facts: SeriesFacts


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """`other_patients` are (id, issuer) that instances of this study name beside `patient`: a conflict to be seen."""

    study_uid: str
    patient: PatientFacts
    facts: StudyFacts
    other_patients: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """The sealed part. `study` is None and `series` empty in quarantine."""

    study: StudyEntry | None
    series: Sequence[SeriesEntry]
    instances: Sequence[InstanceRow]
    tools: Mapping[str, str] = field(default_factory=dict)
    policy: str | None = None

    def encode(self) -> bytes:
        study: dict[str, Any] | None = None
        if self.study is not None:
            study = {
                "study_uid": self.study.study_uid,
                **_present(self.study.patient),
                **_present(self.study.facts),
            }
            if self.study.other_patients:
                study["other_patients"] = [list(other) for other in self.study.other_patients]
        return _canonical(
            {
                "study": study,
                "series": [
                    {"series_uid": entry.series_uid, **_present(entry.facts)} for entry in self.series
                ],
                "instances": [_instance_json(row) for row in self.instances],
                "tools": dict(self.tools),
                "policy": self.policy,
            }
        )

    @classmethod
    def decode(cls, text: bytes) -> Contents:
        try:
            raw = json.loads(text)
            study = None
            if raw["study"] is not None:
                patient, facts = _facts_of(PatientFacts, raw["study"]), _facts_of(StudyFacts, raw["study"])
                others = tuple((name, issuer) for name, issuer in raw["study"].get("other_patients", ()))
                study = StudyEntry(raw["study"]["study_uid"], patient, facts, others)
            series = [
                SeriesEntry(entry["series_uid"], _facts_of(SeriesFacts, entry)) for entry in raw["series"]
            ]
            instances = [_instance_of(row) for row in raw["instances"]]
            return cls(study, series, instances, raw["tools"], raw["policy"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ShardDamagedError(f"the sealed part of a manifest cannot be read: {error}") from error


def build(public: PublicPart, contents: Contents, sealer: Sealer) -> bytes:
    """Return the manifest's bytes."""
    head = public.encode()
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(contents.encode())
    return _LENGTH.pack(len(head)) + head + sealer.seal_manifest(head, compressed)


def read_public(manifest: bytes) -> PublicPart:
    """Return the public part. Raises ShardDamagedError, UnsupportedFormatError."""
    return PublicPart.decode(_split(manifest)[0])


def read_contents(manifest: bytes, sealer: Sealer) -> Contents:
    """Return the sealed part. Raises KeyUnavailableError with the wrong key, ShardDamagedError."""
    public, sealed = _split(manifest)
    compressed = sealer.open_manifest(public, sealed)
    require_size(compressed, "the sealed part of a manifest", at_most=MAX_MANIFEST_BYTES)
    try:
        plain = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=MAX_MANIFEST_BYTES)
    except zstandard.ZstdError as error:
        raise ShardDamagedError(f"the sealed part of a manifest does not decompress: {error}") from error
    return Contents.decode(plain)


def _split(manifest: bytes) -> tuple[bytes, bytes]:
    if len(manifest) < _LENGTH.size:
        raise ShardDamagedError("a manifest is cut short")
    (length,) = _LENGTH.unpack_from(manifest)
    end = _LENGTH.size + length
    if end > len(manifest):
        raise ShardDamagedError("a manifest is cut short")
    return manifest[_LENGTH.size : end], manifest[end:]


def _canonical(value: object) -> bytes:
    # Escaped to ASCII: a file name that is not UTF-8 has lone surrogates, which nothing else would write down.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _present(facts: PatientFacts | StudyFacts | SeriesFacts) -> dict[str, str]:
    named = ((f.name, getattr(facts, f.name)) for f in fields(facts))
    return {name: value for name, value in named if value is not None}


def _facts_of(kind: type[_Facts], raw: Mapping[str, str]) -> _Facts:
    return kind(**{f.name: raw[f.name] for f in fields(kind) if f.name in raw})


_OPTIONAL = (
    "series",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "name",
    "reason",
    "detail",
)


def _instance_json(row: InstanceRow) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ordinal": row.ordinal,
        "size": row.size_bytes,
        "blake3": row.blake3.hex(),
        "sha256": row.sha256.hex(),
        "dataset_offset": row.dataset_offset,
        "dataset_blake3": row.dataset_blake3.hex(),
        "role": row.role,
        "blocks": [[b.start, b.stored_bytes, b.plain_bytes, b.packing, b.dictionary] for b in row.blocks],
    }
    for name in _OPTIONAL:
        value = getattr(row, name)
        if value is not None:
            document[name] = value
    return document


def _instance_of(raw: Mapping[str, Any]) -> InstanceRow:
    return InstanceRow(
        ordinal=raw["ordinal"],
        size_bytes=raw["size"],
        blake3=bytes.fromhex(raw["blake3"]),
        sha256=bytes.fromhex(raw["sha256"]),
        dataset_offset=raw["dataset_offset"],
        dataset_blake3=bytes.fromhex(raw["dataset_blake3"]),
        role=raw["role"],
        blocks=tuple(BlockRow(*block) for block in raw["blocks"]),
        **{name: raw[name] for name in _OPTIONAL if name in raw},
    )
