"""Seals: signed checkpoints of the journal, each chained to the one before it, and to those of a month and a year ago.

The invariant: a seal says how many entries there were, the root over them, when it was made, and the digests of the
seals it continues. So whoever keeps one seal can tell whether the journal still begins as it did then, and whoever
keeps the last can tell whether a seal in between was exchanged (docs/journal.md §5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from retention.journal.checkpoint import Checkpoint, Note, Signer, VerifierKey, sign
from retention.model.clock import format_instant, parse_instant

PREFIX = "seals/"
SEALED = "sealed"
STAMPED = "timestamp"
AGES: Mapping[str, timedelta] = {
    "previous": timedelta(0),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
"""What a seal is chained to: the newest seal that is at least so old."""

_KEY = re.compile(r"seals/([0-9]{12})\.(seal|tsr)\Z")


def seal_key(size: int) -> str:
    """Return where the seal over `size` entries lies on a volume."""
    return f"{PREFIX}{size:012d}.seal"


def timestamp_key(size: int) -> str:
    """Return where the RFC 3161 answer for that seal lies."""
    return f"{PREFIX}{size:012d}.tsr"


def size_of_key(key: str) -> int | None:
    """Return the size in the name of a seal, None for any other file."""
    found = _KEY.match(key)
    return int(found[1]) if found and found[2] == "seal" else None


@dataclass(frozen=True, slots=True)
class Link:
    """A seal that another continues: its size, and the digest of its text."""

    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal: the note as it stands, and what it says."""

    note: Note
    checkpoint: Checkpoint
    sealed_at: datetime
    links: Mapping[str, Link]
    stamps: Mapping[int, bytes] = field(default_factory=dict)
    """SHA-256 of the timestamps that earlier seals had by then, by size: this one's timestamp is over them too."""

    @property
    def size(self) -> int:
        return self.checkpoint.size

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text: what later seals name, and what nobody's signature changes."""
        return hashlib.sha256(self.note.text.encode()).digest()

    @property
    def stamped(self) -> bytes:
        """What a timestamp is over: the text with the archive's own signature, whatever witnesses added since."""
        own = tuple(one for one in self.note.signatures if one[0] == self.checkpoint.origin)
        return Note(self.note.text, own).encode().encode()

    @classmethod
    def parse(cls, text: str) -> Seal:
        """Read a seal. Raises ValueError unless it is in the form it is written in."""
        note = Note.parse(text)
        checkpoint = Checkpoint.parse(note.text)
        words = [line.split(" ") for line in checkpoint.extensions]
        if not words or len(words[0]) != 2 or words[0][0] != SEALED:
            raise ValueError("not a seal: it does not say when it was made")
        links: dict[str, Link] = {}
        stamps: dict[int, bytes] = {}
        for name, *rest in words[1:]:
            if len(rest) != 2 or not rest[0].isdecimal():
                raise ValueError("not a seal: a line is not known")
            size = int(rest[0])
            if name == STAMPED and size not in stamps:
                stamps[size] = _digest(rest[1])
            elif name in AGES and name not in links and not stamps:
                links[name] = Link(size, _digest(rest[1]))
            else:
                raise ValueError("not a seal: a line is not known, or stands twice")
        return cls(note, checkpoint, parse_instant(words[0][1]), links, stamps)


def make_seal(
    signer: Signer,
    size: int,
    root: bytes,
    at: datetime,
    earlier: Iterable[Seal],
    stamps: Mapping[int, bytes] | None = None,
) -> Seal:
    """Return the signed seal over the first `size` entries, chained to those of `earlier`, and over their `stamps`."""
    lines = [f"{SEALED} {format_instant(at)}"]
    for name, link in links_for(at, earlier).items():
        lines.append(f"{name} {link.size} {base64.b64encode(link.digest).decode()}")
    for stamped, digest in sorted((stamps or {}).items()):
        lines.append(f"{STAMPED} {stamped} {base64.b64encode(digest).decode()}")
    note = sign(Checkpoint(signer.name, size, root, tuple(lines)).text(), signer)
    return Seal.parse(note.encode())


def links_for(at: datetime, earlier: Iterable[Seal]) -> dict[str, Link]:
    """Return what a seal made at that instant is chained to."""
    known = sorted(earlier, key=lambda seal: seal.size)
    links: dict[str, Link] = {}
    for name, age in AGES.items():
        old_enough = [seal for seal in known if seal.sealed_at <= at - age]
        if name == "previous":
            old_enough = known
        if old_enough:
            links[name] = Link(old_enough[-1].size, old_enough[-1].digest)
    return links


@dataclass(frozen=True, slots=True)
class SealProblem:
    """One way in which a seal is not as it should be; `first_bad` is the first entry that may be another."""

    size: int
    detail: str
    first_bad: int | None = None


def check_roots(roots: Mapping[int, bytes], entries: int, seals: Sequence[Seal]) -> list[SealProblem]:
    """Compare seals with the journal: `roots` are the roots over its first n entries, `entries` is how many it has.

    Where a root differs, the first bad entry lies behind the last seal that still agrees.
    """
    problems: list[SealProblem] = []
    agreed = 0
    for seal in sorted(seals, key=lambda seal: seal.size):
        when = format_instant(seal.sealed_at)
        if seal.size > entries:
            detail = (
                f"entries {entries} to {seal.size - 1} are missing: the seal of {when} is over {seal.size}"
            )
            problems.append(SealProblem(seal.size, detail, entries))
        elif roots.get(seal.size) != seal.checkpoint.root:
            detail = f"one of entries {agreed} to {seal.size - 1} is not what it was when sealed on {when}"
            problems.append(SealProblem(seal.size, detail, agreed))
        else:
            agreed = seal.size
    return problems


def check_chain(seals: Sequence[Seal], keys: Sequence[VerifierKey]) -> list[SealProblem]:
    """Check signatures, the order of instants, and that every link names the seal that is there."""
    problems: list[SealProblem] = []
    by_size = {seal.size: seal for seal in seals}
    before: Seal | None = None
    for seal in sorted(seals, key=lambda seal: seal.size):
        try:
            if keys and not seal.note.signers(keys):
                problems.append(SealProblem(seal.size, "no key that is known signed it"))
        except ValueError as error:
            problems.append(SealProblem(seal.size, str(error)))
        for name, link in seal.links.items():
            other = by_size.get(link.size)
            if other is None:
                problems.append(SealProblem(link.size, f"the seal over {link.size} entries is missing"))
            elif other.digest != link.digest:
                detail = (
                    f"the seal over {link.size} entries is not the one that later seals continue ({name})"
                )
                problems.append(SealProblem(link.size, detail))
        if before is not None and seal.sealed_at < before.sealed_at:
            problems.append(SealProblem(seal.size, "it says it was made before the seal it continues"))
        if before is not None and "previous" not in seal.links:
            problems.append(SealProblem(seal.size, "it continues no seal, and there are earlier ones"))
        before = seal
    return list({(one.size, one.detail): one for one in problems}.values())


def _digest(text: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not a seal: a digest is not Base64") from error
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("not a seal: a digest has another length")
    return digest
