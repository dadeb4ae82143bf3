"""Comparing every replica of the keyring with what all of them together prove, and making them equal again.

Every record is proven by its parent key, so a verification also shows that every key opens. A forgotten key that a
replica still has, because its volume was away, is found and forgotten there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retention.keyring.keyfile import (
    INSTITUTIONS,
    PREFIX,
    FileState,
    Parents,
    heal_file,
    lines_of,
    list_segments,
    put_together,
    read_file,
    series_key,
)
from retention.keyring.records import KeyKind, parse_record
from retention.keyring.rootdocument import ROOT_DOCUMENT, RootDocument
from retention.model.errors import KeyringBrokenError
from retention.model.findings import FindingKind
from retention.model.replica import ReplicaSet


@dataclass(frozen=True, slots=True)
class KeyringProblem:
    """One file of one replica that is not as it should be; `replica` is None when no replica can mend it."""

    kind: FindingKind
    replica: str | None
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class KeyringRepair:
    """One file of one replica that was made equal to what counts. `kind` says what had been wrong with it."""

    kind: FindingKind
    replica: str
    key: str


def verify_replicas(replicas: ReplicaSet, document: RootDocument, parents: Parents) -> list[KeyringProblem]:
    """Read everything and say what is wrong where; never raises for damage.

    `document` is the root document that counts. Raises VolumeUnavailableError when no replica answers.
    """
    problems = list(_document_problems(replicas, document))
    unreachable: dict[str, str] = {}
    for key, may_be_empty in _files(replicas):
        read = read_file(replicas, key)
        unreachable |= {name: error.message for name, error in read.failed.items()}
        try:
            state = put_together(key, read, parents)
        except KeyringBrokenError as contradiction:
            problems.append(KeyringProblem(FindingKind.CORRUPT, None, key, contradiction.message))
            continue
        problems += _differences(state)
        for name, detail in state.lost.items():
            problems.append(
                KeyringProblem(FindingKind.CORRUPT, None, key, f"on {name} {detail}, and nowhere whole")
            )
        if not state.records and not may_be_empty:
            problems.append(
                KeyringProblem(FindingKind.MISSING, None, key, "no replica that can be reached has it")
            )
    for name, message in unreachable.items():
        problems.append(KeyringProblem(FindingKind.UNREADABLE, name, PREFIX, message))
    return problems


def heal_replicas(replicas: ReplicaSet, document: RootDocument, parents: Parents) -> list[KeyringRepair]:
    """Make every reachable replica equal to what counts, and say what was done.

    For whoever may write. Raises KeyringBrokenError, after healing everything else, when a record is damaged on every
    replica that has it, or a file is on none.
    """
    problems = list(_document_problems(replicas, document))
    wrong = [problem.replica for problem in problems if problem.replica is not None]
    healed = replicas.each(lambda replica: replica.replace(ROOT_DOCUMENT, document.encode()), only=wrong)
    repairs = [
        KeyringRepair(problem.kind, problem.replica, problem.key)
        for problem in problems
        if problem.replica in healed.done
    ]
    broken: list[KeyringBrokenError] = []
    for key, may_be_empty in _files(replicas):
        try:
            state = put_together(key, read_file(replicas, key), parents)
        except KeyringBrokenError as contradiction:
            broken.append(contradiction)
            continue
        repairs += _heal(replicas, state)
        if state.lost or (not state.records and not may_be_empty):
            broken.append(state.broken())
    if broken:
        raise broken[0]
    return repairs


def _heal(replicas: ReplicaSet, state: FileState) -> list[KeyringRepair]:
    done = heal_file(replicas, state).done
    return [
        KeyringRepair(problem.kind, problem.replica, problem.key)
        for problem in _differences(state)
        if problem.replica in done
    ]


def _files(replicas: ReplicaSet) -> Iterator[tuple[str, bool]]:
    """Yield the files there should be, and whether one may be empty: only the last of a series, just begun."""
    yield INSTITUTIONS, False
    for kind in (KeyKind.PACKAGE, KeyKind.PATIENT):
        last = max(list_segments(replicas, kind), default=0)
        for segment in range(1, last + 1):
            yield series_key(kind, segment), segment == last


def _document_problems(replicas: ReplicaSet, document: RootDocument) -> Iterator[KeyringProblem]:
    for name, content in read_file(replicas, ROOT_DOCUMENT).done.items():
        if not content:
            yield KeyringProblem(FindingKind.MISSING, name, ROOT_DOCUMENT, "the file is missing or empty")
        elif content != document.encode():
            yield KeyringProblem(
                FindingKind.CORRUPT, name, ROOT_DOCUMENT, "it is not the latest that was written"
            )


def _differences(state: FileState) -> Iterator[KeyringProblem]:
    wanted = state.content()
    for name, content in state.found.items():
        if content != wanted:
            kind, detail = _difference(content, state)
            yield KeyringProblem(kind, name, state.key, detail)


def _difference(content: bytes, state: FileState) -> tuple[FindingKind, str]:
    if not content:
        return FindingKind.MISSING, "the file is missing or empty"
    records = [parse_record(line) for line in lines_of(content)]
    outdated = 0
    for record in records:
        counts = None if record is None else state.records.get(record.key_id)
        if record is None or counts is None:
            return FindingKind.CORRUPT, "a record is not what was written"
        outdated += record != counts
    if outdated:
        return FindingKind.EXTRA, f"{outdated} forgotten keys are still there"
    if len(records) < len(state.records):
        return FindingKind.MISSING, f"{len(state.records) - len(records)} records are missing"
    if not content.endswith(b"\n"):
        return FindingKind.EXTRA, "an append was cut short"
    return FindingKind.CORRUPT, "the records are in another order"
