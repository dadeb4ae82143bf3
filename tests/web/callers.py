"""Callers of tests: two hospitals, and what their people and machines show at the web door."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from retention.archive import add_institution
from retention.dicom.pixels.decoding import Decoding
from retention.model.identifiers import InstitutionId
from retention.model.layout import InstitutionSpec, WebSpec
from retention.services.identity import credentials
from retention.services.ingest.ingest import Ingest
from retention.services.progress import NoProgress
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores
from retention.web.app import make_app
from retention.web.door import Door, door_of
from tests.services.instances import instance
from tests.services.world import World
from tests.web.asking import Asking

OTHERS = "1.2.840.77.1"
"""A study that only the other hospital (pasteur) holds; its patient has the same Patient ID as one of necker's."""

NOBODYS = "1.2.840.88.1"


@dataclass
class TwoHospitals:
    """An archive of two hospitals, and a client of its web door."""

    stores: Stores
    client: Asking
    door: Door
    ids: dict[str, InstitutionId] = field(default_factory=dict)

    def token(self, institution: str | None, *roles: str) -> dict[str, str]:
        """Return the header that a new token is shown in."""
        places = [] if institution is None else [self.ids[institution]]
        until_at = self.stores.clock.now() + timedelta(days=1)
        made = credentials.create_token(self.stores, "test", places, roles, until_at)
        return {"Authorization": f"Bearer {made.token.text}"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def add_pasteur(world: World) -> None:
    """Make the other hospital, and let it hold a study."""
    with world.opened() as stores:
        other = add_institution(stores, InstitutionSpec("pasteur")).institution_id
        files = [
            world.send(f"pasteur-{number}.dcm", instance(number, study=OTHERS, patient="IPP-1"))
            for number in (1, 2)
        ]
        Ingest(stores, other, "hot", NoProgress(), 1).run(files)


@contextmanager
def behind_the_door(world: World, decoding: Decoding) -> Iterator[TwoHospitals]:
    with world.opened() as stores, Receiver(stores) as receiver:
        door = door_of(stores, WebSpec())
        ids = {each.spec.name: each.institution_id for each in stores.catalog.institutions()}
        yield TwoHospitals(stores, Asking(make_app(stores, receiver, decoding, door)), door, ids)
