"""Comparing every replica of the journal with what all of them together prove, and making them equal again.

A replica's file is only ever replaced by bytes that proved themselves (docs/journal.md §3.3); where no replica has an
entry whole, nothing is written and the entry is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from retention.journal.envelope import FRAME_BYTES, FRAME_HEAD
from retention.journal.position import GrowingTree, Position
from retention.journal.segment import PREFIX, Pair, envelopes_key, payloads_key
from retention.journal.survey import SegmentState, list_starts, lost_from, walk
from retention.model.errors import JournalBrokenError, RetentionError
from retention.model.findings import FindingKind
from retention.model.replica import Outcome, Replica, ReplicaSet

REWRITTEN = "the tree is not the one known here: entries were rewritten"


@dataclass(frozen=True, slots=True)
class JournalProblem:
    """One way in which the journal is not as it should be.

    `replica` is None when it concerns all of them: then the journal is not whole, and healing will not help. `seq` is
    the first entry concerned, None when no entry is (a torn end, an unreachable volume) or when nobody can tell.
    """

    kind: FindingKind
    replica: str | None
    key: str
    seq: int | None
    detail: str


@dataclass(slots=True)
class JournalReport:
    """What a verification found. `entries` and `root` are of what counts."""

    entries: int
    root: bytes
    problems: list[JournalProblem] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every entry is there on some replica (though not perhaps on all)."""
        return all(problem.replica is not None for problem in self.problems)

    @property
    def first_bad_seq(self) -> int | None:
        return min((problem.seq for problem in self.problems if problem.seq is not None), default=None)


@dataclass(frozen=True, slots=True)
class JournalRepair:
    """One file of one replica that was made equal to what counts. `kind` says what had been wrong with it."""

    kind: FindingKind
    replica: str
    key: str


@dataclass(frozen=True, slots=True)
class _Difference:
    """One file of one replica that is not as it should be."""

    replica: str
    problem: JournalProblem
    wanted: bytes


def verify_replicas(
    replicas: ReplicaSet, known: Position | None = None, sizes: Collection[int] = ()
) -> JournalReport:
    """Read everything and say what is wrong where; never raises for damage.

    `known` is where the journal is known to end: it must go that far and through that tree, and what is being
    appended beyond it meanwhile is no problem. The report has the roots over the first n entries for every n in `sizes`
    that there are so many for. Raises VolumeUnavailableError when no replica answers.
    """
    starts, tree = list_starts(replicas), GrowingTree(known, sizes)
    strays = dict(starts)
    problems: list[JournalProblem] = []
    unreachable: dict[str, RetentionError] = {}
    lost: JournalBrokenError | None = None
    last: SegmentState | None = None
    try:
        for last in walk(replicas, starts):
            strays.pop(last.start.seq, None)
            unreachable |= last.failed
            tree.extend(last.merged.leaves)
            problems += (difference.problem for difference in _differences(last, known))
        lost = lost_from(last, starts)
    except JournalBrokenError as contradiction:
        lost = contradiction
    problems += _of_all(lost, tree, known)
    for first, names in strays.items():
        if first < tree.frontier.size:
            detail = "no segment begins at this entry"
            problems += (
                JournalProblem(FindingKind.EXTRA, name, envelopes_key(first), None, detail) for name in names
            )
    for name, error in unreachable.items():
        problems.append(JournalProblem(FindingKind.UNREADABLE, name, PREFIX, None, error.message))
    return JournalReport(tree.frontier.size, tree.frontier.root(), problems, tree.roots)


def heal_replicas(replicas: ReplicaSet) -> list[JournalRepair]:
    """Make every reachable replica equal to what counts, and say what was done.

    For whoever may write: an append that is under way would look like one cut short. A replica that cannot be read or
    written is left for the next time. Raises JournalBrokenError when the journal is not whole; what comes before the
    place it names is healed by then.
    """
    starts = list_starts(replicas)
    strays = dict(starts)
    repairs: list[JournalRepair] = []
    last: SegmentState | None = None
    for state in walk(replicas, starts):
        strays.pop(state.start.seq, None)
        if last is not None:
            repairs += _repairs(heal_segment(replicas, last))
        last = state
    if lost := lost_from(last, starts):
        raise lost
    if last is not None:
        repairs += _repairs(heal_segment(replicas, last))
    for first, names in strays.items():
        repairs += _remove(replicas, first, names)
    return repairs


