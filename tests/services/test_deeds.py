"""Who did it is proven: policies, institutions, destructions; and a journal that says otherwise is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.journal.envelope import Entry
from retention.model.layout import InstitutionSpec
from retention.policy.loading import read_policy_file
from retention.services import institutions, policy_changes, registry
from retention.services.deeds import Deeds
from retention.services.entries.institutions import INSTITUTION_SET
from retention.services.entries.policies import POLICY_APPLY
from retention.services.payloads import PayloadReader
from retention.services.people import is_signed
from retention.services.verifying import verify_journal
from retention.signatures.signer import FileSigner
from tests.services.acting import Cast

POLICY = """\
apiVersion: retention/v1
kind: RetentionPolicy
name: {name}
version: 1
effective_on: 2000-01-01
review_by: 2090-01-01
title: {{en: "Twenty years"}}
legal_basis: {{text: "a test", checked_on: 2026-01-01, status: unverified}}
rules: [{{id: twenty, match: {{any: true}}, trigger: study_date, keep: P20Y}}]
"""


@pytest.fixture
def cast(held):
    made = Cast(held)
    made.register("Anne", "administrator")
    made.register("Bob", "archivist", by="Anne")
    return made


def apply_policy(stores, name="twenty"):
    file = read_policy_file(POLICY.format(name=name), f"{name}.yaml")
    policy_changes.apply(stores, policy_changes.propose(stores, [file]))


def entries(world, *actions):
    with world.opened(to_write=False) as stores:
        return [entry for entry in stores.journal.read(0) if entry.envelope.action in actions]


def test_a_policy_in_force_and_an_institution_changed_are_signed_by_who_did_it(cast):
    with cast.acting("Bob") as stores:
        apply_policy(stores)
        institutions.change(
            stores, InstitutionSpec("necker", "Hôpital Necker", policies=("twenty",), plan="standard")
        )
    found = [one.envelope for one in entries(cast.world, POLICY_APPLY, INSTITUTION_SET)][-2:]
    with cast.acting(None) as stores:
        for envelope in found:
            assert is_signed(envelope, stores.archive_id, cast.keys["Bob"].public.raw)
            assert not is_signed(envelope, stores.archive_id, cast.keys["Anne"].public.raw)
        verification = verify_journal(stores, None)
    assert verification.problems == []
    assert any("signatures of people" in text for text in verification.compared_with)


def test_a_signature_counts_with_the_key_of_its_time(cast):
    with cast.acting("Bob") as stores:
        apply_policy(stores)
    signer = FileSigner(Ed25519PrivateKey.generate())
    with cast.acting("Anne") as stores:
        registry.set_key(stores, "Bob", signer.public)
    cast.keys["Bob"] = signer
    with cast.acting("Bob") as stores:
        apply_policy(stores, "other")
        assert verify_journal(stores, None).problems == []


def test_another_word_another_person_or_no_key_is_told(cast):
    with cast.acting("Bob") as stores:
        apply_policy(stores)
    said = [*entries(cast.world, "person.add"), entries(cast.world, POLICY_APPLY)[-1]]

    def told(change) -> list[str | None]:
        with cast.acting(None) as stores:
            deeds = Deeds(stores.archive_id, PayloadReader(stores.keyring))
            return [deeds.wrong(entry) for entry in change]

    def changed(entry: Entry, **by: object) -> Entry:
        data = entry.envelope.data
        return replace(
            entry,
            envelope=replace(entry.envelope, data={**data, "by": {**data["by"], **by}}),  # type: ignore[dict-item]
        )

    *people, last = said
    anne = people[0].envelope.objects["person"]
    assert told(said) == [None] * len(said)
    assert "not over what it says" in str(told([*people, changed(last, digest="0" * 64)])[-1])
    assert "not over what it says" in str(told([*people, changed(last, person=anne)])[-1])
    assert "no key was registered" in str(told([last])[-1])
