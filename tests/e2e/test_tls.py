"""TLS on the DICOM port: who calls shows a certificate, and it must be one of the institution that is claimed."""

import pytest

from tests.e2e.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory, certificates):
    own = f"certificate: {certificates}/archive.pem, key: {certificates}/archive.key"
    access = "access: {certificates: {necker: {ct1.necker: [ingest, reader]}}}\n"
    tls = f"{{{own}, clients: {certificates}/ca.pem}}"
    listeners = f"\nlisteners: {{dimse: {{host: 0.0.0.0, port: PORT, tls: {tls}}}}}\n{access}"
    with serving(Served.make(tmp_path_factory.mktemp("tls"), listeners)) as served:
        yield served


def echo(served, certificates, name):
    own = [certificates / f"{name}.key", certificates / f"{name}.pem"]
    return served.dcmtk("echoscu", "+tls", *own, "+cf", certificates / "ca.pem")


def test_who_proves_to_be_of_the_institution_is_served_beyond_this_machine(served, certificates):
    done = echo(served, certificates, "ct1.necker")
    assert done.returncode == 0, done.stderr


def test_a_certificate_of_nobody_is_refused_though_the_authority_signed_it(served, certificates):
    done = echo(served, certificates, "stranger")
    assert "Calling AE Title Not Recognized" in done.stderr


def test_without_a_certificate_nothing_is_said(served):
    assert served.dcmtk("echoscu").returncode != 0
    assert served.dcmtk("echoscu", "+tla").returncode != 0
