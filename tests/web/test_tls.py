"""HTTP with TLS: who the door is, who calls, and nothing older than BCP 195 has it."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import replace

import httpx
import pytest

from retention.model.errors import SettingsError
from retention.model.layout import AccessSpec, TlsSpec, WebSpec
from retention.services.tls import context_of
from retention.web import limits
from tests.services.instances import STUDY
from tests.web.callers import NOBODYS, TwoHospitals
from tests.web.serving import served

ACCESS = AccessSpec(
    {"necker": {"viewer.necker": ("reader",)}, "pasteur": {"viewer.pasteur": ("reader",)}}, {}
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """An authority, and certificates: of the door, of a viewer of each hospital, of a stranger; another authority's."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for authority in ("ca", "rogue"):
        openssl("req", "-x509", *new_key, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj",
                f"/CN={authority}", "-days", "2")  # fmt: skip
    for name, authority in (
        ("localhost", "ca"),
        ("viewer.necker", "ca"),
        ("stranger", "ca"),
        ("viewer.pasteur", "rogue"),
    ):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "names").write_text(f"subjectAltName=DNS:{name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                "-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", "names")  # fmt: skip
    return folder


def web(keys, *, requires: bool):
    tls = TlsSpec(
        str(keys / "localhost.pem"),
        str(keys / "localhost.key"),
        str(keys / "ca.pem"),
        requires_clients=requires,
    )
    return WebSpec(tls=tls)


@pytest.fixture(scope="module", params=[True, False], ids=["required", "optional"])
def place(request, hospitals_template, tmp_path_factory, decoding, keys):
    world = hospitals_template.copy(tmp_path_factory.mktemp("tls"))
    patch = pytest.MonkeyPatch()
    patch.setattr(limits, "HANDSHAKE_S", 1.0)
    spec = web(keys, requires=request.param)
    with world.opened() as stores:
        stores.settings = replace(stores.settings, access=ACCESS, web=spec)
        ids = {each.spec.name: each.institution_id for each in stores.catalog.institutions()}
        with served(stores, decoding, spec) as (_, port):
            token = TwoHospitals.token(TwoHospitals(stores, None, None, ids), "pasteur", "reader")  # type: ignore[arg-type]
            yield f"https://localhost:{port}", request.param, token
    patch.undo()


def ask(keys, url, name=None, headers=None, **options):
    context = ssl.create_default_context(cafile=keys / "ca.pem")
    for option, value in options.items():
        setattr(context, option, value)
    if name is not None:
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    with httpx.Client(verify=context) as client:
        return client.get(url, headers=headers)


def test_a_certificate_opens_what_its_name_may_and_nothing_else(place, keys):
    base, _, _ = place
    answer = ask(keys, f"{base}/necker/studies/{STUDY}", "viewer.necker")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    theirs = ask(keys, f"{base}/pasteur/studies/{STUDY}", "viewer.necker")
    nobodys = ask(keys, f"{base}/nowhere/studies/{NOBODYS}", "viewer.necker")
    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    assert ask(keys, f"{base}/necker/studies", "stranger").status_code == 401


def test_a_name_that_another_authority_wrote_down_is_worth_nothing(place, keys):
    with pytest.raises(httpx.TransportError):
        ask(keys, f"{place[0]}/pasteur/studies", "viewer.pasteur").raise_for_status()


def test_without_a_certificate(place, keys):
    base, requires, token = place
    if requires:
        with pytest.raises(httpx.TransportError):
            ask(keys, f"{base}/livez")
    else:
        assert ask(keys, f"{base}/livez").status_code == 200
        assert ask(keys, f"{base}/necker/studies").status_code == 401  # encrypted is not proven
        assert ask(keys, f"{base}/pasteur/studies", headers=token).status_code == 200
        assert ask(keys, f"{base}/necker/studies", headers=token).status_code == 404


def test_what_is_said_in_the_header_counts_before_the_certificate(place, keys):
    base, _, token = place
    assert ask(keys, f"{base}/pasteur/studies", "viewer.necker", token).status_code == 200
    assert ask(keys, f"{base}/necker/studies", "viewer.necker", token).status_code == 404


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_nothing_older_than_it_should_be_is_spoken(place, keys):
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((httpx.TransportError, ValueError)):
            ask(keys, f"{place[0]}/livez", "viewer.necker", minimum_version=old, maximum_version=old)
    with pytest.raises(httpx.TransportError):
        httpx.get(place[0].replace("https", "http") + "/livez")


def test_who_says_nothing_before_tls_is_agreed_on_is_hung_up_on(place):
    port = int(place[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"\x16\x03")
        assert connection.recv(100) == b""


@pytest.mark.parametrize("wrong", ["certificate", "key", "clients"])
def test_files_that_are_none_are_a_fault_of_the_settings(keys, tmp_path, wrong):
    spec = replace(web(keys, requires=True).tls, **{wrong: "nowhere.pem"})
    with pytest.raises(SettingsError, match=r"nowhere\.pem"):
        context_of(spec, tmp_path)
    other = TlsSpec(str(keys / "localhost.pem"), str(keys / "stranger.key"))
    with pytest.raises(SettingsError, match="cannot be used"):
        context_of(other, tmp_path)
