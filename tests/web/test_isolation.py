"""Two hospitals behind one door: what is the other's is answered, byte for byte, as what is not there.

The list of routes and verbs is the OpenAPI document's, so that a new route cannot be forgotten.
"""

from __future__ import annotations

import time

from tests.services.instances import STUDY, instance
from tests.web.callers import NOBODYS, OTHERS
from tests.web.test_guard import filled, operations

KIND = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b1'}
BODY = b"--b1\r\nContent-Type: application/dicom\r\n\r\n" + instance(7) + b"\r\n--b1--\r\n"


def said(answer, *names):
    """Everything an answer says, but for the names that were asked with."""
    text = repr((answer.status_code, sorted(answer.headers.items()), answer.content))
    for name in names:
        text = text.replace(name, "…")
    return text


def ask(hospitals, verb, path, token):
    content, kind = (BODY, KIND) if verb == "POST" else (b"", {})
    return hospitals.client.ask(verb, path, content, {**token, **kind})


def test_another_hospital_is_answered_as_one_that_does_not_exist(hospitals):
    token = hospitals.token("necker", "reader", "ingest")
    for verb, path in operations(hospitals):
        for study in (OTHERS, STUDY, NOBODYS):
            theirs = ask(hospitals, verb, filled(path, "pasteur", study), token)
            nobodys = ask(hospitals, verb, filled(path, "lariboi", study), token)
            assert said(theirs) == said(nobodys), (verb, path)
            assert theirs.status_code == 404
    assert not list(hospitals.stores.catalog.all_packages())[3:]  # nothing was kept either


def test_a_study_of_another_hospital_is_answered_as_one_that_does_not_exist(hospitals):
    token = hospitals.token("necker", "reader")
    theirs_too = hospitals.token("pasteur", "reader")
    compared = 0
    for verb, path in operations(hospitals):
        if verb == "POST" or "{study}" not in path:
            continue
        theirs = ask(hospitals, verb, filled(path, "necker", OTHERS), token)
        nobodys = ask(hospitals, verb, filled(path, "necker", NOBODYS), token)
        assert said(theirs, OTHERS) == said(nobodys, NOBODYS), (verb, path)
        assert OTHERS.encode() not in theirs.content
        owner = ask(hospitals, verb, filled(path, "pasteur", OTHERS), theirs_too)
        assert owner.status_code != 404 or "frames" in path or "bulkdata" in path, (verb, path)
        compared += 1
    assert compared > 15


def test_a_query_finds_nothing_of_another_hospital_however_it_asks(hospitals):
    token = hospitals.token("necker", "reader")
    queries = [
        "",
        "?PatientID=IPP-1",
        "?PatientName=*",
        f"?StudyInstanceUID={OTHERS}",
        f"?StudyInstanceUID={OTHERS},{STUDY}",
        "?limit=1000&offset=0&includefield=all&fuzzymatching=true",
        "?IssuerOfPatientID=",
        "?00100020=IPP*",
    ]
    for query in queries:
        for resource in ("studies", "series", "instances"):
            answer = hospitals.client.ask("GET", f"/necker/{resource}{query}", headers=token)
            assert OTHERS.encode() not in answer.content, (resource, query)


def test_the_same_study_is_kept_by_each_hospital_for_itself(hospitals):
    """A study that both hold: what one stores under it is not the other's."""
    token = hospitals.token("necker", "reader", "ingest")
    body = BODY.replace(instance(7), instance(9, study=OTHERS, patient="IPP-1"))
    stored = hospitals.client.ask("POST", f"/necker/studies/{OTHERS}", body, {**token, **KIND})
    assert stored.status_code == 200
    (mine,) = hospitals.client.ask("GET", f"/necker/studies/{OTHERS}/instances", headers=token).json()
    assert mine["00080018"]["Value"] == [f"{OTHERS}.1.9"]
    theirs = hospitals.token("pasteur", "reader")
    found = hospitals.client.ask("GET", f"/pasteur/studies/{OTHERS}/instances", headers=theirs).json()
    assert sorted(each["00080018"]["Value"][0] for each in found) == [f"{OTHERS}.1.1", f"{OTHERS}.1.2"]


def test_how_long_it_takes_does_not_grossly_tell(hospitals):
    token = hospitals.token("necker", "reader")

    def quickest(study):
        times = []
        for _ in range(15):
            begun = time.process_time()
            hospitals.client.ask("GET", f"/necker/studies/{study}/metadata", headers=token)
            times.append(time.process_time() - begun)
        return min(times)

    quickest(NOBODYS)
    theirs, nobodys = quickest(OTHERS), quickest(NOBODYS)
    assert max(theirs, nobodys) < 5 * min(theirs, nobodys)
