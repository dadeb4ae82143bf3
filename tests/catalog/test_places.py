"""Institutions and volumes: recorded, changed, never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.records import InstitutionRecord, ShardState, VolumeUsage
from retention.model.errors import CatalogError, UsageError, WriteOnceError
from retention.model.identifiers import VolumeId
from retention.model.layout import InstitutionSpec, VolumeSpec
from tests.catalog.making import HOT, NECKER, VOLUMES, keep, package, package_id, volume

FULL = InstitutionSpec(
    name="necker",
    title="Hôpital Necker",
    entity="aphp",
    timezone="Europe/Paris",
    ae_titles=("NECKER_CT1", "NECKER_MR"),
    policies=("fr-csp-r1112-7",),
    plan="standard",
)


def test_an_institution_comes_back_as_it_was_recorded(empty: Catalog):
    record = InstitutionRecord(NECKER, FULL, 7)
    with empty.transaction() as tx:
        tx.record_institution(record)
    assert empty.institutions() == [record]


def test_an_institution_takes_new_particulars_and_keeps_its_first_entry(catalog: Catalog):
    with catalog.transaction() as tx:
        tx.record_institution(InstitutionRecord(NECKER, FULL, 9))
    (found,) = [record for record in catalog.institutions() if record.institution_id == NECKER]
    assert found.spec == FULL
    assert found.sequence == 0


def test_institutions_are_listed_by_name(catalog: Catalog):
    assert [record.spec.name for record in catalog.institutions()] == ["cochin", "necker"]


def test_two_institutions_never_share_a_name(catalog: Catalog):
    with pytest.raises(WriteOnceError), catalog.transaction() as tx:
        tx.record_institution(InstitutionRecord(NECKER, InstitutionSpec("cochin"), 9))
    assert [record.spec.name for record in catalog.institutions()] == ["cochin", "necker"]


def test_a_volume_comes_back_as_it_was_recorded(empty: Catalog):
    spec = VolumeSpec("vault", "s3://bucket/x", "lyon", "aws")
    record = replace(volume("vault"), spec=spec, is_mount=True, device=None, sequence=12)
    with empty.transaction() as tx:
        tx.record_volume(record)
    assert empty.volumes() == [record]


def test_volumes_are_listed_in_the_order_in_which_they_came(catalog: Catalog):
    assert [record.spec.name for record in catalog.volumes()] == list(VOLUMES)


def test_a_replaced_volume_keeps_its_name_and_its_shards(catalog: Catalog):
    keep(catalog, package(1, protection=HOT))
    other = volume("hot-a", 50, volume_id=VolumeId("f" * 32), device="another disk")
    with catalog.transaction() as tx:
        tx.record_volume(other)
        assert tx.mark_missing("hot-a") == 1
    assert other in catalog.volumes()
    states = {shard.volume: shard.state for shard in catalog.shards_of(package_id(1))}
    assert states == {"hot-a": ShardState.MISSING, "hot-b": ShardState.SOUND}


def test_usage_counts_shards_and_those_that_are_not_sound(catalog: Catalog):
    keep(catalog, package(1), package(2), package(3, protection=HOT))
    with catalog.transaction() as tx:
        tx.mark_missing("cold-2")
    usage = catalog.volume_usage()
    assert usage["hot-a"] == VolumeUsage(1, 0)
    assert usage["cold-1"] == VolumeUsage(2, 0)
    assert usage["cold-2"] == VolumeUsage(2, 2)
    assert set(usage) == set(VOLUMES)


def test_an_unused_volume_has_a_usage_too(catalog: Catalog):
    assert catalog.volume_usage()["hot-a"] == VolumeUsage()


def test_an_unknown_institution_is_a_usage_error_that_names_the_known(catalog: Catalog):
    with pytest.raises(UsageError) as caught:
        catalog.quarantined("neker")
    assert "necker" in str(caught.value.hint)


def test_without_institutions_the_hint_says_how_one_comes(empty: Catalog):
    with pytest.raises(UsageError) as caught:
        empty.quarantined("necker")
    assert "ingest" in str(caught.value.hint)


def test_an_unknown_volume_is_not_guessed(catalog: Catalog):
    with pytest.raises(CatalogError, match="hot-z"), catalog.transaction() as tx:
        tx.mark_missing("hot-z")
