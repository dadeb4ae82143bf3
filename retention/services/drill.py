"""The restore drill: packages drawn by chance are read back whole, and given to nobody.

An audit needs no key and decodes nothing. A drill goes the way that a doctor's request goes: recalled where the tier
answers slowly, decoded, decrypted, unpacked; every instance is compared with the digests of what was received, and the
package with what its journal entry committed to. The invariants: the sample is in the journal before anything is asked
for, so no bad result can be drawn again; and a drill that waits, or was killed, goes on with the same sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from retention.catalog.records import PackageSummary
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant, parse_instant
from retention.model.errors import NotFoundError, NotReadyError, PackageLostError, RetentionError
from retention.model.identifiers import PackageId, new_id
from retention.services import commit, recall
from retention.services.access import PackageAccess
from retention.services.entries.drills import LAST_DRILL_STATE, begin_entry, end_entry
from retention.services.stores import Stores
from retention.storage.volume import Urgency

FROM_EACH_TIER = 10
OPEN_STATE = "drill_open"
"""The drill under way, as JSON; empty when there is none."""
GIVEN_UP = timedelta(days=14)
"""What could not be recalled in this time is a failure."""
LOOK_AGAIN = timedelta(hours=1)

Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class DrillRun:
    """What a run did. `packages` were read whole, `waiting` are being recalled, `left` were not reached; `failed` could
    not be given back: each is a finding, and `problems` says why. `is_over`: the drill ended with this run."""

    packages: int = 0
    instances: int = 0
    bytes_read: int = 0
    failed: int = 0
    waiting: int = 0
    left: int = 0
    is_over: bool = False
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Drill:
    """A drill under way. `failures`: by package, the code of what went wrong."""

    drill_id: str
    began_at: datetime
    to_read: list[str]
    packages: int = 0
    instances: int = 0
    bytes_read: int = 0
    gone: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(
            {
                "drill_id": self.drill_id,
                "began_at": format_instant(self.began_at),
                "to_read": self.to_read,
                "packages": self.packages,
                "instances": self.instances,
                "bytes_read": self.bytes_read,
                "gone": self.gone,
                "failures": self.failures,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> _Drill:
        raw: dict[str, Any] = json.loads(text)
        return cls(**{**raw, "began_at": parse_instant(raw["began_at"])})


def drill(stores: Stores, *, stop: Stop) -> DrillRun:
    """Begin a drill, or go on with the one under way. Raises what a commit raises, never for what cannot be read."""
    noted = stores.catalog.state(OPEN_STATE)
    under_way = _Drill.from_json(noted) if noted else _begin(stores)
    if under_way is None:
        return DrillRun(is_over=True)
    run = _Run(stores, under_way, stop)
    for name in list(under_way.to_read):
        if stop():
            break
        run.take(name)
    if not under_way.to_read:
        _end(stores, under_way)
    return DrillRun(
        run.packages,
        run.instances,
        run.bytes_read,
        len(run.problems),
        run.waiting,
        len(under_way.to_read) - run.waiting,
        is_over=not under_way.to_read,
        problems=tuple(run.problems),
    )


def last_drill(stores: Stores) -> dict[str, Any] | None:
    """Return what the last drill came to: `at`, `packages`, `instances`, `bytes`, `failed`; None before the first."""
    noted = stores.catalog.state(LAST_DRILL_STATE)
    return None if noted is None else dict(json.loads(noted))


def _begin(stores: Stores) -> _Drill | None:
    """Draw a sample and say so in the journal; None when nothing is held."""
    drawn = [
        package
        for tier in stores.settings.tiers
        for package in stores.catalog.sampling.drawn(tier, [int(new_id(), 16) for _ in range(FROM_EACH_TIER)])
    ]
    if not drawn:
        return None
    begun = _Drill(new_id(), stores.clock.now(), [str(package) for package in drawn])
    commit.append(stores, [begin_entry(begun.drill_id, begun.to_read, begun.began_at, stores.actor)])
    _note(stores, begun)
    return begun


def _note(stores: Stores, under_way: _Drill) -> None:
    with stores.catalog.transaction() as transaction:
        transaction.set_state(OPEN_STATE, under_way.to_json())


def _end(stores: Stores, over: _Drill) -> None:
    outcome: dict[str, JsonValue] = {
        "packages": over.packages,
        "instances": over.instances,
        "bytes": over.bytes_read,
        "failed": dict(over.failures),
        "gone": over.gone,
    }
    commit.append(stores, [end_entry(over.drill_id, outcome, stores.clock.now(), stores.actor)])
    with stores.catalog.transaction() as transaction:
        transaction.set_state(OPEN_STATE, "")


class _Run:
    """One run's part of a drill."""

    def __init__(self, stores: Stores, under_way: _Drill, stop: Stop) -> None:
        self._stores = stores
        self._drill = under_way
        self._stop = stop
        self._access = PackageAccess(stores)
        self.packages = self.instances = self.bytes_read = self.waiting = 0
        self.problems: list[str] = []

    def take(self, name: str) -> None:
        """Read one package of the sample, if it can be read now, and note what came of it."""
        try:
            package = self._stores.catalog.successor_of(PackageId(name))
            if not self._is_readable(package):
                self.waiting += 1
                return
            if not self._read(package):
                return  # told to stop: it is read again, from its beginning
        except NotFoundError:
            self._drill.gone += 1  # its study was disposed of meanwhile
        except RetentionError as error:
            self._drill.failures[name] = error.code
            self.problems.append(f"package {name}: {error.message}")
        self._drill.to_read.remove(name)
        _note(self._stores, self._drill)

    def _is_readable(self, package: PackageSummary) -> bool:
        """Ask for a package on a tier that answers slowly. Raises NotReadyError when it was asked for long enough."""
        tier = self._stores.settings.tiers.get(package.tier)
        if tier is None or not tier.is_slow:
            return True
        if recall.ask(self._stores, package, Urgency.ROUTINE, recall.keep_of(self._stores, package)):
            return True
        if self._stores.clock.now() - self._drill.began_at > GIVEN_UP:
            raise NotReadyError(
                f"it was asked for {GIVEN_UP.days} days ago, and tier {package.tier} has not given it out",
                package=package.package_id,
            )
        return False

    def _read(self, package: PackageSummary) -> bool:
        """Read every instance of a package; False when told to stop. Raises PackageLostError and its like."""
        self._require_committed(package)
        instances = size_bytes = 0
        with self._access.reader(package) as opened:
            for row in opened.contents.instances:
                if self._stop():
                    return False
                digest, read_bytes = hashlib.sha256(), 0
                for piece in opened.read_instance(row):
                    digest.update(piece)
                    read_bytes += len(piece)
                if (digest.digest(), read_bytes) != (row.sha256, row.size_bytes):
                    raise PackageLostError(
                        "an instance decodes to other bytes than were received", package=package.package_id
                    )
                instances += 1
                size_bytes += read_bytes
        self.packages += 1
        self.instances += instances
        self.bytes_read += size_bytes
        self._drill.packages += 1
        self._drill.instances += instances
        self._drill.bytes_read += size_bytes
        return True

    def _require_committed(self, package: PackageSummary) -> None:
        """Raise PackageLostError unless the package is the one that its journal entry committed to."""
        envelope = next(iter(self._stores.journal.read(package.sequence))).envelope
        said = (
            envelope.objects.get("package"),
            envelope.data.get("index_root"),
            envelope.data.get("manifest"),
        )
        if said != (package.package_id, package.index_root.hex(), package.manifest_digest.hex()):
            raise PackageLostError(
                f"journal entry {envelope.seq} committed to another package than the catalog says",
                hint="retention journal verify, then catalog rebuild",
                package=package.package_id,
            )
