"""Whose signature is inside a PDF: the operator's where files are named, the archive's otherwise, nobody's never."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from retention.model.errors import KeyUnavailableError
from retention.reports.standalone.stamps import check_pdf, is_exactly
from retention.reports.standalone.verdict import Trusted, read_trust
from retention.reports.standalone.verify_report import verify
from retention.services.compliance.report import make_report
from retention.services.signed_pdf import pdf_key
from retention.services.signing import archive_signer
from tests.services.world import World

FIRST, LAST = date(2020, 1, 1), date(2999, 12, 31)


@pytest.fixture
def operator(tmp_path: Path, monkeypatch) -> Path:
    """Return the certificate of an operator whose files are named."""
    call = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=operator",
        "-days",
        "30",
    ]
    subprocess.run(
        [*call, "-keyout", "key.pem", "-out", "cert.pem"], cwd=tmp_path, check=True, capture_output=True
    )
    monkeypatch.setenv("RETENTION_PDF_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("RETENTION_PDF_CERTIFICATE_FILE", str(tmp_path / "cert.pem"))
    return tmp_path / "cert.pem"


def test_without_files_it_is_the_archives_own(held: World, tmp_path: Path):
    with held.opened() as stores:
        public = archive_signer(stores).verifier.public
        made = make_report(stores, FIRST, LAST, tmp_path / "B", language="en")
    signed, is_judged = check_pdf((made.folder / "report.pdf").read_bytes())
    assert (signed.signer.public_bytes(), is_judged, is_exactly(signed)) == (public, True, True)


def test_an_operators_certificate_is_judged_and_its_issuer_asked_for(
    held: World, operator: Path, tmp_path: Path
):
    with held.opened() as stores:
        made = make_report(stores, FIRST, LAST, tmp_path / "B", language="en")
    signed, is_judged = check_pdf((made.folder / "report.pdf").read_bytes())
    assert (is_judged, is_exactly(signed)) == (True, True)
    about = "whose certificate report.pdf is signed with: its authority is not in the trust file"
    found = verify(made.folder, Trusted([made.signing_key]))
    assert found.trusted
    assert about in found.not_checked
    trust = tmp_path / "trust"
    trust.write_text(f"{made.signing_key}\n{operator.read_text()}")
    assert about not in verify(made.folder, read_trust(trust)).not_checked


@pytest.mark.parametrize("change", ["RETENTION_PDF_KEY_FILE", "RETENTION_PDF_CERTIFICATE_FILE"])
def test_files_that_cannot_be_used_are_told(held: World, operator: Path, monkeypatch, change: str):
    monkeypatch.setenv(change, str(operator.with_name("nothing.pem")))
    with held.opened() as stores, pytest.raises(KeyUnavailableError, match="PDF"):
        pdf_key(stores)


def test_a_certificate_of_another_key_is_refused(held: World, operator: Path, tmp_path: Path):
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    call = [
        "openssl",
        "req",
        "-x509",
        *new,
        "-nodes",
        "-subj",
        "/CN=o",
        "-keyout",
        "other",
        "-out",
        operator.name,
    ]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    with held.opened() as stores, pytest.raises(KeyUnavailableError, match="not that of their key"):
        pdf_key(stores)
