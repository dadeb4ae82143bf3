"""Beside packages: identities, documents, journal and keyring are put right, and said to be only when they are."""

from __future__ import annotations

import shutil

import pytest

from retention.keyring.check import KeyringProblem
from retention.keyring.keyring import Keyring
from retention.model.errors import JournalBrokenError, VolumeUnavailableError
from retention.model.findings import Finding, FindingKind
from retention.services import documents
from retention.services.audit.beside import check_replicas, check_volumes
from retention.services.audit.selection import Selection
from retention.storage.directory import DirectoryVolume
from tests.services.world import REPLICAS, VOLUMES, World, flip


def seen(findings: list[Finding]) -> list[tuple[str, str, str | None, bool]]:
    return [(found.kind.value, found.volume, found.subject, found.repaired) for found in findings]


def volumes(world: World, *, repair: bool = True) -> list[Finding]:
    with world.opened() as stores:
        return list(check_volumes(stores, repair=repair))


def replicas(world: World, *, repair: bool = True) -> list[Finding]:
    with world.opened() as stores:
        return list(check_replicas(stores, repair=repair))


def test_a_sound_archive_has_no_findings(held: World):
    assert volumes(held) == []
    assert replicas(held) == []


def test_an_emptied_volume_gets_its_identity_and_documents_back(held: World):
    before = held.volume("cold-1").joinpath("volume.json").read_bytes()
    for path in held.volume("cold-1").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert seen(volumes(held, repair=False)) == [("missing", "cold-1", "identity", False)]
    assert seen(volumes(held)) == [
        ("missing", "cold-1", "identity", True),
        ("corrupt", "cold-1", "FORMAT.md", True),
        ("corrupt", "cold-1", "recover.py", True),
    ]
    assert volumes(held) == []
    with held.opened() as stores:
        assert documents.missing_on(stores.volumes["cold-1"]) == []
        identity = stores.volumes["cold-1"].identity()
    assert identity is not None
    assert identity.volume_id in before.decode()


@pytest.mark.parametrize("damage", ["a flipped byte", "another file", "nothing"])
def test_a_damaged_identity_is_restored(held: World, damage: str):
    path = held.volume("hot-b") / "volume.json"
    if damage == "a flipped byte":
        flip(path, 40, 1)
    else:
        path.write_bytes(b"{}" if damage == "another file" else b"")
    assert seen(volumes(held)) == [("missing", "hot-b", "identity", True)]
    assert volumes(held) == []


def test_a_volume_that_is_away_or_another_one_is_a_finding_and_not_touched(held: World):
    held.volume("cold-1").rename(held.root / "away")
    shutil.copy(held.volume("cold-3") / "volume.json", held.volume("cold-2") / "volume.json")
    before = held.digest("cold-2", "cold-3")
    found = volumes(held)
    assert seen(found) == [
        ("unreadable", "cold-1", "volume", False),
        ("unreadable", "cold-2", "volume", False),
    ]
    assert [finding.detail for finding in found] == ["missing", "wrong"]
    assert held.digest("cold-2", "cold-3") == before


@pytest.mark.parametrize("name", documents.NAMES)
def test_a_document_that_is_not_as_shipped_is_put_back(held: World, name: str):
    flip(held.volume("cold-5") / name, 100)
    (held.volume("hot-a") / name).unlink()
    assert seen(volumes(held, repair=False)) == [
        ("corrupt", "hot-a", name, False),
        ("corrupt", "cold-5", name, False),
    ]
    assert seen(volumes(held)) == [("corrupt", "hot-a", name, True), ("corrupt", "cold-5", name, True)]
    assert volumes(held) == []


def test_a_document_that_cannot_be_written_is_said_so(held: World, monkeypatch: pytest.MonkeyPatch):
    flip(held.volume("cold-5") / "FORMAT.md", 100)

    def refusing(*_: object) -> None:
        raise VolumeUnavailableError("read-only")

    with held.opened() as stores:
        monkeypatch.setattr(DirectoryVolume, "replace", refusing)
        (found,) = check_volumes(stores, repair=True)
    assert not found.repaired
    assert "read-only" in found.detail


