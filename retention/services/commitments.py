"""Storage commitment: what a device asked to be sure of, until it was told (PS3.4 Annex J).

A request is a file, synced before it is accepted, so that it survives whoever took it. Deciding it packs the studies
concerned: what is committed is in a package, read back and in the journal, and not merely staged. The answer stays
until the device has taken it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retention.model.clock import format_instant, parse_instant
from retention.model.errors import ArchiveError, RetentionError
from retention.model.identifiers import InstitutionId, new_id
from retention.services.access import PackageAccess
from retention.services.durable_file import write_durably
from retention.services.events import Names
from retention.services.sessions import under_way
from retention.services.stores import Stores

if TYPE_CHECKING:  # who only keeps requests packs nothing
    from retention.services.staging.closer import Closer

FOLDER = "commitments"
NO_SUCH_INSTANCE, CLASS_CONFLICT, PROCESSING_FAILURE = 0x0112, 0x0119, 0x0110

_REQUEST, _OUTCOME = ".request", ".outcome"


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What was asked for. `references` are (SOP Class UID, SOP Instance UID)."""

    institution: InstitutionId
    ae_title: str
    transaction_uid: str
    references: tuple[tuple[str, str], ...]
    asked_at: str


@dataclass(frozen=True, slots=True)
class CommitmentOutcome:
    """What is committed, and what is not: with its Failure Reason (0008,1197)."""

    committed: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A request of the asking receiver whose outcome is known and was not delivered yet."""

    name: str
    request: CommitmentRequest
    outcome: CommitmentOutcome


class Commitments:
    """The requests of one archive."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._folder = stores.root / FOLDER

    def ask(self, request: CommitmentRequest, session: str) -> str:
        """Keep a request, durably, for a receiver's session; return its name. Raises ArchiveError."""
        name = new_id()
        try:
            write_durably(self._folder / f"{name}-{session}{_REQUEST}", asdict(request))
        except OSError as error:
            raise ArchiveError(f"a commitment request cannot be kept: {error.strerror}") from error
        return name

    def decide(self, closer: Closer, stop: Callable[[], bool]) -> int:
        """Decide what is not decided yet; return how many. Stopped, it leaves the others for the next start."""
        decided = 0
        for path in self._files(_REQUEST):
            outcome = self._outcome_path(path)
            request = _read_request(path)
            if request is None or outcome.exists():
                continue
            closer.close_instances(request.institution, {uid for _, uid in request.references}, stop)
            if stop():  # what it asks for may be staged still, and is not to be called absent
                break
            write_durably(outcome, asdict(self._decide(request)))
            decided += 1
        return decided

    def undelivered(self, session: str) -> Iterator[Undelivered]:
        """Yield what a receiver has to report: its own, and those of receivers that are gone."""
        alive: frozenset[str] | None = None
        for path in self._files(_REQUEST):
            owner = path.stem.rpartition("-")[2]
            if owner != session:
                alive = under_way(self._stores.root).names if alive is None else alive
                if owner not in alive:
                    self._adopt(path, session)
                continue
            request, outcome = _read_request(path), _read_outcome(self._outcome_path(path))
            if request is not None and outcome is not None:
                yield Undelivered(_name(path), request, outcome)

    def age_s(self, request: CommitmentRequest) -> float:
        return (self._stores.clock.now() - parse_instant(request.asked_at)).total_seconds()

    def delivered(self, name: str) -> None:
        """Forget a request: whoever asked knows."""
        for path in [*self._files(_REQUEST), *self._files(_OUTCOME)]:
            if _name(path) == name:
                path.unlink(missing_ok=True)

    def now(self) -> str:
        return format_instant(self._stores.clock.now())

    def _adopt(self, path: Path, session: str) -> None:
        """Take over what a receiver left that is gone; it is met under its new name at the next look."""
        with suppress(FileNotFoundError):  # another receiver was quicker
            path.rename(path.with_name(f"{_name(path)}-{session}{_REQUEST}"))

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self._folder.glob(f"*{suffix}")) if self._folder.is_dir() else []

    def _outcome_path(self, request: Path) -> Path:
        return self._folder / f"{_name(request)}{_OUTCOME}"

    def _decide(self, request: CommitmentRequest) -> CommitmentOutcome:
        committed: list[tuple[str, str]] = []
        failed: list[tuple[str, str, int]] = []
        held = _Held(self._stores, request.institution)
        held.look_up(uid for _, uid in request.references)
        for sop_class, uid in request.references:
            reason = held.why_not(sop_class, uid)
            if reason is None:
                committed.append((sop_class, uid))
            else:
                failed.append((sop_class, uid, reason))
        return CommitmentOutcome(tuple(committed), tuple(failed))


class _Held:
    """Whether instances are held in packages that can be read."""

    def __init__(self, stores: Stores, institution: InstitutionId) -> None:
        self._stores = stores
        self._institution = institution
        self._names = Names(stores.keyring.index_key.secret)
        self._access = PackageAccess(stores)
        self._classes: dict[str, set[str | None]] = {}

    def look_up(self, uids: Iterable[str]) -> None:
        digests = {self._names.instance(self._institution, uid): uid for uid in uids}
        for digest, locations in self._stores.catalog.find_instances(
            self._institution, list(digests)
        ).items():
            for location in locations:
                try:
                    package = self._access.package(location.package_id)
                    rows = self._access.contents(location.package_id).instances
                except RetentionError:
                    continue
                if not package.lost:
                    found = self._classes.setdefault(digests[digest], set())
                    found.update(row.sop_class_uid for row in rows if row.ordinal == location.ordinal)

    def why_not(self, sop_class: str, uid: str) -> int | None:
        classes = self._classes.get(uid)
        if classes is None:
            return NO_SUCH_INSTANCE
        return None if sop_class in classes or None in classes else CLASS_CONFLICT


def _name(path: Path) -> str:
    return path.stem.partition("-")[0]


def _read_request(path: Path) -> CommitmentRequest | None:
    try:
        raw = json.loads(path.read_text())
        references = tuple((str(sop_class), str(uid)) for sop_class, uid in raw["references"])
        return CommitmentRequest(
            InstitutionId(raw["institution"]),
            raw["ae_title"],
            raw["transaction_uid"],
            references,
            raw["asked_at"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_outcome(path: Path) -> CommitmentOutcome | None:
    try:
        raw = json.loads(path.read_text())
        return CommitmentOutcome(
            tuple((str(sop_class), str(uid)) for sop_class, uid in raw["committed"]),
            tuple((str(sop_class), str(uid), int(reason)) for sop_class, uid, reason in raw["failed"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
