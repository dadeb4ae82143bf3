"""What is found, and what rejection notes hide: never by destroying, never across institutions."""

import pytest

from retention.model.layout import InstitutionSpec
from retention.model.matching import Kind, match_of
from retention.services import institutions
from retention.services.access import PackageAccess
from retention.services.finding import Finder
from tests.dicom.notes import key_object_selection
from tests.services.instances import STUDY, instance

KOS = f"{STUDY}.99"


@pytest.fixture
def world(empty):
    for number in (1, 2):
        empty.send(f"{number}.dcm", instance(number))
    empty.send("other-series.dcm", instance(1, series=2))
    empty.ingest()
    return empty


def reject(world, code, *uids):
    world.send("note.dcm", key_object_selection(code, {STUDY: list(uids)}, study=STUDY))
    world.ingest(world.source / "note.dcm")


def found(world, institution="necker"):
    """Return (instances counted by the study, series to count, UIDs) of all that is found."""
    with world.opened() as stores:
        owner = institutions.find(stores, institution)
        finder = Finder(stores, PackageAccess(stores))
        return [
            (
                study.instances,
                {each.series_uid: each.instances for each in finder.series(study)},
                {each.sop_instance_uid for each in finder.instances(study)},
            )
            for study in finder.studies(owner.institution_id, {})
        ]


@pytest.mark.parametrize("code", ["113001", "113037", "113038", "113039"])
def test_what_a_note_rejects_is_hidden_and_stays_held(world, code):
    reject(world, code, f"{STUDY}.1.1", f"{STUDY}.2.1")
    assert found(world) == [(2, {f"{STUDY}.1": 1, f"{STUDY}.9": 1}, {f"{STUDY}.1.2", KOS})]
    assert len(world.export()) == 4


def test_another_key_object_selection_hides_nothing(world):
    reject(world, "113000", f"{STUDY}.1.1")
    assert [count for count, _, _ in found(world)] == [4]


def test_a_study_of_which_nothing_is_left_is_not_found(world):
    reject(world, "113037", f"{STUDY}.1.1", f"{STUDY}.1.2", f"{STUDY}.2.1", KOS)
    assert found(world) == []


def test_a_note_hides_nothing_of_another_institution(world):
    world.institution = "cochin"
    with world.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin"))
    world.ingest(*(world.source / name for name in ("1.dcm", "2.dcm")))
    reject(world, "113001", f"{STUDY}.1.1")
    assert [count for count, _, _ in found(world, "necker")] == [3]
    assert [count for count, _, _ in found(world, "cochin")] == [2]


def test_what_is_hidden_stays_hidden_when_the_catalog_is_rebuilt(world):
    from retention.archive import rebuild_archive_catalog
    from retention.services.progress import NoProgress

    reject(world, "113001", f"{STUDY}.1.1")
    before = found(world)
    for path in world.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(world.root, NoProgress())
    assert found(world) == before


def test_a_search_by_every_key_finds_the_study(world):
    keys = {
        "study_uid": match_of(Kind.UID, STUDY),
        "patient_id": match_of(Kind.TEXT, "IPP-1"),
        "accession_number": match_of(Kind.TEXT, "A1"),
        "study_date": match_of(Kind.DATE, "20261101-20261102"),
        "patient_name": match_of(Kind.NAME, "doe^*"),
        "study_time": match_of(Kind.TIME, "1015"),
    }
    with world.opened() as stores:
        owner = institutions.find(stores, "necker")
        finder = Finder(stores, PackageAccess(stores))
        for name, match in keys.items():
            assert match is not None
            assert [study.study_uid for study in finder.studies(owner.institution_id, {name: match})] == [
                STUDY
            ]
        no_match = match_of(Kind.UID, "1.2.3")
        assert no_match is not None
        assert list(finder.studies(owner.institution_id, {"study_uid": no_match})) == []