def heal_segment(replicas: ReplicaSet, state: SegmentState) -> Outcome[list[JournalRepair]]:
    """Make the replicas that differ in one segment equal to what counts of it."""
    wrong: dict[str, list[_Difference]] = {}
    for difference in _differences(state, None):
        wrong.setdefault(difference.replica, []).append(difference)

    def heal(replica: Replica) -> list[JournalRepair]:
        # Frames before lines, as in an append: a line never lies anywhere without its frame.
        for difference in reversed(wrong[replica.name]):
            _put(replica, difference)
        problems = (difference.problem for difference in wrong[replica.name])
        return [JournalRepair(problem.kind, replica.name, problem.key) for problem in problems]

    return replicas.each(heal, only=wrong.keys())


def _remove(replicas: ReplicaSet, first: int, names: list[str]) -> list[JournalRepair]:
    """Delete the files of a segment that is none: what is numbered so counts elsewhere."""

    def remove(replica: Replica) -> None:
        replica.delete(envelopes_key(first))
        replica.delete(payloads_key(first))

    removed = replicas.each(remove, only=names)
    return [JournalRepair(FindingKind.EXTRA, name, envelopes_key(first)) for name in removed.done]


def _repairs(healed: Outcome[list[JournalRepair]]) -> list[JournalRepair]:
    return [repair for repairs in healed.done.values() for repair in repairs]


def _put(replica: Replica, difference: _Difference) -> None:
    key, wanted = difference.problem.key, difference.wanted
    if not wanted:
        replica.delete(key)
    elif difference.problem.kind is FindingKind.EXTRA:
        replica.truncate(key, len(wanted))
    else:
        replica.replace(key, wanted)


def _differences(state: SegmentState, known: Position | None) -> Iterator[_Difference]:
    """Yield what differs from what counts: for each replica its lines, then its frames."""
    first, wanted = state.start.seq, state.merged.pair
    for name, pair in state.found.items():
        for key, have, want in (
            (envelopes_key(first), pair.envelopes, wanted.envelopes),
            (payloads_key(first), pair.payloads, wanted.payloads),
        ):
            if have != want and not _is_under_way(have, want, key, state, known):
                yield _Difference(name, _problem(name, key, have, want, state), want)


def _is_under_way(have: bytes, want: bytes, key: str, state: SegmentState, known: Position | None) -> bool:
    """Whether a file only lacks entries beyond the known end: somebody is appending."""
    if known is None or state.start.seq < known.segment.seq or not want.startswith(have):
        return False
    if state.start.seq > known.segment.seq:
        return True
    end = known.end
    return len(have) >= (end.envelopes_bytes if key == envelopes_key(state.start.seq) else end.payloads_bytes)


def _problem(name: str, key: str, have: bytes, want: bytes, state: SegmentState) -> JournalProblem:
    if have.startswith(want):
        detail = f"{len(have) - len(want)} bytes of an append that was cut short"
        return JournalProblem(FindingKind.EXTRA, name, key, None, detail)
    seq = _seq_at(state, key, _first_difference(have, want))
    if not have:
        return JournalProblem(FindingKind.MISSING, name, key, seq, "the file is missing or empty")
    if want.startswith(have):
        return JournalProblem(
            FindingKind.MISSING, name, key, seq, f"the file ends before entry {seq} is whole"
        )
    return JournalProblem(FindingKind.CORRUPT, name, key, seq, f"entry {seq} is not what was written")


def _first_difference(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts that differ have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _seq_at(state: SegmentState, key: str, offset: int) -> int:
    """Return the number of the entry whose line or frame is at `offset` of what counts."""
    pair, first = state.merged.pair, state.start.seq
    if key == envelopes_key(first):
        return first + pair.envelopes.count(b"\n", 0, offset)
    return first + _frames_before(pair, offset)


def _frames_before(pair: Pair, offset: int) -> int:
    count, at = 0, 0
    while at < len(pair.payloads):
        at += FRAME_BYTES + FRAME_HEAD.unpack_from(pair.payloads, at)[1]
        if at > offset:
            break
        count += 1
    return count


def _of_all(
    lost: JournalBrokenError | None, tree: GrowingTree, known: Position | None
) -> Iterator[JournalProblem]:
    """Yield what is wrong with the journal as a whole, if anything: no replica can mend it."""
    size = tree.frontier.size
    if lost is not None:
        seq = lost.context.get("seq")
        kind = FindingKind.CORRUPT if lost.context.get("replicas") else FindingKind.MISSING
        yield JournalProblem(kind, None, PREFIX, seq if isinstance(seq, int) else size, lost.message)
    elif known is not None and size < known.size:
        detail = f"entries {size} to {known.size - 1} are missing on every replica"
        yield JournalProblem(FindingKind.MISSING, None, PREFIX, size, detail)
    elif not tree.continues_known:
        yield JournalProblem(FindingKind.CORRUPT, None, PREFIX, None, REWRITTEN)
