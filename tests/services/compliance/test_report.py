"""The compliance report: it balances, says what is wrong as loudly as what is right, and is made the same way twice."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retention.model.canonical import canonical_json
from retention.model.errors import UsageError
from retention.reports.pdf import typeset, words
from retention.reports.standalone.verdict import Trusted, read_trust
from retention.reports.standalone.verify_report import verify
from retention.reports.tables import tables
from retention.services.compliance.contents import NOT_CHECKED, contents
from retention.services.compliance.gather import gather
from retention.services.compliance.history import Amount
from retention.services.compliance.metering import GONE, metered
from retention.services.compliance.report import REPORT_MADE, bundle_files, make_report
from retention.services.seal import seal_journal
from tests.journal.tsa import authority
from tests.services.world import flip

FIRST, LAST = date(2020, 1, 1), date(2999, 12, 31)


def document(world, first: date = FIRST, last: date = LAST, institution: str | None = None):
    with world.opened() as stores:
        return contents(gather(stores, first, last, institution, "en"))


def amounts(world, **kwargs):
    balance = document(world, **kwargs)["holdings"]["balance"]
    return {part: balance[part]["instances"] for part in ("opening", "arrived", "gone", "closing")}


def test_opening_and_what_came_less_what_left_is_the_closing(held):
    assert amounts(held) == {"opening": 0, "arrived": 5, "gone": 0, "closing": 5}
    assert amounts(held, first=date(2998, 1, 1)) == {"opening": 5, "arrived": 0, "gone": 0, "closing": 5}
    assert amounts(held, last=date(2020, 1, 2)) == {"opening": 0, "arrived": 0, "gone": 0, "closing": 0}
    assert document(held)["holdings"]["balance"]["closing"]["studies"] == 2


def test_another_institution_has_none_of_it(held):
    with held.opened() as stores:
        from retention.model.layout import InstitutionSpec
        from retention.services import institutions

        institutions.add(stores, InstitutionSpec("cochin"))
    found = document(held, institution="cochin")
    assert found["holdings"]["balance"]["closing"]["instances"] == 0
    assert found["holdings"]["by_tier"] == []
    assert found["retention"]["states"] == []


def test_what_was_given_out_is_counted_once_though_it_was_announced_before(held):
    held.export()
    exports = document(held)["access"]["exports"]
    with held.opened() as stores:
        told = [
            entry.envelope.data for entry in stores.journal.read() if entry.envelope.action == "study.export"
        ]
    assert exports == sum(not data.get("intent") for data in told) == len(told) // 2 > 0


def exceptions(world) -> dict[str, int]:
    return {one["what"]: one["number"] for one in document(world)["exceptions"]}


def test_what_needs_attention_is_said(held):
    assert exceptions(held)["no_audit"] == 1
    held.audit()
    assert "no_audit" not in exceptions(held)
    flip(held.shards("cold-1")[0], 200_000 if held.shards("cold-1")[0].stat().st_size > 200_000 else 600)
    held.audit(repair=False)
    found = exceptions(held)
    assert found["unrepaired"] == 1
    assert found["flawed_shards"] == 1
    held.audit()
    found = document(held)
    assert found["fixity"]["repaired"] == 1
    assert [incident["volume"] for incident in found["fixity"]["incidents"]] == ["cold-1", "cold-1"]


def test_every_limit_and_every_exception_has_words_in_both_languages(held):
    english, french = words("en"), words("fr")
    assert english.keys() == french.keys()
    assert english["limit"].keys() == french["limit"].keys()
    assert english["exception"].keys() == french["exception"].keys()
    assert set(NOT_CHECKED) <= english["limit"].keys()


def test_the_same_document_gives_the_same_bytes(held):
    with held.opened() as stores:
        gathered = gather(stores, FIRST, LAST, None, "fr")
    text = canonical_json(contents(gathered))
    assert canonical_json(contents(gathered)) == text
    assert typeset(text, "fr", gathered.identity.made_at) == typeset(text, "fr", gathered.identity.made_at)
    assert tables(contents(gathered)) == tables(json.loads(text))
    whole = bundle_files(contents(gathered), gathered)
    assert bundle_files(json.loads(text), gathered) == whole
    assert {"report.json", "report.pdf", "journal/checkpoint.note", "verify_report.py"} <= whole.keys()


def test_a_bundle_is_valid_is_journaled_and_shows_no_patient(held, tmp_path: Path):
    with held.opened() as stores:
        made = make_report(stores, FIRST, LAST, tmp_path / "B", language="en")
        last = list(stores.journal.read(0))[-1].envelope
    assert (last.action, last.data["bundle"]) == (REPORT_MADE, made.digest)
    found = verify(made.folder, Trusted([made.signing_key]))
    assert found.problems == []
    assert found.trusted
    everything = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    for secret in (b"1.2.840.99.1", b"IPP-2", b"IPP-1"):
        assert secret not in everything
    assert (made.folder / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_period_that_ends_before_it_begins_is_refused(held, tmp_path: Path):
    with held.opened() as stores, pytest.raises(UsageError):
        make_report(stores, LAST, FIRST, tmp_path / "B", language="en")
    assert not (tmp_path / "B").exists()


def nested(words_of: dict[str, object], path: str = "") -> set[str]:
    """Every key of the words, those of tables below others too."""
    found: set[str] = set()
    for name, value in words_of.items():
        found |= nested(value, f"{path}{name}.") if isinstance(value, dict) else {path + name}
    return found


def test_both_languages_have_the_same_words():
    assert nested(words("en")) == nested(words("fr"))


def test_a_seal_and_its_timestamp_go_with_the_report(held, tmp_path: Path):
    with authority(tmp_path / "tsa") as tsa, held.opened() as stores:
        object.__setattr__(stores.settings, "timestamp_url", tsa.url)
        seal_journal(stores)
        made = make_report(stores, FIRST, LAST, tmp_path / "B", language="en")
    assert made.is_timestamped
    trust = tmp_path / "trust"
    trust.write_text(f"{made.signing_key}\n{tsa.root.decode()}")
    found = verify(made.folder, read_trust(trust))
    assert (found.trusted, found.seals, found.timestamps, found.stamped_by_trusted) == (True, 1, 2, 2)
    report = json.loads((made.folder / "report.json").read_text())
    assert report["journal"]["sealing"]["authority"] == "answered"
    assert "timestamp" not in report["not_checked"]


def test_an_authority_that_is_away_is_said(held, tmp_path: Path):
    with held.opened() as stores:
        object.__setattr__(stores.settings, "timestamp_url", "http://127.0.0.1:9/")
        made = make_report(stores, FIRST, LAST, tmp_path / "B", language="en")
    assert not made.is_timestamped
    assert any("did not answer" in one for one in made.exceptions)
    assert verify(made.folder, Trusted([made.signing_key])).trusted


def test_metering_is_the_journal_and_what_was_destroyed_stays_counted(held):
    found = document(held)["metering_totals"]
    assert [(one["tier"], one["exams"], one["instances"]) for one in found] == [("cold", 1, 2), ("hot", 1, 3)]
    assert all(one["stored_at_end"] > 0 for one in found)
    with held.opened() as stores, stores.catalog.figures() as figures:
        instant = datetime(2999, 1, 1, tzinfo=UTC)
        known = {
            (one.month, one.tier, one.institution_id): one for one in figures.metering(instant).arrived()
        }
        more = {
            key: Amount(9, one.instances + 4, one.bytes_in + 5, one.exams + 1) for key, one in known.items()
        }
        rows = metered(figures.metering(instant), more)
        less = metered(figures.metering(instant), {})
    gone = [one for one in rows.rows.values() if one.modality == GONE]
    assert {(one.exams, one.instances, one.bytes_in) for one in gone} == {(1, 4, 5)}
    assert (rows.disagreements, less.disagreements) == (0, len(known))
