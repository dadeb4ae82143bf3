"""Registering people: who may, what is refused, and what nobody can find in public data."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.model.errors import (
    NotFoundError,
    RefusedError,
    RoleMissingError,
    SignatureMissingError,
    UsageError,
)
from retention.services import institutions, people, registry
from retention.services.registry import NewPerson
from retention.signatures.signer import FileSigner
from tests.services.acting import Cast, rebuilt_equal, rehearsal


@pytest.fixture
def cast(held):
    """A production archive with an administrator."""
    made = Cast(held)
    made.register("Anne Admin", "administrator")
    return made


def test_the_first_administrator_is_registered_by_whoever_has_the_root_key_the_next_by_that_one(cast):
    cast.register("Bob", "archivist", by="Anne Admin")
    with cast.acting("Bob") as stores:
        assert people.require_role(stores, None, "archivist").name == "Bob"
        with pytest.raises(RoleMissingError, match="Bob does not have the role administrator"):
            registry.add(stores, NewPerson("Eve", roles=("administrator",)))
    with cast.acting(None) as stores, pytest.raises(RoleMissingError, match="nobody acts"):
        registry.add(stores, NewPerson("Eve"))
    with cast.acting("Anne Admin", signs=False) as stores, pytest.raises(SignatureMissingError):
        registry.add(stores, NewPerson("Eve"))
    rebuilt_equal(cast.world)


def test_a_key_of_somebody_else_proves_nothing(cast):
    cast.register("Bob", "archivist", by="Anne Admin")
    cast.keys["Anne Admin"] = cast.keys["Bob"]
    with (
        cast.acting("Anne Admin") as stores,
        pytest.raises(SignatureMissingError, match="not the registered key"),
    ):
        registry.change_roles(stores, "Bob", (), ["administrator"], ())


def test_a_key_alone_says_who_acts(cast):
    with cast.world.opened() as stores:
        signer = cast.keys["Anne Admin"]
        stores.open_signer = lambda: signer
        assert people.acting(stores).name == "Anne Admin"
        assert stores.actor.startswith("person-")
    with cast.world.opened() as stores:
        stores.open_signer = lambda: FileSigner(Ed25519PrivateKey.generate())
        with pytest.raises(SignatureMissingError, match="belongs to nobody"):
            people.acting(stores)


def test_roles_count_where_they_were_given(cast):
    cast.register("Bob", "archivist", by="Anne Admin", institutions=("necker",))
    with cast.acting("Bob") as stores:
        necker = institutions.find(stores, "necker").institution_id
        assert people.require_role(stores, necker, "archivist").record is not None
        with pytest.raises(RoleMissingError, match="in the whole archive"):
            people.require_role(stores, None, "archivist")
    with cast.acting("Anne Admin") as stores:
        registry.change_roles(stores, "Bob", [necker], ["director"], ["archivist"])
        with pytest.raises(UsageError, match="does not have the role archivist"):
            registry.change_roles(stores, "Bob", [necker], (), ["archivist"])
        assert registry.find(stores, "Bob").roles == ((necker, "director"),)
        registry.change_roles(stores, "Bob", [necker], ["archivist"], ())
        assert registry.find(stores, "Bob").roles == ((necker, "archivist"), (necker, "director"))
    rebuilt_equal(cast.world)


def test_there_is_always_an_administrator_who_can_prove_it(held):
    cast = Cast(held)
    with cast.acting(None) as stores, pytest.raises(UsageError, match="needs a key"):
        registry.add(stores, NewPerson("Anne Admin", roles=("administrator",)))
    cast.register("Anne Admin", "administrator")
    with cast.acting("Anne Admin") as stores:
        with pytest.raises(RefusedError, match="last administrator"):
            registry.change_roles(stores, "Anne Admin", (), (), ["administrator"])
        registry.add(stores, NewPerson("Bob"))
        with pytest.raises(UsageError, match="needs a key"):
            registry.change_roles(stores, "Bob", (), ["administrator"], ())


def test_nobody_has_two_names_or_somebody_elses_key(cast):
    with cast.acting("Anne Admin") as stores:
        key = cast.keys["Anne Admin"].public
        with pytest.raises(UsageError, match="is registered already"):
            registry.add(stores, NewPerson("  Anne   Admin "))
        with pytest.raises(UsageError, match="this is the key of Anne Admin"):
            registry.add(stores, NewPerson("Eve", public_key=key))
        registry.add(stores, NewPerson("Bob"))
        with pytest.raises(UsageError, match="this is the key of Anne Admin"):
            registry.set_key(stores, "Bob", key)


def test_another_key_replaces_the_first(cast):
    cast.register("Bob", "archivist", by="Anne Admin")
    lost, new = cast.keys["Bob"], FileSigner(Ed25519PrivateKey.generate())
    with cast.acting("Anne Admin") as stores:
        registry.set_key(stores, "Bob", new.public)
    with cast.acting("Bob") as stores, pytest.raises(SignatureMissingError):
        people.require_role(stores, None, "archivist")
    cast.keys["Bob"] = new
    assert lost.public != new.public
    with cast.acting("Bob") as stores:
        people.require_role(stores, None, "archivist")
    rebuilt_equal(cast.world)


@pytest.mark.parametrize("role", ["archivst", "Director", "", "administrators", "a b"])
def test_a_mistyped_role_is_told(cast, role):
    with cast.acting("Anne Admin") as stores, pytest.raises(UsageError):
        registry.add(stores, NewPerson("Bob", roles=(role,)))


def test_who_is_not_registered_is_not_found(cast):
    with cast.acting(None) as stores, pytest.raises(NotFoundError) as told:
        registry.find(stores, "Anne Admn")
    assert told.value.hint == "did you mean Anne Admin?"


def test_no_name_address_or_key_stands_in_public_data(cast):
    with cast.acting("Anne Admin") as stores:
        registry.add(stores, NewPerson("Bob Bobson", email="bob@example.org", public_key=None))
    key = cast.keys["Anne Admin"].public
    lines = b"".join(path.read_bytes() for path in cast.world.files(suffix=".envelopes"))
    assert b"person.add" in lines
    for secret in (b"Bob", b"Anne", b"example.org", key.raw.hex().encode(), key.line.split()[1].encode()):
        assert secret not in lines


def test_every_signature_in_the_journal_verifies_and_for_nothing_else(cast):
    cast.register("Bob", "archivist", by="Anne Admin", institutions=("necker",))
    with cast.acting("Anne Admin") as stores:
        necker = institutions.find(stores, "necker").institution_id
        registry.change_roles(stores, "Bob", [necker], ["director"], ())
        registry.set_key(stores, "Bob", FileSigner(Ed25519PrivateKey.generate()).public)
        entries = [e.envelope for e in stores.journal.read(0) if e.envelope.data.get("by") is not None]
        assert [e.action for e in entries] == ["person.add", "person.role", "person.key"]
        anne, bob = cast.keys["Anne Admin"].public.raw, cast.keys["Bob"].public.raw
        for envelope in entries:
            assert people.is_signed(envelope, stores.archive_id, anne)
            assert not people.is_signed(envelope, stores.archive_id, bob)
            assert not people.is_signed(envelope, "0" * 32, anne)


def test_a_rehearsal_believes_what_is_declared(folder):
    cast = Cast(rehearsal(folder))
    cast.register("Anne Admin", "administrator", key=False)
    cast.register("Bob", "archivist", by="Anne Admin", key=False)
    with cast.acting("Bob") as stores:
        assert people.require_role(stores, None, "archivist").method is people.Method.DECLARED


def test_without_anybody_registered_one_person_may_do_what_one_person_may(held):
    with held.opened() as stores:
        assert people.require_role(stores, None, "archivist").person_id is None
