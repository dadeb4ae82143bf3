"""Recording packages: once, in any batches, with whatever the journal holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.catalog.catalog import Catalog
from retention.catalog.records import (
    CatalogCounts,
    InstanceLocation,
    PackageKind,
    PackageRecord,
    QuarantinedRecord,
    SeriesRecord,
    ShardRecord,
    ShardState,
)
from retention.model.errors import CatalogError, WriteOnceError
from retention.model.facts import PatientFacts, SeriesFacts
from retention.model.findings import Health
from retention.model.identifiers import InstitutionId
from tests.catalog.making import (
    AT,
    COCHIN,
    DAY,
    HOT,
    NECKER,
    digest,
    keep,
    package,
    package_id,
    quarantine,
    scratch,
    series,
    shards,
    study,
    study_uid,
)


def test_a_package_comes_back_as_it_was_recorded(catalog: Catalog):
    record = package(1, instances=3, key_segment=1, closed=False)
    assert keep(catalog, record) == 1
    found = catalog.package(record.package_id)
    for name in (
        "package_id", "institution_id", "sequence", "kind", "tier", "protection", "format", "instances",
        "bytes_received", "bytes_stored", "index_root", "manifest_digest", "key_id", "key_segment", "created_at",
        "closed", "supersedes", "shards",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(record, name), name
    assert (found.institution, found.study_uid) == ("necker", study_uid(1))
    assert (found.lost, found.is_superseded, found.health) == (False, False, Health.SOUND)


def test_a_study_comes_back_with_its_facts_and_series(catalog: Catalog):
    told = (series("1.5", "CT", 2), series("1.6", "SR", 1))
    keep(catalog, package(1, instances=3, series=told))
    found = catalog.study(study_uid(1))
    assert found.patient == study(1).patient
    assert found.facts == study(1).facts
    assert found.series == told
    assert found.modalities == ("CT", "SR")
    assert [held.package_id for held in found.packages] == [package_id(1)]
    assert (found.summary.instances, found.summary.bytes_received) == (3, 1500)


def test_applying_an_entry_again_changes_nothing(catalog: Catalog):
    keep(catalog, package(1), package(2))
    before = catalog.counts(), catalog.study(study_uid(1))
    assert keep(catalog, package(1), package(2)) == 0
    assert keep(catalog, package(2), package(2)) == 0
    assert (catalog.counts(), catalog.study(study_uid(1))) == before


def test_one_package_twice_in_a_batch_counts_once(catalog: Catalog):
    assert keep(catalog, package(1), package(1)) == 1
    assert catalog.counts().instances == 1


@pytest.mark.parametrize("together", [True, False])
def test_one_package_from_two_entries_is_refused(catalog: Catalog, together):
    other = replace(package(1), sequence=999)
    if not together:
        keep(catalog, package(1))
    with pytest.raises(CatalogError, match="101 and 999"):
        keep(catalog, package(1), other)


def test_a_later_package_adds_to_the_study_and_fills_in_what_was_missing(catalog: Catalog):
    first = study(1, patient=PatientFacts("P1", None, None, "19600101", None))
    second = study(
        1, patient=PatientFacts("OTHER", "APHP", "DOE^JANE", "19770101", "F"), received_at=AT + DAY
    )
    keep(catalog, package(1, study=first, series=(series("1.5", None, 1),)))
    keep(catalog, package(2, study=second, series=(series("1.5", "CT", 1), series("1.6", "SR", 0))))
    found = catalog.study(study_uid(1))
    assert found.patient == PatientFacts("P1", "APHP", "DOE^JANE", "19600101", "F")
    assert found.summary.received_at == AT
    assert (found.summary.instances, found.summary.bytes_received) == (2, 1000)
    assert found.series == (
        SeriesRecord("1.5", SeriesFacts("CT", "CHEST", "axial", "ACME"), 2),
        SeriesRecord("1.6", SeriesFacts("SR", "CHEST", "axial", "ACME"), 0),
    )
    assert found.modalities == ("CT", "SR")
    assert [held.package_id for held in found.packages] == [package_id(1), package_id(2)]


def test_the_same_study_at_two_institutions_is_two_studies(catalog: Catalog):
    keep(catalog, package(1), package(2, study=study(1), institution_id=COCHIN))
    assert catalog.counts().studies == 2
    assert catalog.study(study_uid(1), "cochin").summary.institution_id == COCHIN


def test_the_oldest_reading_of_a_new_package_is_its_own(catalog: Catalog):
    read = tuple(replace(shard, verified_at=AT + shard.number * DAY) for shard in shards(HOT))
    keep(catalog, package(1, protection=HOT, shards=read, created_at=AT - DAY))
    keep(catalog, package(2, protection=HOT, shards=shards(HOT, None), created_at=AT - 2 * DAY))
    assert catalog.package(package_id(1)).verified_at == AT
    assert catalog.package(package_id(2)).verified_at == AT - 2 * DAY


def test_write_debt_is_recorded_as_such(catalog: Catalog):
    debt = ShardRecord(1, None, 1000, state=ShardState.UNPLACED)
    keep(catalog, package(1, protection=HOT, shards=(shards(HOT)[0], debt)))
    assert [(owed.package_id, owed.shard) for owed in catalog.debts()] == [(package_id(1), debt)]
    assert catalog.package(package_id(1)).health is Health.DEGRADED


def test_a_quarantine_package_has_items_and_no_study(catalog: Catalog):
    items = (
        QuarantinedRecord(0, "no-identity", "no UIDs", "a.dcm", 5),
        QuarantinedRecord(1, "limit-depth", "", "b", 6),
    )
    keep(catalog, quarantine(1, *items))
    assert catalog.package(package_id(1)).kind is PackageKind.QUARANTINE
    assert catalog.counts() == CatalogCounts(2, 0, 0, 2, 1, 2, 1000, 600)
    found = list(catalog.quarantined())
    assert [(item.ordinal, item.reason, item.detail, item.source, item.size_bytes) for item in found] == [
        (0, "no-identity", "no UIDs", "a.dcm", 5),
        (1, "limit-depth", "", "b", 6),
    ]


def test_what_is_in_quarantine_has_no_study(catalog: Catalog):
    with pytest.raises(CatalogError):
        keep(catalog, package(1, kind=PackageKind.QUARANTINE))


def test_a_package_whose_key_is_gone_is_known_without_its_study(catalog: Catalog):
    keep(catalog, package(1, study=None, series=(), digests=()), package(2))
    assert [found.study_uid is None for found in catalog.all_packages()] == [True, False]
    assert catalog.check() == []


@pytest.mark.parametrize(
    "wrong",
    [
        package(1, institution_id=InstitutionId("9" * 32)),
        package(1, shards=(ShardRecord(0, "hot-z", 1),)),
        package(1, supersedes=package_id(77)),
    ],
    ids=["institution", "volume", "superseded package"],
)
def test_what_is_not_known_is_not_guessed(catalog: Catalog, wrong):
    with pytest.raises(CatalogError, match="not know"):
        keep(catalog, wrong)
    assert catalog.counts().packages == 0


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog):
    with pytest.raises(CatalogError):
        keep(catalog, package(1), package(2, institution_id=InstitutionId("9" * 32)))
    counts = catalog.counts()
    assert (counts.studies, counts.packages, counts.instances) == (0, 0, 0)


TEXT = st.none() | st.text(st.characters(codec=None), max_size=70)


@settings(max_examples=30)
@given(TEXT, TEXT, TEXT)
def test_no_text_blocks_the_replay_of_an_acknowledged_entry(name, modality, description):
    with scratch() as catalog:
        odd = study(1, patient=PatientFacts(name=name))
        one = SeriesRecord("1.5", SeriesFacts(modality, None, description, None), 1)
        keep(catalog, package(1, study=odd, series=(one,)))
        keep(catalog, package(2, study=odd, series=(one,)))
        assert catalog.study(study_uid(1)).summary.instances == 2


def test_a_superseding_package_takes_over_and_counts_nothing_twice(catalog: Catalog):
    keep(catalog, package(1, instances=3), package(2))
    before = catalog.study(study_uid(1)), catalog.counts()
    turned = tuple((digest(1, ordinal), 2 - ordinal) for ordinal in range(3))
    repacked = package(
        3, instances=3, study=study(1), supersedes=package_id(1), digests=turned, protection=HOT
    )
    keep(catalog, repacked)
    after = catalog.study(study_uid(1))
    assert after.summary.instances == before[0].summary.instances
    assert after.series == before[0].series
    assert after.summary.tiers == ("hot",)
    assert [held.package_id for held in after.packages] == [package_id(3)]
    assert catalog.counts().packages == before[1].packages
    assert catalog.package(package_id(1)).is_superseded
    assert catalog.package(package_id(3)).supersedes == package_id(1)
    found = catalog.find_instances(NECKER, [digest(1, 0), digest(1, 2)])
    assert found == {
        digest(1, 0): [InstanceLocation(package_id(3), 2, 0)],
        digest(1, 2): [InstanceLocation(package_id(3), 0, 0)],
    }
    assert keep(catalog, repacked) == 0


def test_a_package_and_its_successor_may_come_in_one_batch(catalog: Catalog):
    second = package(2, study=study(1), supersedes=package_id(1), digests=((digest(1, 0), 0),))
    third = package(3, study=study(1), supersedes=package_id(2), digests=((digest(1, 0), 0),))
    assert keep(catalog, package(1), second, third) == 3
    assert catalog.find_instances(NECKER, [digest(1, 0)])[digest(1, 0)] == [
        InstanceLocation(package_id(3), 0, 0)
    ]
    assert catalog.study(study_uid(1)).summary.instances == 1
    assert catalog.check() == []


@pytest.mark.parametrize(
    "wrong",
    [
        package(2, study=study(1), supersedes=package_id(1), instances=2),
        package(2, study=study(9), supersedes=package_id(1), digests=((digest(1, 0), 0),)),
        package(2, study=study(1), supersedes=package_id(1), digests=((digest("else"), 0),)),
        package(
            2, study=study(1), supersedes=package_id(1), institution_id=COCHIN, digests=((digest(1, 0), 0),)
        ),
    ],
    ids=["another number", "another study", "other instances", "another institution"],
)
def test_a_package_supersedes_only_one_that_holds_the_same(catalog: Catalog, wrong):
    keep(catalog, package(1), package(9))
    with pytest.raises(CatalogError):
        keep(catalog, wrong)
    assert not catalog.package(package_id(1)).is_superseded


def test_nothing_is_superseded_twice(catalog: Catalog):
    keep(
        catalog,
        package(1),
        package(2, study=study(1), supersedes=package_id(1), digests=((digest(1, 0), 0),)),
    )
    with pytest.raises(WriteOnceError):
        keep(catalog, package(3, study=study(1), supersedes=package_id(1), digests=((digest(1, 0), 0),)))


@st.composite
def journals(draw: st.DrawFn) -> tuple[list[PackageRecord], list[int]]:
    """Packages of a few studies with colliding instances, and where the journal is cut into batches."""
    records = []
    for number in range(draw(st.integers(1, 8))):
        instances = draw(st.integers(1, 3))
        names = draw(st.lists(st.integers(0, 5), min_size=instances, max_size=instances))
        modality = draw(st.sampled_from([None, "CT", "MR"]))
        records.append(
            package(
                number,
                study=study(draw(st.integers(1, 2))),
                instances=instances,
                digests=tuple((digest(name), ordinal) for ordinal, name in enumerate(names)),
                series=(series(f"1.{draw(st.integers(1, 2))}", modality, instances),),
            )
        )
    return records, draw(st.lists(st.integers(0, len(records)), max_size=4).map(sorted))


def holdings(batches: Sequence[Sequence[PackageRecord]]):
    with scratch() as catalog:
        for batch in batches:
            keep(catalog, *batch)
        assert catalog.check() == []
        studies = [catalog.study(line.study_uid) for line in catalog.studies()]
        return studies, catalog.find_instances(NECKER, [digest(name) for name in range(6)]), catalog.counts()


@settings(max_examples=15)
@given(journals())
def test_how_the_journal_is_cut_into_batches_makes_no_difference(journal):
    records, cuts = journal
    edges = [0, *cuts, len(records)]
    batches = [records[start:end] for start, end in pairwise(edges)]
    assert holdings(batches) == holdings([records]) == holdings([[record] for record in records])
