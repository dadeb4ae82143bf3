"""TLS on the DICOM port: who calls shows a certificate, and it must be one of the institution that is claimed."""

import pytest

from tests.e2e.serving import Served, serving
from tests.services.instances import instance


@pytest.fixture(scope="module")
def served(tmp_path_factory, certificates):
    own = f"certificate: {certificates}/archive.pem, key: {certificates}/archive.key"
    access = "access: {certificates: {necker: {ct1.necker: [ingest], viewer.necker: [reader]}}}\n"
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


def test_a_role_may_what_it_is_for(served, certificates, tmp_path):
    (tmp_path / "a.dcm").write_bytes(instance(1))

    def call(name, tool, *arguments):
        own = [certificates / f"{name}.key", certificates / f"{name}.pem"]
        done = served.dcmtk(tool, "-d", "+tls", *own, "+cf", certificates / "ca.pem", *arguments)
        return "0x0124" in done.stderr + done.stdout or "NotAuthorized" in done.stderr + done.stdout

    query = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
    assert not call("ct1.necker", "storescu", tmp_path / "a.dcm")
    assert call("viewer.necker", "storescu", tmp_path / "a.dcm")
    assert not call("viewer.necker", "findscu", *query)
    assert call("ct1.necker", "findscu", *query)


def test_a_certificate_of_nobody_is_refused_though_the_authority_signed_it(served, certificates):
    done = echo(served, certificates, "stranger")
    assert "Calling AE Title Not Recognized" in done.stderr


def test_without_a_certificate_nothing_is_said(served):
    assert served.dcmtk("echoscu").returncode != 0
    assert served.dcmtk("echoscu", "+tla").returncode != 0
