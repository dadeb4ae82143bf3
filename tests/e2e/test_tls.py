"""TLS on the DICOM port: who calls shows a certificate, and it must be one of the institution that is claimed."""

import subprocess

import pytest

from tests.e2e.serving import Served, serving


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """An authority, and certificates for the archive, a CT of necker, and a stranger of the same authority."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    for name in ("archive", "ct1.necker", "stranger"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    tls = f"{{certificate: {keys}/archive.pem, key: {keys}/archive.key, clients: {keys}/ca.pem}}"
    access = "access: {certificates: {necker: {ct1.necker: [ingest, reader]}}}\n"
    listeners = f"\nlisteners: {{dimse: {{host: 0.0.0.0, port: PORT, tls: {tls}}}}}\n{access}"
    with serving(Served.make(tmp_path_factory.mktemp("tls"), listeners)) as served:
        yield served


def echo(served, keys, name):
    tls = ["+tls", str(keys / f"{name}.key"), str(keys / f"{name}.pem"), "+cf", str(keys / "ca.pem")]
    return served.dcmtk("echoscu", *tls)


def test_who_proves_to_be_of_the_institution_is_served_beyond_this_machine(served, keys):
    done = echo(served, keys, "ct1.necker")
    assert done.returncode == 0, done.stderr


def test_a_certificate_of_nobody_is_refused_though_the_authority_signed_it(served, keys):
    done = echo(served, keys, "stranger")
    assert "Calling AE Title Not Recognized" in done.stderr


def test_without_a_certificate_nothing_is_said(served):
    assert served.dcmtk("echoscu").returncode != 0
    assert served.dcmtk("echoscu", "+tla").returncode != 0
