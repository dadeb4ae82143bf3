"""What is measured is what the archive holds and what its journal tells, and names nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from retention.catalog.counters import ENTRIES
from retention.services.measures import gather
from retention.services.measures.gather import Measure, Measuring
from retention.services.measures.names import KINDS
from retention.services.seal import seal_journal
from retention.services.stores import Stores
from tests.services.world import World

Found = dict[tuple[str, tuple[str, ...]], float]


def by_name(measures: list[Measure]) -> Found:
    return {(measure.name, measure.labels): measure.value for measure in measures}


def total(found: Found, name: str) -> float:
    return sum(value for (other, _), value in found.items() if other == name)


def measured(stores: Stores) -> Found:
    return by_name(Measuring(stores).measures())


def test_everything_that_is_held_is_measured(held: World):
    with held.opened() as stores:
        seal_journal(stores)
        found = measured(stores)
        summaries = list(stores.catalog.studies())
        actions = [entry.envelope.action for entry in stores.journal.read()]
        counts = stores.catalog.counters.all()
    assert all(labels[0] == held.institution for name, labels in found if name == "studies")
    assert total(found, "studies") == len(summaries)
    assert total(found, "received_bytes") == sum(study.bytes_received for study in summaries)
    assert total(found, "instances") >= sum(
        study.instances for study in summaries
    )  # and what is in quarantine
    assert found["stored_bytes", (held.institution, "hot")] > 0
    assert found["up", ()] == 1
    assert found["packages_read_within_days", ("hot", "7")] == found["packages", ("hot",)]
    assert found["seals_without_timestamp", ()] == 1
    assert found["seal_last_timestamp_seconds", ()] <= found["journal_last_timestamp_seconds", ()]
    assert found["journal_size", ()] == counts[ENTRIES].total == len(actions)
    for action in set(actions):
        assert found["journal_entries", (action,)] == actions.count(action)


def test_a_volume_that_is_away_is_told(held: World):
    held.volume("cold-6").rename(held.root / "away")
    with held.opened(to_write=False) as stores:
        found = measured(stores)
    assert (found["volume_up", ("cold-6",)], found["volume_up", ("cold-5",)]) == (0, 1)
    assert ("volume_free_bytes", ("cold-6",)) not in found


def test_all_that_is_measured_has_a_kind_and_as_many_labels(held: World):
    with held.opened(to_write=False) as stores:
        for measure in Measuring(stores).measures():
            assert len(measure.labels) == len(KINDS[measure.name].labels), measure


def test_sums_are_remembered_for_a_while_that_grows_with_what_they_cost(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    made = []

    class Ticking:
        """Each look at it takes a second."""

        seconds = 0.0

        def now(self):
            return stores_clock.now()

        def monotonic_s(self) -> float:
            Ticking.seconds += 1
            return Ticking.seconds

    whole = gather._sums

    def sums(stores: Stores) -> Iterator[Measure]:
        made.append(1)
        return whole(stores)

    monkeypatch.setattr(gather, "_sums", sums)
    with held.opened(to_write=False) as stores:
        stores_clock, stores.clock = stores.clock, Ticking()
        measuring = Measuring(stores)
        for _ in range(3):
            measuring.measures()
        assert len(made) == 1
        Ticking.seconds += 20
        measuring.measures()  # as they were; new ones are made meanwhile
        for _ in range(200):
            if measuring._making is None:
                break
            time.sleep(0.01)
        assert len(made) == 2
