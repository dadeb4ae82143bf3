"""The end of an ingest: listed, synced, published, read back, keys, journal, catalog; only then is it acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from retention.journal.journal import Journal
from retention.keyring.keyring import Keyring
from retention.model.errors import ArchiveError, LockedError, VolumeUnavailableError
from retention.package.manifest import KIND_STUDY
from retention.services import events, institutions
from retention.services.events import Names
from retention.services.ingest.build import BuiltPackage, FileToKeep, PackageBuilder
from retention.services.ingest.finish import FinishedPackage, finish
from retention.services.ingest.scan import ScannedFile, Scanner
from retention.services.sessions import Session, under_way
from retention.services.stores import Stores
from retention.services.uploads import ShardUpload
from retention.storage.directory_objects import DirectoryUpload
from retention.storage.names import Names as VolumeNames
from tests.services.instances import instance
from tests.services.world import World

UIDS = ("1.2.9.1", "1.2.9.2", "1.2.9.3")


class Bench:
    """Three packages that are built, and the session they were built in."""

    def __init__(self, world: World, stores: Stores, session: Session, group: list[BuiltPackage]) -> None:
        self.world, self.stores, self.session, self.group = world, stores, session, group

    def finish(self) -> list[FinishedPackage]:
        names = Names(self.stores.keyring.index_key.secret)
        return finish(self.stores, names, self.session, self.group)

    def finish_with(self, patch: pytest.MonkeyPatch, owner: type, name: str, failing: Any) -> None:
        """Finish, with one step failing: only now, since building needs it too."""
        patch.setattr(owner, name, failing)
        self.finish()

    def build(self, uid: str, data: bytes) -> BuiltPackage:
        path = self.world.send(f"{uid}/{len(self.world.sent)}.dcm", data)
        files = [FileToKeep(file) for file in Scanner().scan([path]) if isinstance(file, ScannedFile)]
        owner = institutions.first_or_known(self.stores, "necker").institution_id
        volumes = self.stores.volumes
        with ThreadPoolExecutor(1) as pool:
            builder = PackageBuilder(
                self.stores, volumes.tier("cold"), volumes.states(), self.session.name, pool
            )
            package = builder.begin(owner, KIND_STUDY, files, {}).finish()
        assert isinstance(package, BuiltPackage)
        return package


@contextmanager
def bench(world: World) -> Iterator[Bench]:
    with world.opened() as stores, Session(world.root) as session:
        made = Bench(world, stores, session, [])
        made.group = [made.build(uid, instance(1, study=uid)) for uid in UIDS]
        yield made


def test_what_is_finished_is_held(empty: World):
    with bench(empty) as at:
        finished = at.finish()
        assert [(each.error, each.is_overtaken) for each in finished] == [(None, False)] * 3
    assert [package.study_uid for package in empty.packages()] == list(UIDS)
    assert empty.audit().findings == []
    assert empty.leftovers() == []


def test_the_order_never_changes(empty: World, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    def watch(owner: Any, name: str) -> None:
        honest = getattr(owner, name)

        def watched(*given: Any, **named: Any) -> Any:
            result = honest(*given, **named)
            order.append(f"{owner.__name__}.{name}")
            return result

        monkeypatch.setattr(owner, name, watched)

    with bench(empty) as at:
        for owner, name in (
            (Session, "intend"), (DirectoryUpload, "seal"), (DirectoryUpload, "publish"), (VolumeNames, "flush"),
            (ShardUpload, "read_back"), (Keyring, "commit"), (Journal, "append"),
        ):  # fmt: skip
            watch(owner, name)
        at.finish()
    steps = [step for number, step in enumerate(order) if step not in order[:number]]
    assert steps == [
        "Session.intend", "DirectoryUpload.seal", "DirectoryUpload.publish", "Names.flush", "ShardUpload.read_back",
        "Keyring.commit", "Journal.append",
    ]  # fmt: skip
    # No step of any package before the step before it of every package.
    assert order.index("DirectoryUpload.publish") > len(order) - 1 - order[::-1].index("DirectoryUpload.seal")
    assert order.index("Keyring.commit") > len(order) - 1 - order[::-1].index("ShardUpload.read_back")
    assert order.count("Journal.append") == order.count("Keyring.commit") == 1


def test_every_shard_is_on_the_list_before_it_has_a_name(empty: World, monkeypatch: pytest.MonkeyPatch):
    honest = DirectoryUpload.publish

    def watched(self: DirectoryUpload) -> None:
        assert (self._volume, self.key) in under_way(empty.root).objects
        honest(self)

    with bench(empty) as at:
        monkeypatch.setattr(DirectoryUpload, "publish", watched)
        assert len(at.finish()) == 3


def test_keys_that_were_committed_for_nothing_do_no_harm(empty: World, monkeypatch: pytest.MonkeyPatch):
    """The journal takes no entry: nothing is removed (it may count after all), and the next start removes it."""

    def refusing(*_: object) -> None:
        raise VolumeUnavailableError("too few replicas")

    with monkeypatch.context() as patch, pytest.raises(VolumeUnavailableError), bench(empty) as at:
        at.finish_with(patch, Journal, "append", refusing)
    assert len(empty.shards()) == 18
    with empty.opened() as stores:
        assert stores.keyring.status().package_keys == 3
        assert empty.leftovers() == []
    assert empty.shards() == []
    assert empty.audit().findings == []
    assert empty.ingest(tier="cold").stored == 3


@pytest.mark.parametrize("error", [LockedError("busy"), ZeroDivisionError()])
def test_an_error_before_the_journal_is_asked_leaves_the_decision_to_the_next_start(
    empty: World, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)), bench(empty) as at:
        at.finish_with(patch, Keyring, "commit", failing)
    with empty.opened():
        assert empty.leftovers() == []
    assert empty.packages() == []


def test_without_a_list_nothing_is_published(empty: World, monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object) -> None:
        raise ArchiveError("no space")

    with monkeypatch.context() as patch, pytest.raises(ArchiveError), bench(empty) as at:
        at.finish_with(patch, Session, "intend", failing)
    assert empty.shards() == []
    assert list(empty.root.glob("*/incoming/*")) == []


def test_an_instance_that_came_in_meanwhile_overtakes_the_package(empty: World):
    with bench(empty) as at:
        other = at.build("1.2.9.4", instance(1, study="1.2.9.4", uid=f"{UIDS[1]}.1.1"))
        assert [each.is_overtaken for each in at.finish()] == [False] * 3
        at.group = [other]
        (overtaken,) = at.finish()
        assert overtaken.is_overtaken
        assert overtaken.built is other
    assert len(empty.packages()) == 3
    assert empty.leftovers() == []


def test_of_two_with_one_instance_in_a_group_the_first_is_kept(empty: World):
    with bench(empty) as at:
        at.group.insert(1, at.build("1.2.9.4", instance(1, study="1.2.9.4", uid=f"{UIDS[2]}.1.1")))
        assert [each.is_overtaken for each in at.finish()] == [False, False, False, True]
    assert sorted(str(package.study_uid) for package in empty.packages()) == ["1.2.9.1", "1.2.9.2", "1.2.9.4"]
    assert empty.leftovers() == []


def test_the_entry_names_places_and_digests_and_nobody(empty: World):
    with bench(empty) as at:
        (package, *_) = at.group
        at.finish()
        entries = [e for e in at.stores.journal.read() if e.envelope.action == events.PACKAGE_INGEST]
    data = entries[0].envelope.data
    assert data["index_root"] == package.tail.entry.index_root.hex()
    assert data["manifest"] == package.tail.entry.manifest_digest.hex()
    assert isinstance(data["shards"], list)
    assert sorted(str(name) for name in data["shards"]) == [f"cold-{n}" for n in range(1, 7)]
    assert entries[0].payload == package.tail.manifest
