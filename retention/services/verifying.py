"""Verifying the journal: its replicas with each other, with the seals on volumes, and with what a verifier brought.

The invariant: what was compared with is said, and nothing is called trusted on the word of the archive itself. Only
keys and checkpoints from outside (a trust file) can show that an end was cut off or that all of it was written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from retention.journal.check import REWRITTEN, JournalProblem, JournalReport
from retention.journal.checkpoint import VerifierKey
from retention.journal.merkle import EMPTY_ROOT
from retention.journal.renewal import check_stamps
from retention.journal.seals import (
    PREFIX as SEALS,
)
from retention.journal.seals import (
    Seal,
    SealProblem,
    check_chain,
    check_roots,
    seal_key,
    timestamp_key,
)
from retention.journal.segment import PREFIX
from retention.journal.trust import Trust
from retention.model.errors import JournalBrokenError, KeyringBrokenError, KeyUnavailableError
from retention.model.findings import FindingKind
from retention.services.deeds import Deeds
from retention.services.entries.sealing import LAST_SEAL
from retention.services.payloads import PayloadReader
from retention.services.seal import FoundSeals, find_seals, parsed
from retention.services.seal_due import seal_status
from retention.services.signing import known_key
from retention.services.stores import Stores
from retention.services.tree import first_changed


@dataclass(slots=True)
class Verification:
    """What was found. `trusted`: nothing is wrong, and a checkpoint that somebody outside vouches for was met.

    `sealed` is how many entries the newest good seal is over; those after it rest on nothing but the replicas.
    `timestamps` counts those that are over their seals (with certificates to trust: and were made under one of them);
    `lapsed` of them ended before a later one took over, the next does at `timestamps_until`.
    """

    entries: int
    root: bytes
    problems: list[JournalProblem] = field(default_factory=list)
    compared_with: list[str] = field(default_factory=list)
    seals: int = 0
    sealed: int = 0
    timestamps: int = 0
    lapsed: int = 0
    timestamps_until: datetime | None = None
    trusted: bool = False

    @property
    def valid(self) -> bool:
        return not self.problems

    @property
    def first_bad(self) -> int | None:
        return min((problem.seq for problem in self.problems if problem.seq is not None), default=None)


def verify_journal(stores: Stores, trust: Trust | None) -> Verification:
    """Verify everything there is. Raises VolumeUnavailableError when no replica of the journal answers."""
    found = find_seals(stores)
    kept = [] if trust is None else trust.seals
    own = found.seals()
    try:
        report = stores.journal.verify({seal.size for seal in [*own, *kept]})
    except JournalBrokenError as error:
        report = _broken(error)
    problems = [_named_rewritten(stores, problem) for problem in report.problems]
    verification = Verification(report.entries, report.root, problems, seals=len(own))
    verification.compared_with = list(_compared(stores, found, trust))
    keys = _keys(stores, trust)
    seal_problems = list(_seal_problems(report.roots, report.entries, own, kept, keys))
    verification.problems += map(_told, _named(stores, seal_problems, [*own, *kept]))
    verification.problems += _file_problems(stores, found)
    verification.problems += _stamps(found, trust, verification)
    digests = {
        size: [hashlib.sha256(answer).digest() for answer in files.timestamps.values()]
        for size, files in found.by_size.items()
    }
    verification.problems += map(_stamp_told, check_stamps(own, digests))
    if not report.problems:
        verification.problems += _deed_problems(stores, verification)
    status = seal_status(stores, found)
    verification.lapsed, verification.timestamps_until = status.lapsed, status.until
    good = [seal for seal in own if report.roots.get(seal.size) == seal.checkpoint.root]
    verification.sealed = max((seal.size for seal in good), default=0)
    if trust is not None and verification.valid:
        vouched = [*kept, *(seal for seal in good if trust.keys and seal.note.signers(trust.keys))]
        verification.trusted = bool(vouched)
    return verification


def _broken(error: JournalBrokenError) -> JournalReport:
    """Return what a journal is that cannot even be opened: the catalog knows of entries that are not there."""
    seq = error.context.get("seq")
    first = seq if isinstance(seq, int) else 0
    problem = JournalProblem(FindingKind.MISSING, None, PREFIX, first, error.message)
    return JournalReport(first, EMPTY_ROOT, [problem])


def _keys(stores: Stores, trust: Trust | None) -> list[VerifierKey]:
    """Return the keys that seals must be signed by: those from outside, else the one the journal itself names."""
    if trust is not None and trust.keys:
        return trust.keys
    known = known_key(stores)
    return [] if known is None else [known]


def _seal_problems(
    roots: dict[int, bytes], entries: int, own: list[Seal], kept: list[Seal], keys: list[VerifierKey]
) -> Iterator[SealProblem]:
    yield from check_roots(roots, entries, [*own, *kept])
    yield from check_chain(own, keys)
    by_size = {seal.size: seal for seal in own}
    for seal in kept:
        here = by_size.get(seal.size)
        if here is None:
            yield SealProblem(seal.size, "the seal that was kept outside is on no volume")
        elif here.digest != seal.digest:
            yield SealProblem(seal.size, "the seal on volumes is not the one that was kept outside")


def _named(stores: Stores, problems: list[SealProblem], seals: list[Seal]) -> Iterator[SealProblem]:
    """Name the first bad entry exactly, where the hashes that were kept agree with the seal, and the lines do not."""
    roots = {seal.size: seal.checkpoint.root for seal in seals}
    for problem in problems:
        changed = None
        if problem.first_bad is not None and problem.first_bad < problem.size:
            changed = first_changed(stores, problem.first_bad, problem.size, roots[problem.size])
        if changed is None:
            yield problem
        else:
            yield SealProblem(problem.size, f"entry {changed} is not what it was when it was sealed", changed)


def _named_rewritten(stores: Stores, problem: JournalProblem) -> JournalProblem:
    """Name the first entry that was written anew, where the hashes that were kept make the root that is known."""
    if problem.detail != REWRITTEN:
        return problem
    changed = first_changed(stores, 0, stores.journal.size, stores.journal.root())
    if changed is None:
        return problem
    return replace(problem, seq=changed, detail=f"{REWRITTEN}, the first of them is {changed}")


def _told(problem: SealProblem) -> JournalProblem:
    return JournalProblem(
        FindingKind.CORRUPT, None, seal_key(problem.size), problem.first_bad, problem.detail
    )


def _stamp_told(problem: SealProblem) -> JournalProblem:
    return JournalProblem(FindingKind.MISSING, None, timestamp_key(problem.size), None, problem.detail)


def _file_problems(stores: Stores, found: FoundSeals) -> Iterator[JournalProblem]:
    """Compare what volumes have of each seal; the journal says which was the last."""
    for size, files in found.by_size.items():
        seal = files.seal
        for volume in found.volumes:
            text = files.notes.get(volume)
            if text is None:
                yield JournalProblem(
                    FindingKind.MISSING, volume, seal_key(size), None, "this seal is missing"
                )
            elif seal is None or (one := parsed(text)) is None or one.size != size:
                yield JournalProblem(FindingKind.CORRUPT, volume, seal_key(size), None, "this is no seal")
            elif one.note != seal.note:
                yield JournalProblem(
                    FindingKind.CORRUPT, volume, seal_key(size), None, "this seal is another elsewhere"
                )
    for volume, why in found.unreadable.items():
        yield JournalProblem(FindingKind.UNREADABLE, volume, SEALS, None, why)
    last = stores.catalog.state(LAST_SEAL)
    if last is not None:
        last_size, _, digest = last.partition(" ")
        there = [seal for seal in found.seals() if seal.size == int(last_size)]
        if not there or there[0].digest.hex() != digest:
            detail = "the last seal that the journal tells of is on no volume"
            yield JournalProblem(FindingKind.MISSING, None, seal_key(int(last_size)), None, detail)


def _stamps(found: FoundSeals, trust: Trust | None, into: Verification) -> Iterator[JournalProblem]:
    from retention.journal.timestamp import read_answer

    roots = [] if trust is None else trust.certificates
    for size, files in found.by_size.items():
        over = b"" if files.seal is None else files.seal.stamped
        is_good = False
        for volume, answer in files.timestamps.items():
            try:
                read_answer(answer, over, roots)
            except ValueError as error:
                yield JournalProblem(FindingKind.CORRUPT, volume, timestamp_key(size), None, str(error))
            else:
                is_good = True
        into.timestamps += is_good


def _deed_problems(stores: Stores, into: Verification) -> Iterator[JournalProblem]:
    """Compare what people signed with their keys. Without the root key nobody can say whose key is whose."""
    try:
        deeds = Deeds(stores.archive_id, PayloadReader(stores.keyring))
    except (KeyUnavailableError, KeyringBrokenError):
        return
    if stores.catalog.people.count() == 0:
        return
    for entry in stores.journal.read(0):
        wrong = deeds.wrong(entry)
        if wrong is not None:
            yield JournalProblem(FindingKind.CORRUPT, None, PREFIX, entry.envelope.seq, wrong)
    into.compared_with.append(f"{deeds.checked} signatures of people")


def _compared(stores: Stores, found: FoundSeals, trust: Trust | None) -> Iterator[str]:
    yield f"replicas on {', '.join(replica.name for replica in stores.volumes.replicas(stores.volumes.states()))}"
    if found.by_size:
        yield f"{len(found.by_size)} seals on {', '.join(found.volumes)}"
    if trust is not None:
        yield (
            f"a trust file: {len(trust.keys)} keys, {len(trust.certificates)} certificates, "
            f"{len(trust.seals)} checkpoints"
        )
