"""What went in by any door comes back by every other one, to and from Orthanc, DCMTK and a second archive.

Whole files where a door keeps them (files, DICOMweb), equal data sets where the protocol has no file meta (DIMSE).
The samples that DCMTK sends are some that it does not write anew while it reads them.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from io import BytesIO

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from retention.dicom.samples import sample_folder
from tests.e2e.orthanc import Orthanc, running
from tests.e2e.program import Program
from tests.e2e.serving import Served, dataset_of, exported, free_port, serving
from tests.services.instances import CT

SENT = {
    "ingest": ("CT_small.dcm", ""),
    "stow": ("SC_rgb_jpeg_dcmtk.dcm", "+xy"),
    "store": ("SC_rgb_rle.dcm", "+xr"),
    "orthanc": ("test-SR.dcm", ""),
}
"""By which door which file comes in, and what getscu needs to be told to take it as it is."""

DOORS_OF_FILES = ("ingest", "stow")


@dataclass
class World:
    first: Served
    second: Served
    orthanc: Orthanc
    viewer_port: int
    files: dict[str, bytes]

    def sent(self, door: str) -> Dataset:
        return dcmread(BytesIO(self.files[door]))

    def study(self, door: str) -> str:
        return str(self.sent(door).StudyInstanceUID)

    def move(self, door: str, destination: str) -> None:
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={self.study(door)}"]
        done = self.first.dcmtk("movescu", "-S", "-aem", destination, *keys)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory, certificates):
    folder = tmp_path_factory.mktemp("peers")
    (folder / "2").mkdir()
    http_port, dicom_port, viewer_port, web_port = (free_port() for _ in range(4))
    second = Served.make(
        folder / "2", "\nlisteners: {dimse: {port: PORT, ae_title: SECOND}}\n", "{ae_titles: [RETENTION]}"
    )
    keys = f"certificate: {certificates}/archive.pem, key: {certificates}/archive.key"
    tls = f"{{authorities: {certificates}/ca.pem, {keys}}}"
    first = Served.make(
        folder,
        f"""
listeners: {{dimse: {{port: PORT}}, web: {{port: {web_port}}}}}
peers:
  orthanc: {{ae_title: ORTHANC, host: 127.0.0.1, port: {dicom_port}}}
  second: {{ae_title: SECOND, host: 127.0.0.1, port: {second.port}}}
  viewer: {{ae_title: VIEWER, host: localhost, port: {viewer_port}, tls: {tls}}}
