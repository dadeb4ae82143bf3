"""Reading what was found: verified bytes, wherever they are; what is on a slow tier is asked back, once."""

from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import NotReadyError
from retention.services import institutions, recall
from retention.services.access import PackageAccess
from retention.services.finding import Finder
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.reading import ask_back, read_instances
from tests.services.instances import STUDY, instance
from tests.services.move.moving import move_in
from tests.services.staging.received import take
from tests.services.world import World


def found(stores):
    """Return the one study, its instances by UID, and what reading each gives."""
    access = PackageAccess(stores)
    finder = Finder(stores, access)
    owner = institutions.find(stores, "necker")
    (study,) = [each for each in finder.studies(owner.institution_id, {}) if each.study_uid == STUDY]
    read = read_instances(stores, access, finder.instances(study))
    return study, {each.sop_instance_uid: data for each, data in read}


def test_packed_and_staged_instances_are_read_alike(held: World):
    from retention.services.staging.receiver import Receiver

    with held.opened() as stores, Receiver(stores) as receiver:
        take(stores, receiver, instance(4))
        study, read = found(stores)
    assert study.instances == 4
    assert read == {f"{STUDY}.1.{n}": instance(n) for n in (1, 2, 3, 4)}


@pytest.fixture
def asleep(held: World):
    with held.opened() as stores:
        stores.clock = RehearsalClock(stores.clock.now())
        move_in(stores, "glacier", held.packages())
        stores.clock = RehearsalClock(stores.clock.now() + GRACE)
        drop_due(stores)
        yield stores


def test_what_is_on_a_slow_tier_is_found_as_nearline_and_asked_back_once(asleep):
    study, read = found(asleep)
    assert study.availability == "NEARLINE"
    assert set(read) == {f"{STUDY}.1.{n}" for n in (1, 2, 3)}
    assert all(isinstance(each, NotReadyError) for each in read.values())
    for _ in range(2):
        ask_back(asleep, study, "asked for by the device CT1")
    assert len(list(asleep.catalog.recalls.open())) == 1


def test_a_recalled_study_is_online_and_read_from_its_copy(asleep):
    study, _ = found(asleep)
    ask_back(asleep, study, "asked for by the device CT1")
    asleep.clock = RehearsalClock(asleep.clock.now() + timedelta(days=1))
    recall.advance(asleep)
    study, read = found(asleep)
    assert study.availability == "ONLINE"
    assert read == {f"{STUDY}.1.{n}": instance(n) for n in (1, 2, 3)}
