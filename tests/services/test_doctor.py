"""The doctor: every trouble is named with what to do about it; what is only to be thought of is a warning."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from retention.archive import open_archive_to_examine
from retention.model.errors import SettingsError
from retention.services import commit, config, keys
from retention.services.doctor import Check, CheckStatus, examine_installation
from retention.storage.directory import DirectoryVolume
from tests.services.test_commit import stored
from tests.services.world import REPLICAS, World


def checks(world: World) -> dict[str, Check]:
    with world.opened(to_write=False) as stores:
        return {check.name: check for check in examine_installation(stores)}


def failed(world: World) -> list[str]:
    return [check.name for check in checks(world).values() if check.is_failed]


def test_a_new_archive_is_well_and_has_four_things_to_think_of(held: World):
    found = checks(held)
    assert {check.status for check in found.values()} == {CheckStatus.OK, CheckStatus.WARNING}
    warnings = [check for check in found.values() if check.status is CheckStatus.WARNING]
    assert [check.name for check in warnings] == ["tier hot", "tier cold", "tier glacier", "recovery key"]
    assert all(check.hint for check in warnings)
    assert found["holdings"].detail == "2 studies, 5 instances, 0 in quarantine"


def test_the_recovery_key_is_no_concern_once_somebody_says_it_was_put_away(held: World):
    with held.opened() as stores:
        keys.record_recovery_stored(stores)
    assert checks(held)["recovery key"].status is CheckStatus.OK


def test_a_volume_that_is_away_or_emptied_says_what_to_do(held: World):
    held.volume("cold-6").rename(held.root / "away")
    (held.volume("cold-5") / "volume.json").unlink()
    found = checks(held)
    assert (found["volume cold-6"].detail, found["volume cold-6"].is_failed) == ("missing", True)
    assert "volume replace" in str(found["volume cold-6"].hint)
    assert "audit run" in str(found["volume cold-5"].hint)


def test_little_space_is_a_warning(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DirectoryVolume, "free_bytes", lambda _: 4)
    monkeypatch.setattr(DirectoryVolume, "total_bytes", lambda _: 100)
    assert checks(held)["volume hot-a"] == Check(
        "volume hot-a", CheckStatus.WARNING, "4% free", "add a volume or free space"
    )


def test_a_root_key_that_others_can_read_or_that_is_gone_is_a_failure(held: World):
    key = held.root / "secrets" / "root.key"
    key.chmod(0o644)
    assert f"chmod 600 {key}" == checks(held)["root key"].hint
    key.unlink()
    found = checks(held)
    assert found["root key"].is_failed
    assert "retention keys recover" in str(found["root key"].hint)
    assert found["keyring"].is_failed


def test_the_root_key_may_lie_elsewhere(held: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.move(held.root / "secrets" / "root.key", tmp_path / "key")
    monkeypatch.setenv("RETENTION_ROOT_KEY_FILE", str(tmp_path / "key"))
    assert failed(held) == []


def test_shards_that_are_not_sound_are_a_failure(held: World):
    (package, _) = held.packages()
    held.shard(package, 0).unlink()
    held.audit(repair=False)
    assert checks(held)["holdings"].is_failed
    assert "1 missing" in checks(held)["holdings"].detail


def test_a_damaged_catalog_is_a_failure(held: World):
    with sqlite3.connect(held.root / "catalog.db") as raw:
        raw.execute("UPDATE study SET instances = 99")
    assert failed(held) == ["catalog"]


def test_a_catalog_behind_its_journal_is_a_warning(held: World):
    with held.opened() as stores:
        commit.append(stores, [stored()])
    with sqlite3.connect(held.root / "catalog.db") as raw:
        raw.execute("DROP TRIGGER state_forward")
        raw.execute("UPDATE state SET value = CAST(value AS INTEGER) - 1 WHERE key = 'journal_size'")
        raw.execute("UPDATE state SET value = '' WHERE key = 'journal_frontier'")
    found = checks(held)
    assert found["journal"].status is CheckStatus.WARNING
    assert "1 not yet in the catalog" in found["journal"].detail


def test_a_check_that_cannot_run_is_a_failed_check_and_the_others_go_on(held: World):
    for name in REPLICAS:
        held.volume(name).rename(held.root / f"away-{name}")
    found = checks(held)
    assert found["journal"].is_failed
    assert found["keyring"].is_failed
    assert found["holdings"].status is CheckStatus.OK
    assert found["volume cold-6"].status is CheckStatus.OK


def test_a_replica_that_does_not_answer_is_a_warning(held: World, monkeypatch: pytest.MonkeyPatch):
    with held.opened() as stores:
        assert stores.keyring.status().unreachable == ()
        held.volume("hot-b").rename(held.root / "away")
        found = {check.name: check for check in examine_installation(stores)}
    assert found["keyring"].status is CheckStatus.WARNING
    assert "hot-b" in found["keyring"].detail


def test_looking_writes_nothing(held: World):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in held.files()}
    checks(held)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in held.files()} == before
    assert os.listdir(held.root / "sessions") == []


def test_a_missing_catalog_is_one_check_that_says_what_to_do(held: World):
    for path in held.root.glob("catalog.db*"):
        path.unlink()
    with closing(open_archive_to_examine(held.root)) as stores:
        found = [check for check in examine_installation(stores) if check.is_failed]
    assert [(check.name, check.hint) for check in found] == [("catalog", "run `retention catalog rebuild`")]


@pytest.mark.parametrize(
    "name", ["journal/000000000000.payloads", "keyring/institutions.keys", "keyring/root.json"]
)
def test_a_file_that_a_replica_lacks_is_told_and_the_audit_puts_it_back(held: World, name: str):
    held.volume("cold-2").joinpath(name).unlink()
    check = checks(held)["replicas"]
    assert (check.is_failed, check.detail) == (True, f"cold-2 has no {name}")
    held.audit()
    assert checks(held)["replicas"].status is CheckStatus.OK


def test_keys_that_no_replica_has_are_told(held: World):
    for path in held.files(suffix="packages-000001.keys"):
        path.unlink()
    check = checks(held)["package keys"]
    assert check.is_failed
    assert all(package.package_id in check.detail for package in held.packages())


def test_a_renamed_tier_with_packages_on_it_is_told(held: World):
    rename_tier(held, "hot", "fast")
    assert checks(held)["tiers"].detail == (
        "packages lie on tiers that archive.yaml does not name: 1 on the tier `hot`"
    )


def test_a_tier_in_use_is_not_renamed(held: World):
    rename_tier(held, "hot", "fast")
    before = held.digest()
    with pytest.raises(SettingsError, match="1 on the tier `hot`"), held.opened():
        pass
    assert held.digest() == before
    with held.opened(to_write=False) as stores, pytest.raises(SettingsError, match="1 on the tier `hot`"):
        config.look(stores)
    rename_tier(held, "fast", "hot")
    with held.opened() as stores:
        assert config.look(stores).is_applied


def rename_tier(world: World, old: str, new: str) -> None:
    path = world.root / "archive.yaml"
    path.write_text(path.read_text().replace(f"\n  {old}:\n", f"\n  {new}:\n"))


def test_studies_that_no_rule_speaks_of_are_counted(held: World):
    assert checks(held)["policies"].detail == "2 studies are kept for ever because no rule speaks of them"
