"""What a move could not send because it lies on a tier that answers slowly: kept until it was recalled and sent.

A delivery is a file, synced before whoever asked is told of it, so that it survives whoever took the request. Beside
them lie marks of which peer was told of which recall. One process at a time attends to them.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from retention.model.clock import format_instant, parse_instant
from retention.model.errors import ArchiveError
from retention.model.identifiers import InstitutionId, new_id
from retention.services.authorisation import Caller, Method
from retention.services.durable_file import write_durably
from retention.services.stores import Stores

FOLDER = "deliveries"
GIVE_UP_AFTER_S = 14 * 86400.0
_DELIVERY, _TOLD = ".delivery", ".told"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be sent to the AE title `destination`, on whose request (C-MOVE); `asked_by` is who is told to have
    been given it, None for the program itself."""

    institution: InstitutionId
    caller: str
    message_id: int
    destination: str
    study_uid: str
    instances: tuple[str, ...]
    asked_at: str
    asked_by: Caller | None


class Deliveries:
    """The deliveries of one archive."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._folder = Path(stores.root, FOLDER)

    def keep(self, delivery: Delivery) -> None:
        """Keep a delivery, durably, unless the same one waits already. Raises ArchiveError."""
        same = {"asked_at": "", "message_id": 0}
        for _, other in self.waiting():
            if _written(other) | same == _written(delivery) | same:
                return
        try:
            write_durably(self._folder / f"{new_id()}{_DELIVERY}", _written(delivery))
        except OSError as error:
            raise ArchiveError(f"a delivery cannot be kept: {error.strerror}") from error

    def now(self) -> str:
        return format_instant(self._stores.clock.now())

    def waiting(self) -> Iterator[tuple[str, Delivery]]:
        """Yield what is to be sent, with its name; what is too old is forgotten instead."""
        for path in self._files(_DELIVERY):
            delivery = _read(path)
            if delivery is None:
                continue
            asked_at = parse_instant(delivery.asked_at)
            if (self._stores.clock.now() - asked_at).total_seconds() > GIVE_UP_AFTER_S:
                self.done(path.stem)
            else:
                yield path.stem, delivery

    def done(self, name: str) -> None:
        """Forget a delivery: it was made."""
        Path(self._folder, name + _DELIVERY).unlink(missing_ok=True)

    def is_told(self, recall_id: str, peer: str) -> bool:
        """Whether a peer was told of a recall that is ready."""
        return self._mark(recall_id, peer).exists()

    def told(self, recall_id: str, peer: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._mark(recall_id, peer).touch(mode=0o600)

    def forget_others(self, recall_ids: frozenset[str]) -> None:
        """Remove the marks of recalls that are over."""
        for path in self._files(_TOLD):
            if path.name.partition("-")[0] not in recall_ids:
                path.unlink(missing_ok=True)

    @contextmanager
    def attending(self) -> Iterator[bool]:
        """Hold the place of the one process that attends; yields whether it is this one. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / "attended", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def _mark(self, recall_id: str, peer: str) -> Path:
        return self._folder / f"{recall_id}-{peer}{_TOLD}"

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self._folder.glob(f"*{suffix}")) if self._folder.is_dir() else []


def _written(delivery: Delivery) -> dict[str, object]:
    by = delivery.asked_by
    who = None if by is None else {"actor": by.actor, "method": by.method.value}
    return {**asdict(replace(delivery, asked_by=None)), "asked_by": who}


def _read(path: Path) -> Delivery | None:
    try:
        raw = json.loads(path.read_text())
        return Delivery(
            InstitutionId(raw["institution"]),
            str(raw["caller"]),
            int(raw["message_id"]),
            str(raw["destination"]),
            str(raw["study_uid"]),
            tuple(map(str, raw["instances"])),
            str(raw["asked_at"]),
            _caller(raw["asked_by"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _caller(raw: dict[str, str] | None) -> Caller | None:
    """Return who asked; what may be given to whom is decided anew."""
    return None if raw is None else Caller(raw["actor"], Method(raw["method"]), frozenset())
