"""The write-once rules hold in the database itself: raw SQL, with or without tricks, cannot break them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from retention.catalog.approvals import ApproverRecord, GivenRecord, RequestRecord
from retention.catalog.audit_records import AuditDayRecord, AuditRunRecord, AuditSampleRecord
from retention.catalog.catalog import Catalog
from retention.catalog.credentials import CredentialKind, CredentialRecord
from retention.catalog.declaring import METADATA
from retention.catalog.disposal_records import (
    BuriedPackage,
    CertificateRecord,
    ProposalRecord,
    TombstoneRecord,
)
from retention.catalog.holds import HoldRecord, HoldScope
from retention.catalog.people import PersonRecord
from retention.catalog.policy_records import PolicyRecord
from retention.catalog.recalls import RecallProgress, RecallRecord
from retention.catalog.records import QuarantinedRecord
from retention.catalog.schema import GUARDS
from retention.catalog.transaction import Transaction
from retention.model.errors import WriteOnceError
from retention.model.identifiers import KeyId, PackageId
from tests.catalog.making import (
    AT,
    COLD,
    DAY,
    digest,
    institution,
    keep,
    package,
    package_id,
    quarantine,
    scratch,
    shards,
    study,
)

FROZEN = {
    "institution": ("id", "institution_id", "sequence"),
    "volume": ("id", "name"),
    "study": ("id", "institution_row", "study_uid", "received_at"),
    "series": ("id", "study_row", "series_uid"),
    "package": (
        "id",
        "package_id",
        "institution_row",
        "study_row",
        "kind",
        "tier",
        "data",
        "parity",
        "format",
        "instances",
        "bytes_received",
        "bytes_stored",
        "index_root",
        "manifest_digest",
        "key_id",
        "sequence",
        "created_at",
        "supersedes_row",
    ),
    "shard": ("package_row", "number"),
    "hidden": ("institution_row", "study", "digest", "code", "sequence"),
    "instance": ("institution_row", "digest", "variant", "package_row", "ordinal"),
    "quarantined": ("package_row", "ordinal", "reason", "detail", "source", "size_bytes"),
    "state": ("key",),
    "policy": ("id", "digest", "kind", "name", "version", "document", "source"),
    "policy_force": ("id", "policy_row", "sequence", "from_at"),
    "enactment": ("id", "institution_row", "policy_row", "from_at"),
    "recall": (
        "id", "recall_id", "urgency", "reason", "asked_by", "moving_to", "sequence", "requested_at",
    ),
    "hold": (
        "id", "hold_id", "institution_row", "scope", "study_uid", "patient_id", "issuer", "query", "placed_by",
        "placed_at", "sequence", "key_id", "key_segment",
    ),
    "person": ("id", "person_id", "added_at", "sequence"),
    "person_role": ("id", "person_row", "institution_row", "role"),
    "credential": ("id", "credential_id", "kind", "grants", "made_at", "until_at", "sequence"),
    "approval_request": (
        "id", "request_id", "kind", "institution_row", "subject", "digest", "asked_by", "asked_at", "sequence",
    ),
    "approval_given": ("id", "request_row", "sequence", "approver", "person", "method", "given_at"),
    "proposal": ("id", "proposal_id", "institution_row", "for_on", "made_at", "digest", "sequence"),
    "tombstone": (
        "id", "sequence", "institution_row", "proposal_row", "study_row", "study", "disposed_at", "disposed_on",
        "rule", "keep_until_on", "decision", "patient_keys", "instances", "bytes_received",
    ),
    "buried": ("id", "package_id", "tombstone_row", "key_id"),
    "certificate": ("id", "number", "proposal_row", "sequence", "issued_at", "document"),
    "lease": ("name",),
    "audit_run": (
        "sequence", "at", "mode", "packages", "shards", "bytes_read", "milliseconds", "flawed", "findings", "lost",
    ),
    "audit_day": ("day", "sequence", "results", "bytes_read", "digest"),
    "audit_sample": ("tier", "round", "sequence", "began_at", "seed", "packages", "among"),
}  # fmt: skip
MUTABLE: dict[str, tuple[str, ...]] = {
    "audit_run": (),
    "audit_day": (),
    "audit_sample": (),
    "hidden": (),
    "institution": ("name", "title", "entity", "timezone", "plan", "ae_titles", "policies"),
    "volume": ("volume_id", "url", "site", "domain", "device", "is_mount", "state", "sequence"),
    "study": (
        "attributed_row", "patient_row", "other_patients",
        "patient_id", "issuer", "patient_name", "birth_date", "sex",
        "study_date", "study_time", "description", "accession_number",
        "institution_name", "department", "study_id", "referring_physician", "modalities", "sop_classes", "instances",
        "bytes_received", "state", "reason", "holds", "keep_until_on", "next_change_on", "is_stale", "plan_tier",
        "next_tier",
        "move_on", "accessed_on",
    ),
    "series": (
        "modality", "body_part", "description", "manufacturer", "number", "performed_date", "performed_time",
        "instances",
    ),
    "package": (
        "key_segment", "closed", "verified_at", "read_at", "lost",
        "superseded_row", "copy_of_row", "drop_at", "replaced", "replaced_bytes",
    ),
    "shard": ("generation", "volume_row", "size_bytes", "state", "verified_at"),
    "instance": (),
    "quarantined": (),
    "state": ("value",),
    "policy": (),
    "policy_force": ("until_at", "is_retired"),
    "enactment": ("place", "until_at", "succeeded_on", "is_retired"),
    "hold": ("owner", "reason", "reassess_on", "released_at"),
    "recall": ("state", "study_row", "ready_at", "until_at"),
    "proposal": ("counts", "studies", "terms", "state"),
    "tombstone": (),
    "buried": ("key_segment", "remains"),
    "certificate": (),
    "person": ("name", "email", "public_key", "institutions"),
    "person_role": ("is_held",),
    "credential": ("name", "secret", "locked_at"),
    "approval_request": ("approvers", "excluded", "summary", "body", "state", "reason", "closed_at"),
    "approval_given": ("visa",),
    "lease": ("holder", "token", "until_at"),
}  # fmt: skip
KEPT = sorted(FROZEN)


@cache
def guarded() -> bytes:
    """A catalog with a row in every guarded table, a superseded package and a repaired one among them."""
    superseding = package(2, study=study(1), supersedes=package_id(1), digests=((digest(1, 0), 0),))
    item = QuarantinedRecord(0, "no-identity", "", "a.dcm", 5)
    repaired = tuple(replace(shard, generation=3) for shard in shards(COLD))
    with scratch() as catalog:
        keep(catalog, package(1), superseding, package(3, shards=repaired), quarantine(4, item))
        asked = RecallRecord(
            "r" * 32, None, None, RecallProgress.REQUESTED, "soon", "why", "who", AT, None, None
        )
        with catalog.transaction() as tx:
            tx.recalls.request(asked, package_id(3), 70)
            tx.recalls.cancel(asked.recall_id, AT)
            tx.audits.run(AuditRunRecord(71, AT, "all", 1, 2, 3, 4, 0, 0, 0))
            tx.audits.day(AuditDayRecord(AT.date(), 72, 2, 3, bytes(32)))
            tx.audits.sample(AuditSampleRecord("glacier", 0, 73, AT, bytes(32), 1, 4))
            tx.record_institution(institution(policies=("p",)))
            tx.hide_instances(institution().institution_id, bytes(32), [digest(1, 0)], ("113001", 5))
            for number in (1, 2):
                version = PolicyRecord(f"{number:064x}", "RetentionPolicy", "p", number, "{}", "")
                tx.policies.put_in_force(
                    version, effective_on=None, sequence=number, at=AT + number * DAY, retires=False
                )
            tx.holds.place(
                HoldRecord(
                    "d" * 32,
                    package(1).institution_id,
                    HoldScope.STUDY,
                    "o",
                    "r",
                    AT.date(),
                    None,
                    AT,
                    1,
                    "1.2",
                )
            )
            tx.people.register(
                PersonRecord("e" * 32, "Anne", None, bytes(32), (), AT, 1, ((None, "director"),))
            )
            tx.credentials.add(
                CredentialRecord("c" * 16, CredentialKind.TOKEN, "viewer", bytes(32), (), AT, AT, AT, 1)
            )
            approver = ApproverRecord("director")
            tx.approvals.file(
                RequestRecord(
                    "f" * 32, "fact", None, "a" * 32, "b" * 64, (approver,), "e" * 32, (), AT, "what", {}, 1
                )
            )
            tx.approvals.give("f" * 32, GivenRecord("director", "e" * 32, "signature", AT, 2))
            _dispose(tx)
        catalog.jobs.take_lease("scheduler", "somebody", AT, DAY)
        catalog.close()
        return Path(catalog._database.place).read_bytes()


def _dispose(tx: Transaction) -> None:
    """A disposal of a study that lies nowhere else in this catalog."""
    owner, day = institution().institution_id, date(2026, 1, 1)
    tx.disposals.propose(ProposalRecord("1" * 32, owner, day, AT, "d" * 64, {}, (), {}, 3))
    buried = BuriedPackage(PackageId("9" * 32), KeyId("8" * 32), 1, ())
    tx.disposals.bury(TombstoneRecord("7" * 64, owner, "1" * 32, AT, day, "p/r", day, 1, 1, 4, (buried,)))
    tx.disposals.certify(CertificateRecord("2026-1", "1" * 32, AT, "{}", 5))


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as a stranger opens it: no pragma, no foreign keys, no recursive triggers."""
    (tmp_path / "catalog.db").write_bytes(guarded())
    connection = sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    yield connection
    connection.close()