def test_a_volume_that_goes_away_while_it_is_looked_at_is_a_finding(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    def gone(volume: DirectoryVolume) -> list[str]:
        if volume.name == "cold-5":
            raise VolumeUnavailableError("it went away")
        return []

    monkeypatch.setattr(documents, "missing_on", gone)
    assert seen(volumes(held)) == [("unreadable", "cold-5", "documents", False)]


@pytest.mark.parametrize("subject", ["journal", "keyring"])
@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "torn"])
def test_a_replica_is_made_equal_to_the_others(held: World, subject: str, damage: str):
    files = [path for path in held.files("cold-1") if path.parent.name == subject]
    assert files
    sound = {path: path.read_bytes() for path in files}
    for path, data in sound.items():
        if damage == "flip":
            flip(path, len(data) // 2)
        elif damage == "cut":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "lose":
            path.unlink()
        else:
            path.write_bytes(data + b"half of an append")
    with held.opened(to_write=False) as stores:  # opening to write settles the ends already
        looked = list(check_replicas(stores, repair=False))
        found = list(check_replicas(stores, repair=True))
        assert list(check_replicas(stores, repair=True)) == []
    assert {finding.volume for finding in looked} == {finding.volume for finding in found} == {"cold-1"}
    assert not any(finding.repaired for finding in looked)
    assert all(finding.repaired for finding in found)
    assert {finding.subject for finding in found} == {subject}
    assert {path: path.read_bytes() for path in files} == sound


def test_each_replica_but_one_may_be_gone(held: World):
    sound = held.digest(*REPLICAS)
    for name in REPLICAS[1:]:
        shutil.rmtree(held.volume(name) / "journal")
        shutil.rmtree(held.volume(name) / "keyring")
    with held.opened(to_write=False) as stores:
        found = list(check_replicas(stores, repair=True))
        assert list(check_replicas(stores, repair=True)) == []
    assert {finding.volume for finding in found} == set(REPLICAS[1:])
    assert all(finding.kind is FindingKind.MISSING and finding.repaired for finding in found)
    assert held.digest(*REPLICAS) == sound


def test_a_journal_entry_whole_nowhere_is_an_error_that_names_it(held: World):
    for name in REPLICAS:
        (path,) = held.files(name, suffix=".envelopes")
        flip(path, 100, 1)
    with held.opened(to_write=False) as stores, pytest.raises(JournalBrokenError, match="entry 0 is damaged"):
        list(check_replicas(stores, repair=True))


def test_a_key_whole_nowhere_is_a_finding_that_is_not_repaired_and_the_rest_is(held: World):
    (keys,) = [path for path in held.files("hot-a") if path.name.startswith("packages-")]
    data = keys.read_bytes()
    start = data.index(b"\n") + 1
    damaged = data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
    for name in REPLICAS:
        (held.volume(name) / "keyring" / keys.name).write_bytes(damaged)
    (held.volume("cold-2") / "keyring" / "institutions.keys").unlink()
    with held.opened(to_write=False) as stores:
        found = list(check_replicas(stores, repair=True))
    assert [(f.volume, f.repaired) for f in found if "institutions" in f.detail] == [("cold-2", True)]
    broken = [finding for finding in found if "packages-" in finding.detail]
    assert broken
    assert not any(finding.repaired for finding in broken)


def test_a_replica_that_cannot_be_written_is_not_said_to_be_repaired(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    for name in ("hot-b", "cold-1"):
        (held.volume(name) / "keyring" / "institutions.keys").unlink()
    replace = DirectoryVolume.replace

    def refusing(self: DirectoryVolume, key: str, data: bytes) -> None:
        if self.name == "cold-1":
            raise VolumeUnavailableError("read-only")
        replace(self, key, data)

    with held.opened(to_write=False) as stores:
        monkeypatch.setattr(DirectoryVolume, "replace", refusing)
        found = list(check_replicas(stores, repair=True))
    assert {(finding.volume, finding.repaired) for finding in found} == {("hot-b", True), ("cold-1", False)}


def test_a_sound_archive_is_looked_at_without_holding_up_those_who_commit(held: World, monkeypatch):
    """A large journal takes minutes to verify; an ingest beside it must not wait for that."""
    with held.opened() as stores:
        monkeypatch.setattr(stores.commit_lock, "hold", lambda: pytest.fail("the lock was taken"))
        assert list(check_replicas(stores, repair=True)) == []


def test_what_looks_wrong_only_while_somebody_appends_is_no_finding(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    verify = Keyring.verify
    looks: list[int] = []

    def racing(self: Keyring):
        looks.append(1)
        if len(looks) == 1:
            return [
                KeyringProblem(
                    FindingKind.MISSING, "hot-b", "keyring/packages-000001.keys", "1 records are missing"
                )
            ]
        return verify(self)

    monkeypatch.setattr(Keyring, "verify", racing)
    assert replicas(held) == []
    assert len(looks) == 2


def test_every_volume_is_looked_at(held: World, monkeypatch: pytest.MonkeyPatch):
    looked: list[str] = []

    def looking(volume: DirectoryVolume) -> list[str]:
        looked.append(volume.name)
        return []

    monkeypatch.setattr(documents, "missing_on", looking)
    volumes(held)
    assert looked == list(VOLUMES)


def test_a_key_that_no_replica_has_is_a_finding_of_the_audit_of_all(held: World):
    package = held.packages()[0]
    for path in held.files(suffix="packages-000001.keys"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if package.key_id.encode() not in line))
    for _ in range(2):
        report = held.audit()
        (found,) = report.findings
        assert (found.kind, found.subject, found.package) == (
            FindingKind.MISSING,
            "keyring",
            package.package_id,
        )
        assert not found.repaired
    assert held.audit(Selection(tier="hot")).findings == []


def test_keys_that_are_all_gone_are_findings(held: World):
    for path in held.files(suffix="packages-000001.keys"):
        path.unlink()
    assert {found.package for found in held.audit().findings} == {p.package_id for p in held.packages()}


def test_a_scrub_needs_no_key_and_says_what_it_did_not_check(held: World):
    flip(held.shards("hot-a")[0], 1200)
    key = held.root / "secrets" / "root.key"
    away = key.rename(held.root.parent / "root.key")
    report = held.audit()
    assert (report.checked, report.damaged, report.repaired) == (2, 1, 1)
    (why,) = report.not_checked
    assert why.startswith("keyring: the root key")
    away.rename(key)
    again = held.audit()
    assert (again.findings, again.not_checked) == ([], [])
    with held.opened() as stores:
        assert stores.catalog.position().size == stores.journal.size
