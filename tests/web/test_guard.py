"""Who is let in at which route: each says what it needs, and nothing is open by being forgotten."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from retention.model.errors import CatalogError
from retention.model.layout import WebSpec
from retention.services.authorisation import Need
from retention.services.staging.receiver import Receiver
from retention.web.app import make_app
from retention.web.door import door_of
from retention.web.guard import Guard, require_declared
from tests.services.instances import STUDY
from tests.web.asking import Asking

OPEN = {"/", "/livez", "/readyz", "/openapi.json"}
VERBS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")


def filled(path, institution="necker", study=STUDY):
    names = {"series": f"{study}.1", "instance": f"{study}.1.1", "frames": "1", "path": "x"}
    return path.replace("{path}", "x").format(institution=institution, study=study, **names)


def operations(hospitals):
    """Every route and verb that the OpenAPI document names."""
    paths = hospitals.client.get("/openapi.json").json()["paths"]
    return [(verb.upper(), path) for path, verbs in paths.items() for verb in verbs]


def test_a_route_that_does_not_say_what_it_needs_is_not_served(hospitals):
    guard = Guard(hospitals.stores, hospitals.door.keeper, hospitals.door.witness)
    forgotten, twice = APIRouter(), APIRouter(dependencies=[guard.needs(Need.READ)])
    forgotten.add_api_route("/x", lambda: None)
    twice.add_api_route("/x", lambda: None, dependencies=[guard.needs(Need.OPEN)])
    for router in (forgotten, twice):
        with pytest.raises(ValueError, match="does not say what it needs"):
            require_declared(router)


def test_nobody_gets_anything_without_proof_once_there_is_a_way_of_proof(hospitals):
    assert hospitals.client.get(f"/necker/studies/{STUDY}").status_code == 200  # this machine alone, so far
    hospitals.token("necker", "reader")
    answers = set()
    for verb, path in operations(hospitals):
        answer = hospitals.client.ask(verb, filled(path))
        answers.add((answer.status_code, answer.content, answer.headers["www-authenticate"]))
        assert hospitals.client.ask(verb, filled(path, "nowhere")).content == answer.content
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    for path in OPEN:
        assert hospitals.client.get(path).status_code == 200


def test_only_what_the_document_names_is_there_and_the_rest_is_open_to_nobody(hospitals):
    named = {path for _, path in operations(hospitals)}
    assert len(named) > 20
    assert all(path.startswith("/{institution}/") for path in named)
    token = hospitals.token(None, "reader", "ingest")
    listed = set(operations(hospitals))
    for path in named | OPEN:
        for verb in set(VERBS) - {verb for verb, known in listed if known == path} - {"GET"}:
            answer = hospitals.client.ask(verb, filled(path), headers=token)
            assert answer.status_code == 405, (verb, path)
    for path in (
        "/docs",
        "/redoc",
        "/admin",
        "/necker",
        "/necker/",
        "/metrics2",
        "/../x",
        "//necker/studies",
    ):
        assert hospitals.client.ask("GET", path, headers=token).status_code == 404, path


@pytest.mark.parametrize(
    ("roles", "finds", "reads", "stores"),
    [
        (["reader"], 200, 200, 403),
        (["archivist"], 200, 200, 403),
        (["ingest"], 403, 403, 415),
        (["operator"], 403, 403, 403),
        (["auditor", "administrator"], 403, 403, 403),
        (["reader", "ingest"], 200, 200, 415),
    ],
    ids=str,
)
def test_a_role_may_what_it_is_for_and_nothing_else(hospitals, roles, finds, reads, stores):
    token = hospitals.token("necker", *roles)
    assert hospitals.client.ask("GET", "/necker/studies", headers=token).status_code == finds
    assert hospitals.client.ask("GET", f"/necker/studies/{STUDY}", headers=token).status_code == reads
    assert hospitals.client.ask("POST", "/necker/studies", headers=token).status_code == stores


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[127.0.0.1"}, 403),
        ({"Origin": "http://[bad]x"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Content-Encoding": "gzip"}, 415),
        ({"X-HTTP-Method-Override": "DELETE"}, 200),
        ({"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example"}, 200),
        ({"Authorization": "Bearer"}, 401),
    ],
    ids=str,
)
def test_what_no_proper_client_sends_is_refused(hospitals, headers, status):
    assert hospitals.client.ask("GET", "/necker/studies", headers=headers).status_code == status


def test_every_answer_tells_a_browser_to_make_nothing_of_it(hospitals):
    for path in ("/", f"/necker/studies/{STUDY}", "/nothing", f"/necker/studies?access_token={STUDY}"):
        headers = hospitals.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert hospitals.client.get(f"/necker/studies?access_token={STUDY}").status_code == 400


def test_what_is_given_out_is_written_down_with_who_got_it(hospitals):
    token = hospitals.token("necker", "reader")
    metadata = f"/necker/studies/{STUDY}/metadata"
    assert hospitals.client.ask("GET", metadata, headers=token).status_code == 200
    refused = hospitals.client.ask("GET", f"/pasteur/studies/{STUDY}", headers=token)
    assert refused.status_code == 404
    hospitals.door.witness.flush(is_last=True)
    entries = {entry.envelope.action: entry.envelope for entry in hospitals.stores.journal.read()}
    actor = f"token-{token['Authorization'].split('_')[1]}"
    assert entries["study.export"].actor == actor
    assert entries["study.export"].data["method"] == "token"
    assert entries["study.export"].data["what"] == "metadata"
    assert entries["access.login"].actor == actor
    assert entries["access.refused"].data["refused"] == {"role": 1}


def test_whoever_watches_is_told_that_the_archive_cannot_work_and_nothing_else(hospitals, monkeypatch):
    def broken(_):
        raise CatalogError("/srv/archive/catalog.db is damaged")

    monkeypatch.setattr(type(hospitals.stores.catalog), "position", broken)
    answer = hospitals.client.get("/readyz")
    assert (answer.status_code, hospitals.client.get("/livez").status_code) == (503, 200)
    assert "/srv" not in answer.text


def test_a_viewer_of_a_site_that_is_named_may_ask_from_a_browser(hospitals, decoding):
    """CORS: the preflight says yes to that site alone, and asks nobody who he is."""
    site = "https://viewer.example"
    door = door_of(hospitals.stores, WebSpec(origins=(site,)))
    with Receiver(hospitals.stores) as receiver:
        client = Asking(make_app(hospitals.stores, receiver, decoding, door))
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        token = hospitals.token("necker", "reader")
        preflight = client.ask("OPTIONS", "/necker/studies", headers={"Origin": site, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == site
        assert "access-control-allow-credentials" not in preflight.headers
        answer = client.ask("GET", "/necker/studies", headers={"Origin": site, **token})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, site)
        for other in ("https://viewer.example.evil", "http://viewer.example", "null"):
            for verb in ("OPTIONS", "GET"):
                refused = client.ask(verb, "/necker/studies", headers={"Origin": other, **asked, **token})
                assert refused.status_code == 403
                assert "access-control-allow-origin" not in refused.headers