def sql(*words: object) -> str:
    return " ".join(str(word) for word in words)


def snapshot(raw: sqlite3.Connection) -> list[str]:
    return list(raw.iterdump())


def refused(raw: sqlite3.Connection, statement: str) -> None:
    before = snapshot(raw)
    with pytest.raises(sqlite3.IntegrityError, match="write-once:"):
        raw.execute(statement)
    assert snapshot(raw) == before


def test_every_column_is_decided_to_be_frozen_or_not():
    decided = {table: {*FROZEN[table], *MUTABLE[table]} for table in FROZEN}
    guarded = {guard.table for guard in GUARDS if guard.event == "DELETE"}
    declared = {t.name: set(t.columns.keys()) for t in METADATA.tables.values() if t.name in guarded}
    assert decided == declared


@pytest.mark.parametrize("how", ["UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"])
@pytest.mark.parametrize("table", FROZEN)
def test_what_identifies_never_changes(raw: sqlite3.Connection, table, how):
    for column in FROZEN[table]:
        refused(raw, sql(how, table, "SET", column, "= 7"))


@pytest.mark.parametrize("how", ["UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"])
@pytest.mark.parametrize("table", FROZEN)
def test_not_even_to_nothing(raw: sqlite3.Connection, table, how):
    before = snapshot(raw)
    for column in FROZEN[table]:
        with suppress(sqlite3.IntegrityError):
            raw.execute(sql(how, table, "SET", column, "= NULL WHERE", column, "IS NOT NULL"))
        assert snapshot(raw) == before, column


