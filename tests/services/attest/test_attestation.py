"""Attestations: each verifies alone, says KO where it is so, names no patient, and is known to the journal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from retention.journal.checkpoint import sign
from retention.model.canonical import canonical_json
from retention.model.errors import NotFoundError
from retention.reports.standalone.verdict import Trusted, Verdict, read_trust
from retention.reports.standalone.verify_report import verify
from retention.services.attest.attestation import ATTESTATION_MADE, Attestation, Kind, attest, attestation_pdf
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from retention.services.seal import seal_journal
from retention.services.signing import archive_signer
from tests.journal.tsa import authority
from tests.services.world import World, flip

UID = "1.2.840.99.1"


def attested(world: World, kind: Kind, url: str | None = None) -> Attestation:
    with world.opened() as stores:
        object.__setattr__(stores.settings, "timestamp_url", url)
        return attest(stores, kind, UID, None, "en")


def checked(made: Attestation, folder: Path, data: bytes | None = None) -> Verdict:
    path = folder / "attestation"
    path.write_bytes(made.data if data is None else data)
    return verify(path, Trusted([made.signing_key]))


def give_back(world: World) -> None:
    with world.opened() as stores:
        study = stores.catalog.study(UID)
        assert not export_study(stores, study, world.root.parent / "given", NoProgress()).failures


@pytest.mark.parametrize("kind", ["deposit", "integrity", "restitution"])
def test_it_verifies_alone_and_names_no_patient(held: World, tmp_path: Path, kind: Kind):
    give_back(held)
    with held.opened() as stores:
        seal_journal(stores)
        made = attest(stores, kind, UID, None, "fr")
        pdf = attestation_pdf(stores, made, "fr")
        last = list(stores.journal.read(0))[-1].envelope
    assert (last.action, last.data["digest"]) == (ATTESTATION_MADE, hashlib.sha256(made.data).hexdigest())
    for data in (made.data, pdf):
        found = checked(made, tmp_path, data)
        assert (found.problems, found.trusted, found.about, found.failed_checks) == ([], True, kind, [])
    assert b"IPP-1" not in made.data
    assert {one["actor"] for one in json.loads(made.data)["attestation"]["packages"]} == {"retention"}
    objects = json.loads(made.data)["attestation"]["instances"]
    sent = {hashlib.sha256(data).hexdigest() for name, data in held.sent.items() if name.startswith("hot")}
    assert {one["sha256"] for one in objects} == sent


def test_no_byte_of_it_can_be_changed(held: World, tmp_path: Path):
    with held.opened() as stores:
        seal_journal(stores)
        made = attest(stores, "deposit", UID, None, "en")
        pdf = attestation_pdf(stores, made, "en")
    for data, step in ((made.data, 61), (pdf, len(pdf) // 60)):
        for place in range(0, len(data), step):
            changed = bytearray(data)
            changed[place] ^= 1
            assert not checked(made, tmp_path, bytes(changed)).valid, place


def test_what_is_damaged_is_ko_and_the_statement_of_it_is_valid(held: World, tmp_path: Path):
    for shard in held.shards("hot-a", "hot-b"):
        flip(shard, 700)
    made = attested(held, "integrity")
    assert "LOCAL_INTEGRITY" in made.failed
    found = checked(made, tmp_path)
    assert (found.valid, found.failed_checks) == (True, ["LOCAL_INTEGRITY"])


def test_damage_that_the_copies_make_good_is_ok(held: World):
    (shard,) = held.shards("hot-a")
    flip(shard, shard.stat().st_size // 2)
    assert attested(held, "integrity").failed == ()


def test_seals_and_timestamps_go_with_it(held: World, tmp_path: Path):
    with authority(tmp_path / "tsa") as tsa:
        with held.opened() as stores:
            object.__setattr__(stores.settings, "timestamp_url", tsa.url)
            seal_journal(stores)
        made = attested(held, "deposit", tsa.url)
    results = {one["check"]: one["result"] for one in json.loads(made.data)["attestation"]["checks"]}
    assert results == {"MERKLE_INTEGRITY": "OK", "CHAIN": "OK", "TIMESTAMP": "OK"}
    assert made.is_timestamped
    found = checked(made, tmp_path)
    assert (found.trusted, found.seals, found.timestamps, found.stamped_by_trusted) == (True, 1, 2, 0)
    trust = tmp_path / "trust"
    trust.write_text(f"{made.signing_key}\n{tsa.root.decode()}")
    assert verify(tmp_path / "attestation", read_trust(trust)).stamped_by_trusted == 2


def test_what_was_never_given_back_is_not_attested(held: World):
    with pytest.raises(NotFoundError, match="never given back"):
        attested(held, "restitution")


def test_a_statement_about_another_package_is_refused_though_it_is_signed(held: World, tmp_path: Path):
    made = attested(held, "deposit")
    whole = json.loads(made.data)
    whole["attestation"]["packages"][0]["manifest"] = "00" * 32
    with held.opened() as stores:
        signer = archive_signer(stores)
    digest = hashlib.sha256(canonical_json(whole["attestation"])).hexdigest()
    whole["note"] = sign(f"retention/attestation/v1\n{digest}\n-\n", signer).encode()
    assert "commits to" in checked(made, tmp_path, canonical_json(whole)).problems[0]
