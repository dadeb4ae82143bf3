"""People of tests: registered with keys or without, and acting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.archive import create_archive
from retention.services import registry
from retention.services.stores import Stores
from retention.signatures.signer import FileSigner
from tests.services.world import World


@dataclass
class Cast:
    """An archive and the keys of its people, by name."""

    world: World
    keys: dict[str, FileSigner] = field(default_factory=dict)

    def register(
        self, name: str, *roles: str, by: str | None = None, institutions=(), key: bool = True
    ) -> None:
        signer = FileSigner(Ed25519PrivateKey.generate()) if key else None
        with self.acting(by) as stores:
            places = tuple(
                each.institution_id
                for each in stores.catalog.institutions()
                if each.spec.name in institutions
            )
            public = None if signer is None else signer.public
            registry.add(stores, registry.NewPerson(name, places, roles, None, public))
        if signer is not None:
            self.keys[name] = signer

    @contextmanager
    def acting(self, name: str | None, *, signs: bool = True) -> Iterator[Stores]:
        """Open the archive as somebody, who signs where he or she has a key."""
        with self.world.opened(person=name) as stores:
            if name in self.keys and signs:
                signer = self.keys[name]
                stores.open_signer = lambda: signer
            yield stores


def rehearsal(folder) -> World:
    """An archive where it is enough to say who acts."""
    create_archive(folder / "A", "test", is_rehearsal=True).stores.close()
    (folder / "in").mkdir()
    return World(folder / "A", folder / "in")


def rebuilt_equal(world: World) -> None:
    """The catalog that is rebuilt says of people and approvals what the one that grew said."""
    from retention.archive import rebuild_archive_catalog
    from retention.services.progress import NoProgress

    def told() -> object:
        with world.opened(to_write=False) as stores:
            return stores.catalog.people.all(), stores.catalog.approvals.all(), list(stores.catalog.studies())

    before = told()
    rebuild_archive_catalog(world.root, NoProgress())
    assert told() == before
