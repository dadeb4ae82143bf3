"""A study whose instances name several patients: kept, and never unseen."""

from __future__ import annotations

from retention.archive import rebuild_archive_catalog
from retention.services.doctor import CheckStatus, examine_installation
from retention.services.progress import NoProgress
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import World


def others(world: World, study: str = STUDY) -> list[str]:
    with world.opened() as stores:
        return [name for name, _ in stores.catalog.study(study).other_patients]


def told(world: World) -> list[str]:
    with world.opened() as stores:
        checks = examine_installation(stores)
    return [
        check.detail for check in checks if check.name == "patients" and check.status is CheckStatus.WARNING
    ]


def test_one_patient_is_no_conflict(held: World):
    assert others(held) == others(held, OTHER_STUDY) == []
    assert told(held) == []


def test_a_second_patient_in_a_later_package_is_noted(held: World):
    held.send("b.dcm", instance(8, patient="IPP-8"))
    held.ingest()
    assert others(held) == ["IPP-8"]
    assert told(held) == ["1 studies have instances that name another patient than the first"]


def test_a_second_patient_in_one_package_is_noted_and_a_rebuild_says_the_same(empty: World):
    for number, patient in enumerate(("IPP-1", "IPP-2", "IPP-1", "IPP-3")):
        empty.send(f"{number}.dcm", instance(number, patient=patient))
    empty.ingest()
    assert others(empty) == ["IPP-2", "IPP-3"]
    for path in empty.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(empty.root, NoProgress())
    assert others(empty) == ["IPP-2", "IPP-3"]
