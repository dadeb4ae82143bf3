"""`keys rotate` on whole archives: everything is read as before, whatever is cut short, and the journal tells of it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import KeyringBrokenError, RoleMissingError
from retention.model.layout import InstitutionSpec
from retention.services import commit, doctor, institutions, rotation
from retention.services.entries.keys import KEYS_ROTATE, KEYS_ROTATED
from retention.services.people import is_signed
from retention.services.progress import NoProgress
from retention.services.volumes import VolumeReplica
from tests.services.acting import Cast
from tests.services.instances import instance
from tests.services.staging.received import close_all, receiving, staged, take
from tests.services.world import REPLICAS, World, contents


class KilledError(Exception):
    """The machine stops."""


@dataclass
class Life:
    """Ends at a certain write to the keyring or the journal."""

    writes: int
    lock: Lock = field(default_factory=Lock)

    def write(self, call, *arguments):
        with self.lock:
            self.writes -= 1
            if self.writes < 0:
                raise KilledError
        return call(*arguments)


def rotate(world: World) -> rotation.RotationReport:
    with world.opened() as stores:
        return rotation.rotate(stores, stores.catalog.institutions())


def entries(world: World, action: str):
    with world.opened(to_write=False) as stores:
        return [entry.envelope for entry in stores.journal.read(0) if entry.envelope.action == action]


def telling(world: World):
    """What only opened payloads tell: the institution's particulars, rebuilt from the journal alone."""
    rebuild_archive_catalog(world.root, NoProgress())
    with world.opened(to_write=False) as stores:
        return [each.spec for each in stores.catalog.institutions()], list(stores.catalog.studies())


def test_packages_journal_and_what_is_staged_are_read_as_before(held: World) -> None:
    with receiving(held) as (stores, receiver):
        take(stores, receiver, instance(7, study="1.2.840.99.7"))
        before = held.digest()
        told = telling(held)
        report = rotation.rotate(stores, stores.catalog.institutions())
        take(stores, receiver, instance(8, study="1.2.840.99.7"))
    (done,) = report.institutions
    assert (done.generation, done.is_resumed, done.rewrapped, done.destroyed) == (2, False, 2, 1)
    after = held.digest()
    changed = {name.rsplit("/", 2)[1] for name in before if after[name] != before[name]}
    assert changed == {"keyring", "journal", "staging"}  # no package
    assert len(staged(held)) == 2
    assert telling(held)[0] == told[0]
    assert close_all(held).instances == 2
    sent = [*held.sent.values(), *(instance(n, study="1.2.840.99.7") for n in (7, 8))]
    assert contents(held.export()) == sorted(sent)
    assert held.audit().findings == []


def test_the_journal_says_which_key_took_the_place_of_which(held: World) -> None:
    with held.opened() as stores:
        (owner,) = stores.catalog.institutions()
        (before,) = stores.keyring.rotation.generations(owner.institution_id)
    rotate(held)
    with held.opened() as stores:
        (now,) = stores.keyring.rotation.generations(owner.institution_id)
        assert rotation.generations_of(stores)[0].since is not None
    (begun,), (ended,) = entries(held, KEYS_ROTATE), entries(held, KEYS_ROTATED)
    assert begun.objects == {"key": now.key_id, "before": before.key_id}
    assert (begun.data["generation"], ended.data["generation"]) == (2, 2)
    assert (ended.data["destroyed"], ended.data["kept"], ended.data["behind"]) == ([before.key_id], [], [])


@pytest.mark.parametrize("writes", [0, 1, 4, 5, 6, 8, 11, 12, 14, 17])
def test_killed_at_any_write_it_is_gone_on_with_and_nothing_is_lost(held: World, monkeypatch, writes) -> None:
    life, replace, append = Life(writes), VolumeReplica.replace, commit.append_locked
    with monkeypatch.context() as patch:
        patch.setattr(VolumeReplica, "replace", lambda *words: life.write(replace, *words))
        patch.setattr(commit, "append_locked", lambda *words: life.write(append, *words))
        with suppress(KilledError):
            rotate(held)
    assert contents(held.export()) == sorted(held.sent.values())
    held.send("more.dcm", instance(9, study="1.2.840.99.9"))
    held.ingest()
    rotate(held)
    assert contents(held.export()) == sorted(held.sent.values())
    with held.opened() as stores:
        (owner,) = stores.catalog.institutions()
        (now,) = stores.keyring.rotation.generations(owner.institution_id)
        assert stores.keyring.verify() == []
    told = [envelope.data["generation"] for envelope in entries(held, KEYS_ROTATE)]
    assert told == list(range(2, now.generation + 1))
    assert entries(held, KEYS_ROTATED)[-1].data["generation"] == now.generation
    telling(held)


def test_a_volume_that_is_away_keeps_the_old_key_until_the_next_rotation_which_makes_none(
    held: World,
) -> None:
    shutil.move(held.volume("cold-1"), held.root.parent / "away")
    report = rotate(held)
    assert (report.behind, report.institutions[0].kept) == (("cold-1",), 1)
    with held.opened(to_write=False) as stores:
        (check,) = [one for one in doctor.examine_installation(stores) if one.name == "key rotation"]
        assert check.status is doctor.CheckStatus.WARNING
    shutil.move(held.root.parent / "away", held.volume("cold-1"))
    report = rotate(held)
    (done,) = report.institutions
    assert (done.is_resumed, done.generation, done.destroyed, report.behind) == (True, 2, 1, ())
    assert contents(held.export()) == sorted(held.sent.values())


def test_only_the_institutions_that_are_named_get_a_new_key(held: World) -> None:
    with held.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin"))
        rotation.rotate(stores, [institutions.find(stores, "cochin")])
        found = {each.institution: each.generation for each in rotation.generations_of(stores)}
    assert found == {"necker": 1, "cochin": 2}


def test_an_old_copy_of_the_keyring_in_the_place_of_the_newer_one_is_noticed(held: World) -> None:
    for name in REPLICAS:
        shutil.copytree(held.volume(name) / "keyring", held.root.parent / name)
    rotate(held)
    for name in REPLICAS:
        shutil.rmtree(held.volume(name) / "keyring")
        shutil.copytree(held.root.parent / name, held.volume(name) / "keyring")
    with pytest.raises(KeyringBrokenError, match=r"knows generation 2 .* the keyring only 1"):
        rotate(held)


def test_it_takes_an_operator_or_administrator_who_signs_once_people_are_registered(held: World) -> None:
    cast = Cast(held)
    cast.register("Anne", "administrator")
    cast.register("Olga", "operator", by="Anne")
    cast.register("Rita", "archivist", by="Anne")
    with cast.acting("Rita") as stores, pytest.raises(RoleMissingError, match="operator or administrator"):
        rotation.rotate(stores, stores.catalog.institutions())
    with cast.acting("Olga") as stores:
        rotation.rotate(stores, stores.catalog.institutions())
        archive = stores.archive_id
    (begun,) = entries(held, KEYS_ROTATE)
    assert is_signed(begun, archive, cast.keys["Olga"].public.raw)