""",
        necker="{ae_titles: [NECKER_CT1, ORTHANC]}",
    )
    first.web_port = web_port
    samples = sample_folder()
    assert samples is not None
    files = {door: (samples / "test_files" / name).read_bytes() for door, (name, _) in SENT.items()}
    files["stow"] = files["stow"].replace(b"80039845114", b"80039845115")  # the two SC are of one study
    modalities = {"archive": ["RETENTION", "127.0.0.1", first.port]}
    Program(first.root)("ingest", samples / "test_files" / SENT["ingest"][0], "--institution", "necker")
    with (
        running(folder / "orthanc", http_port, dicom_port, modalities) as orthanc,
        serving(second),
        serving(first),
    ):
        world = World(first, second, orthanc, viewer_port, files)
        _send(world, samples / "test_files")
        yield world


def _send(world, samples):
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + world.files["stow"] + b"\r\n--b--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    stored = httpx.post(f"{world.first.base()}/studies", content=body, headers={"Content-Type": kind})
    assert stored.status_code == 200, stored.text
    assert world.first.dcmtk("storescu", "-xr", samples / SENT["store"][0]).returncode == 0
    world.orthanc.send("archive", [world.orthanc.add(world.files["orthanc"])])


def same(door: str, sent: bytes, came: bytes, *, as_files: bool) -> bool:
    """Whether it is what was sent: whole where both doors keep files, else its data set."""
    if as_files and door in DOORS_OF_FILES:
        return came == sent
    return dataset_of(came) == dataset_of(sent)


@pytest.mark.parametrize("door", SENT)
def test_comes_back_by_dicomweb(world, door):
    answer = httpx.get(f"{world.first.base()}/studies/{world.study(door)}")
    boundary = b"--" + answer.headers["content-type"].rpartition("boundary=")[2].encode()
    (part,) = answer.content.split(boundary)[1:-1]
    assert same(door, world.files[door], part.partition(b"\r\n\r\n")[2][:-2], as_files=True)


@pytest.mark.parametrize("door", SENT)
def test_comes_back_by_c_get(world, door, tmp_path):
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={world.study(door)}"]
    options = [option for option in (SENT[door][1],) if option]
    done = world.first.dcmtk("getscu", "-S", "+B", *options, "-od", tmp_path, *keys)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.iterdir()
    assert same(door, world.files[door], file.read_bytes(), as_files=False)


def test_comes_back_by_c_move_over_tls_and_to_nobody_of_another_name(world, tmp_path, certificates):
    def listening(name):
        tls = [
            "+tls",
            f"{certificates}/{name}.key",
            f"{certificates}/{name}.pem",
            "+cf",
            f"{certificates}/ca.pem",
        ]
        command = [
            "storescp",
            "-aet",
            "VIEWER",
            "+xa",
            "+B",
            "-od",
            str(tmp_path),
            *tls,
            str(world.viewer_port),
        ]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    with listening("stranger") as impostor:
        time.sleep(0.5)
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={world.study('store')}"]
        assert world.first.dcmtk("movescu", "-S", "-aem", "VIEWER", *keys).returncode != 0
        impostor.terminate()
    with listening("localhost") as viewer:
        time.sleep(0.5)
        world.move("store", "VIEWER")
        world.move("ingest", "VIEWER")
        viewer.terminate()
    came = {dataset_of(path.read_bytes()) for path in tmp_path.iterdir()}
    assert came == {dataset_of(world.files[door]) for door in ("store", "ingest")}


def test_comes_back_by_c_move_to_orthanc(world):
    for door in SENT:
        world.move(door, "ORTHANC")
    came = {dataset_of(file) for file in world.orthanc.files()}
    assert {dataset_of(file) for file in world.files.values()} <= came


def test_orthanc_is_told_what_is_committed(world):
    sent = [world.sent(door) for door in ("orthanc", "store")]
    references = [(str(each.SOPClassUID), str(each.SOPInstanceUID)) for each in sent]
    report = world.orthanc.commitment("archive", [*references, (CT, "1.2.3.4")])
    assert report["Status"] == "Failure"
    assert len(report["Success"]) == 2
    assert [each["SOPInstanceUID"] for each in report["Failures"]] == ["1.2.3.4"]


def test_comes_back_by_c_move_to_a_second_archive_and_from_its_files(world, tmp_path):
    for door in SENT:
        world.move(door, "SECOND")
    assert world.second.stop()["data"]["instances"] == len(SENT)
    came = {dataset_of(file) for file in exported(world.second, tmp_path / "second").values()}
    assert came == {dataset_of(file) for file in world.files.values()}


def test_comes_back_as_files(world, tmp_path):
    """Last: it ends the archive."""
    assert world.first.stop()["data"]["staged"] == 0
    came = list(exported(world.first, tmp_path / "first").values())
    for door, sent in world.files.items():
        assert any(same(door, sent, file, as_files=True) for file in came), door
    assert len(came) == len(SENT)


def test_the_doctor_asks_each_peer(world):
    checks = {each["name"]: each for each in Program(world.first.root)("doctor").data["checks"]}
    assert checks["peer orthanc"]["status"] == "ok"
    assert checks["peer second"]["status"] == "warning"
    assert checks["peer viewer"]["status"] == "warning"
    assert "by TLS" in checks["peer viewer"]["detail"]
    assert checks["certificate for viewer"]["status"] == "warning"  # it ends in two days
    assert checks["port of dimse"]["status"] == "ok"
