"""An archive whose folder is read-only or full can still be looked at."""

from __future__ import annotations

import pytest

from retention.model.errors import CatalogError
from retention.services.doctor import examine_installation
from tests.bad_days.disks import disk
from tests.services.instances import OTHER_STUDY, STUDY
from tests.services.world import World


def looked(world: World) -> list[str]:
    with world.opened(to_write=False) as stores:
        assert stores.catalog.study(STUDY).summary.instances == 3
        assert len(list(examine_installation(stores))) > 10
        return sorted(study.study_uid for study in stores.catalog.studies())


def test_a_read_only_archive_is_listed(held: World):
    with disk(held.root, 16 * 1024) as mounted:
        mounted.be_read_only()
        assert looked(held) == sorted([STUDY, OTHER_STUDY])
        mounted.be_writable()


def test_a_full_archive_is_listed(held: World):
    with disk(held.root, 16 * 1024) as mounted:
        mounted.fill()
        assert looked(held) == sorted([STUDY, OTHER_STUDY])


def test_what_only_the_log_knows_is_never_left_out(held: World):
    """A catalog whose log cannot be read would show less than was acknowledged: rather nothing."""
    with disk(held.root, 16 * 1024) as mounted:
        (held.root / "catalog.db-wal").write_bytes(b"something that was committed")
        mounted.be_read_only()
        with pytest.raises(CatalogError, match="cannot be used"):
            looked(held)
        mounted.be_writable()
