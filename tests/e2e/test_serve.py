"""Devices send to an archive that serves, and everything answered with success comes back."""

import subprocess
import threading

import pytest
from jsonschema import Draft202012Validator

from retention.cli import main, schemas
from tests.e2e.serving import Served, dataset_of, exported, serving
from tests.services.instances import OTHER_STUDY, instance


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for number in range(1, 7):
        (folder / f"{number}.dcm").write_bytes(instance(number))
    (folder / "7.dcm").write_bytes(instance(1, study=OTHER_STUDY, patient="IPP-2"))
    return folder


@pytest.fixture
def served(tmp_path):
    return Served.make(tmp_path)


def test_what_parallel_senders_send_comes_back_after_a_stop(served, sources, tmp_path):
    files = sorted(sources.iterdir())
    with serving(served):
        codes: list[int] = []
        senders = [
            threading.Thread(
                target=lambda mine: codes.append(served.dcmtk("storescu", *mine).returncode),
                args=(files[n::3],),
            )
            for n in range(3)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert codes == [0, 0, 0]
        document = served.stop()
    assert main.app  # what knows the commands
    Draft202012Validator(schemas.schema_of("serve")).validate(document)
    assert document["data"]["instances"] == 7
    assert document["data"]["studies"] == 2
    assert document["data"]["staged"] == 0
    back = exported(served, tmp_path / "out")
    assert sorted(map(dataset_of, back.values())) == sorted(dataset_of(path.read_bytes()) for path in files)


def test_who_is_not_known_is_refused_when_he_asks(served):
    with serving(served):
        assert served.dcmtk("echoscu").returncode == 0
        stranger = served.dcmtk("echoscu", title="STRANGER")
        misdialled = served.dcmtk("echoscu", called="PACS")
    assert stranger.returncode != 0
    assert "Calling AE Title Not Recognized" in stranger.stderr
    assert "Called AE Title Not Recognized" in misdialled.stderr


def test_killed_without_warning_what_was_acknowledged_is_there(served, sources, tmp_path):
    with serving(served):
        assert served.dcmtk("storescu", *sources.iterdir()).returncode == 0
        served.kill()
    with serving(served):
        assert served.stop()["data"]["instances"] == 7
    assert len(exported(served, tmp_path / "out")) == 7


def test_a_receiver_that_dies_is_started_again(served, sources):
    with serving(served):
        for process in served.receivers():
            subprocess.run(["kill", "-9", str(process)], check=True)
        for _ in range(100):
            if served.dcmtk("echoscu").returncode == 0 and "died" in served.said:
                break
        assert served.dcmtk("storescu", *sources.iterdir()).returncode == 0
        assert served.stop()["data"]["instances"] == 7


def test_beyond_this_machine_it_does_not_listen_without_tls(tmp_path):
    served = Served.make(tmp_path, "\nlisteners: {dimse: {host: 0.0.0.0, port: PORT}}\n")
    served.start()
    assert "TLS" in served.document()["error"]["message"]


def test_an_archive_is_served_once(served):
    with serving(served):
        second = Served(served.root, served.port)
        second.start()
        assert "another process" in second.document()["error"]["message"]
        assert served.dcmtk("echoscu").returncode == 0
