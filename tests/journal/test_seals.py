"""Seals: what they say, what they continue, and what a changed one gives away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.journal.checkpoint import Signer
from retention.journal.merkle import leaf_hash, root_of
from retention.journal.seals import (
    Seal,
    check_chain,
    check_roots,
    links_for,
    make_seal,
    seal_key,
    size_of_key,
)
from retention.journal.trust import Trust, checkpoint_block

AT = datetime(2026, 1, 1, tzinfo=UTC)
LEAVES = [leaf_hash(str(number).encode()) for number in range(1000)]
SIGNER = Signer("retention/test", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = Signer("retention/test", Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1"))


def chain(days: int, signer: Signer = SIGNER, leaves: list[bytes] = LEAVES) -> list[Seal]:
    """One seal a day, two entries more each."""
    seals: list[Seal] = []
    for day in range(days):
        size = 2 * day + 1
        seals.append(make_seal(signer, size, root_of(leaves[:size]), AT + timedelta(days=day), seals))
    return seals


SEALS = chain(400)
ROOTS = {seal.size: root_of(LEAVES[: seal.size]) for seal in SEALS}


def test_a_seal_is_read_as_it_was_written():
    for seal in SEALS[::50]:
        assert Seal.parse(seal.note.encode()) == seal
    assert size_of_key(seal_key(12)) == 12
    assert size_of_key("seals/000000000012.tsr") is None


def test_a_seal_continues_the_one_before_and_those_of_a_month_and_a_year_ago():
    links = SEALS[399].links
    assert {name: link.size for name, link in links.items()} == {
        "previous": SEALS[398].size,
        "month": SEALS[369].size,
        "year": SEALS[34].size,
    }
    assert links["year"].digest == SEALS[34].digest
    assert links_for(AT, []) == {}


def test_a_sound_chain_over_a_sound_journal_has_no_problems():
    assert check_roots(ROOTS, 1000, SEALS) == []
    assert check_chain(SEALS, [SIGNER.verifier]) == []


@pytest.mark.parametrize("changed", [0, 7, 500, 798])
def test_an_entry_written_anew_is_found_and_the_first_that_may_be_bad_is_named(changed: int):
    leaves = [*LEAVES[:changed], leaf_hash(b"another"), *LEAVES[changed + 1 :]]
    roots = {seal.size: root_of(leaves[: seal.size]) for seal in SEALS}
    problems = check_roots(roots, 1000, SEALS)
    assert problems[0].first_bad is not None
    assert problems[0].first_bad <= changed < problems[0].size
    assert changed - problems[0].first_bad <= 2


def test_an_end_that_was_cut_off_is_found():
    (last,) = check_roots(ROOTS, SEALS[-1].size - 1, SEALS[-1:])
    assert (last.first_bad, last.size) == (SEALS[-1].size - 1, SEALS[-1].size)


@pytest.mark.parametrize("gone", [0, 5, 398])
def test_a_seal_that_was_taken_out_is_missed(gone: int):
    left = SEALS[:gone] + SEALS[gone + 1 :]
    assert any(problem.size == SEALS[gone].size for problem in check_chain(left, [SIGNER.verifier]))


def test_a_seal_that_was_exchanged_is_found_by_those_that_continue_it():
    forged = make_seal(SIGNER, SEALS[9].size, bytes(32), SEALS[9].sealed_at, SEALS[:9])
    problems = check_chain([*SEALS[:9], forged, *SEALS[10:]], [SIGNER.verifier])
    assert {problem.size for problem in problems} == {forged.size}


def test_another_key_is_none_of_ours():
    problems = check_chain(chain(3, OTHER), [SIGNER.verifier])
    assert [problem.detail for problem in problems] == ["no key that is known signed it"] * 3


def test_every_character_of_a_seal_counts():
    text = SEALS[40].note.encode()
    for at in range(len(text)):
        for other in ("x", "0"):
            if text[at] == other:
                continue
            try:
                found = Seal.parse(text[:at] + other + text[at + 1 :])
            except ValueError:
                continue
            assert check_chain([*SEALS[:40], found], [SIGNER.verifier]), (at, other)


def test_a_witness_changes_neither_digest_nor_what_is_stamped():
    witness = Signer("retention/other", Ed25519PrivateKey.from_private_bytes(bytes(31) + b"2"))
    from retention.journal.checkpoint import cosign

    signed = replace(SEALS[5], note=cosign(SEALS[5].note, witness))
    assert (signed.digest, signed.stamped) == (SEALS[5].digest, SEALS[5].stamped)


def test_a_trust_file_has_keys_certificates_and_checkpoints():
    text = f"# ours\n{SIGNER.verifier}\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    trust = Trust.parse(text + checkpoint_block(SEALS[3].note))
    assert trust.keys == [SIGNER.verifier]
    assert trust.certificates == [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    assert trust.seals == [SEALS[3]]


@pytest.mark.parametrize(
    "text", ["no key", "-----BEGIN SECRET-----\n-----END SECRET-----", "-----BEGIN CERTIFICATE-----"]
)
def test_what_is_none_of_these_is_refused(text: str):
    with pytest.raises(ValueError, match=r"key|what is|no end"):
        Trust.parse(text)
