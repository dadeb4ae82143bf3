"""Where an instance lies, by its keyed digest; conflicts stay visible."""

from __future__ import annotations

from retention.catalog.catalog import Catalog
from retention.catalog.records import InstanceLocation
from retention.model.identifiers import InstitutionId
from tests.catalog.making import COCHIN, NECKER, digest, keep, package, package_id, study


def test_instances_are_found_by_digest(catalog: Catalog):
    keep(catalog, package(1, instances=2))
    found = catalog.find_instances(NECKER, [digest(1, 1), digest("not held")])
    assert found == {digest(1, 1): [InstanceLocation(package_id(1), 1, 0)]}


def test_institutions_do_not_see_each_others_instances(catalog: Catalog):
    keep(catalog, package(1))
    assert catalog.find_instances(COCHIN, [digest(1, 0)]) == {}
    assert catalog.find_instances(InstitutionId("9" * 32), [digest(1, 0)]) == {}
    keep(catalog, package(2, institution_id=COCHIN, digests=((digest(1, 0), 0),)))
    assert catalog.find_instances(COCHIN, [digest(1, 0)]) == {
        digest(1, 0): [InstanceLocation(package_id(2), 0, 0)]
    }


def test_a_conflict_is_the_next_variant_and_the_first_stays_first(catalog: Catalog):
    keep(catalog, package(1))
    clash = ((digest(1, 0), 0), (digest(2, 1), 1), (digest(1, 0), 2))
    keep(catalog, package(2, study=study(1), instances=3, digests=clash))
    found = catalog.find_instances(NECKER, [digest(1, 0), digest(2, 1)])
    assert found[digest(1, 0)] == [
        InstanceLocation(package_id(1), 0, 0),
        InstanceLocation(package_id(2), 0, 1),
        InstanceLocation(package_id(2), 2, 2),
    ]
    assert found[digest(2, 1)] == [InstanceLocation(package_id(2), 1, 0)]


def test_conflicts_move_to_a_superseding_package_in_their_order(catalog: Catalog):
    twice = ((digest("x"), 0), (digest("x"), 1))
    keep(catalog, package(1, instances=2, digests=twice))
    keep(catalog, package(2, study=study(1), instances=2, digests=twice[::-1], supersedes=package_id(1)))
    assert catalog.find_instances(NECKER, [digest("x")])[digest("x")] == [
        InstanceLocation(package_id(2), 0, 0),
        InstanceLocation(package_id(2), 1, 1),
    ]


def test_more_digests_than_one_statement_takes(catalog: Catalog):
    keep(catalog, package(1, instances=1200))
    wanted = [digest(1, ordinal) for ordinal in range(1500)]
    found = catalog.find_instances(NECKER, wanted)
    assert [found[wanted[n]][0].ordinal for n in range(1200)] == list(range(1200))
    assert len(found) == 1200
