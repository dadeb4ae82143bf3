"""What the tests of staging do to an archive: receive, and look at what is staged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from retention.model.errors import RetentionError
from retention.model.layout import StagingSpec
from retention.services import institutions
from retention.services.staging.closer import Closer, Closing
from retention.services.staging.index import StagedIndex, StagedInstance
from retention.services.staging.receiver import Origin, Receiver
from retention.services.stores import Stores
from tests.services.world import World


class SteppingClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = datetime(2031, 5, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    def step(self, **how_far: float) -> None:
        self.at += timedelta(**how_far)


@contextmanager
def receiving(world: World) -> Iterator[tuple[Stores, Receiver]]:
    with world.opened() as stores, Receiver(stores) as receiver:
        yield stores, receiver


def take(
    stores: Stores, receiver: Receiver, data: bytes, institution: str = "necker", piece: int = 1 << 20
) -> None:
    """Receive one file in pieces."""
    owner = institutions.first_or_known(stores, institution)
    incoming = receiver.receive(Origin(owner.institution_id, "dimse", "CT1"))
    for start in range(0, len(data), piece):
        incoming.write(data[start : start + piece])
    try:
        incoming.finish(incoming.identify())
    except RetentionError:
        incoming.abandon()  # as the doors do
        raise


def staged(world: World) -> list[StagedInstance]:
    with world.opened(to_write=False) as stores:
        index = StagedIndex(stores)
        index.refresh()
        return list(index.staged())


def close_all(world: World) -> Closing:
    with world.opened() as stores:
        return Closer(stores, StagingSpec()).close_all()


def logs(world: World) -> list[str]:
    return sorted({path.name for path in world.files() if path.parent.name == "staging"})