@pytest.mark.parametrize("table", ["institution", "volume", "study", "series", "package"])
def test_the_hidden_names_of_a_row_do_not_help(raw: sqlite3.Connection, table):
    for name in ("rowid", "oid", "_rowid_"):
        refused(raw, sql("UPDATE", table, "SET", name, "=", name, "+ 1000"))


@pytest.mark.parametrize("table", KEPT)
def test_rows_are_not_deleted(raw: sqlite3.Connection, table):
    refused(raw, sql("DELETE FROM", table))


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("how", ["REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT"])
def test_rows_are_not_replaced(raw: sqlite3.Connection, table, how):
    refused(raw, sql(how, "INTO", table, "SELECT * FROM", table))


@pytest.mark.parametrize(
    ("table", "columns", "values"),
    [
        ("institution", "id, institution_id, name", "99, institution_id, 'new'"),
        ("institution", "id, institution_id, name", "99, 'new', name"),
        ("volume", "id, name, volume_id", "99, name, 'new'"),
        ("volume", "id, name, volume_id", "99, 'new', volume_id"),
        ("study", "id, study_uid, institution_row", "99, study_uid, institution_row"),
        ("series", "id, study_row, series_uid", "99, study_row, series_uid"),
        ("package", "id, package_id", "99, package_id"),
        ("package", "id, package_id, supersedes_row", "99, 'new', 1"),
    ],
)
def test_nor_through_another_key_than_their_own(raw: sqlite3.Connection, table, columns, values):
    refused(raw, sql("REPLACE INTO", table, "(", columns, ") SELECT", values, "FROM", table))


