"""What is said while a study is received, asked for and given back: JSON lines and metrics that name nobody."""

from __future__ import annotations

import json
import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.serving import Served, serving
from tests.services.instances import STUDY, instance

KIND = 'multipart/related; type="application/dicom"; boundary=b1'
PATIENT = "IPP-77123"


def body(*files: bytes) -> bytes:
    head = b"--b1\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + file + b"\r\n" for file in files) + b"--b1--\r\n"


def until_it_lives(served: Served) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"http://127.0.0.1:{served.web_port}/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(served.said)


def test_logs_and_metrics_of_a_serving_archive_hold_no_personal_data(tmp_path, monkeypatch):
    monkeypatch.setenv("RETENTION_LOGS", "json")
    served = Served.make_web(tmp_path)
    served.web_port, port = 0, served.web_port  # what it says is for machines: it is not waited for
    with serving(served):
        served.web_port = port
        until_it_lives(served)
        files = [instance(number, patient=PATIENT) for number in (1, 2)]
        stored = httpx.post(
            served.base() + "/studies",
            content=body(*files, b"no DICOM at all"),
            headers={"Content-Type": KIND},
        )
        assert stored.status_code == 202
        assert len(httpx.get(f"{served.base()}/studies?PatientID={PATIENT}").json()) == 1
        assert httpx.get(f"{served.base()}/studies/{STUDY}").status_code == 200
        assert httpx.get(f"{served.base()}/studies/{STUDY}.9").status_code == 404
        measured = httpx.get(f"http://127.0.0.1:{port}/metrics")
        document = served.stop()
    lines = [json.loads(line) for line in served.said.splitlines()]
    assert document["data"]["instances"] == 2
    assert {"serve.listening", "serve.listening_web"} <= {line["event"] for line in lines}
    assert all({"at", "level", "part", "pid", "logger"} <= line.keys() for line in lines)
    names = {family.name for family in text_string_to_metric_families(measured.text)}
    assert "retention_staging_bytes" in names
    for text in (served.said, measured.text):
        for secret in (PATIENT, STUDY, "DOE", "^"):
            assert secret not in text
