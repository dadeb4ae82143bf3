"""Lines for machines are JSON and hold no personal data, whatever somebody logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from retention.model.errors import NotFoundError
from retention.services import logs

UID = "1.2.840.113619.2.55.3.604688119"
LOG = logging.getLogger("retention.test")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("retention")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    own.setLevel(before[2])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def find() -> None:
    raise NotFoundError(f"no study {UID} of DOE^JANE")


def fail() -> None:
    try:
        find()
    except NotFoundError:
        LOG.exception("a request for %s could not be answered", UID)


def test_a_line_for_machines_has_all_that_may_be_said_of_an_error(monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, logs.JSON)
    logs.configure("web")
    fail()
    LOG.info("serve.packed", extra={"studies": 2, "of": UID})
    first, second = map(json.loads, said(capsys).splitlines())
    assert first["event"] == "a request for [uid] could not be answered"
    assert (first["level"], first["part"], first["logger"]) == ("error", "web", "retention.test")
    assert (first["error"]["kind"], first["error"]["code"]) == ("NotFoundError", NotFoundError.code)
    assert first["error"]["at"][-1].endswith(" find")
    assert (second["studies"], second["of"]) == (2, "[uid]")


def test_a_line_for_people_leaves_out_the_same(monkeypatch, capsys):
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    logs.configure("web", logging.WARNING)
    fail()
    LOG.info("not said")
    text = said(capsys)
    assert text.count("\n") == 1
    assert "a request for [uid] could not be answered (NotFoundError at test_logs.py:" in text
    assert "DOE" not in text


def test_libraries_do_not_tell_of_their_work(monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, logs.JSON)
    logs.configure("web")
    logging.getLogger("somebody.else").info("GET /necker/studies?PatientID=4711")
    assert said(capsys) == ""


@pytest.mark.parametrize(
    ("text", "is_uid"),
    [(UID, True), ("2.25.1.2.3.4", True), ("127.0.0.1:8080", False), ("0.1.0", False), ("3.11.7", False)],
)
def test_uids_are_told_from_versions_and_addresses(text: str, is_uid: bool):
    assert (logs.without_uids(text) != text) is is_uid