@pytest.mark.parametrize(("table", "column"), [("institution", "name"), ("volume", "volume_id")])
def test_an_update_does_not_push_another_row_out(raw: sqlite3.Connection, table, column):
    first, last = (sql("(SELECT", part, "FROM", table, ")") for part in ("MIN(id)", "MAX(id)"))
    taken = sql("(SELECT", column, "FROM", table, "WHERE id =", first, ")")
    refused(raw, sql("UPDATE OR REPLACE", table, "SET", column, "=", taken, "WHERE id =", last))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE package SET closed = 0",
        "UPDATE recall SET state = 'ready'",
        "UPDATE credential SET locked_at = NULL",
        "UPDATE package SET superseded_row = NULL WHERE superseded_row IS NOT NULL",
        "UPDATE package SET superseded_row = 3 WHERE superseded_row IS NOT NULL",
        "UPDATE package SET copy_of_row = 1 WHERE id = 3",
        "UPDATE shard SET generation = generation - 1 WHERE package_row = 3",
        "UPDATE instance SET package_row = 3",
        "UPDATE instance SET ordinal = ordinal + 1",
        "UPDATE lease SET token = 0",
        "UPDATE lease SET holder = 'somebody else'",
        "UPDATE state SET value = 'other' WHERE key = 'archive_id'",
        "UPDATE state SET value = '-1' WHERE key = 'journal_size'",
    ],
)
def test_what_moves_moves_forward(raw: sqlite3.Connection, statement):
    raw.execute("INSERT INTO state VALUES ('journal_size', '10')")
    refused(raw, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shard SET state = 'fine'",
        "UPDATE shard SET state = 'unplaced'",
        "UPDATE shard SET volume_row = NULL",
        "UPDATE study SET state = 'FORGOTTEN'",
        "INSERT INTO instance VALUES (1, x'00', 0, 1, 0)",
        (
            "INSERT INTO package SELECT 9, 'new', 1, 1, 'quarantine', tier, data, parity, format, 0, 0, 0, index_root,"
            " manifest_digest, key_id, NULL, 9, created_at, 1, verified_at, verified_at, 0, NULL, NULL, 0, 0, NULL,"
            " NULL"
            " FROM package WHERE id = 3"
        ),
    ],
)
def test_what_cannot_be_true_is_refused(raw: sqlite3.Connection, statement):
    before = snapshot(raw)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        raw.execute(statement)
    assert snapshot(raw) == before


def test_numbers_are_compared_as_numbers(raw: sqlite3.Connection):
    raw.execute("INSERT INTO state VALUES ('journal_size', '9')")
    raw.execute("UPDATE state SET value = '10' WHERE key = 'journal_size'")
    refused(raw, "UPDATE state SET value = '9' WHERE key = 'journal_size'")


def test_the_shards_of_a_superseded_package_may_go(raw: sqlite3.Connection):
    raw.execute("DELETE FROM shard WHERE package_row = 1")
    assert raw.execute("SELECT COUNT(*) FROM shard WHERE package_row = 1").fetchone() == (0,)


@pytest.mark.parametrize("table", MUTABLE)
def test_what_is_not_frozen_can_be_written(raw: sqlite3.Connection, table):
    for column in MUTABLE[table]:
        raw.execute(sql("UPDATE", table, "SET", column, "=", column))


def test_guards_have_names_of_their_own():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_a_refusal_is_a_write_once_error_to_callers(catalog: Catalog):
    keep(catalog, package(1))
    with pytest.raises(WriteOnceError, match="not deleted"), catalog._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM package")
