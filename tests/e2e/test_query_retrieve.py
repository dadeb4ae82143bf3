"""Devices find what they sent, packed or still staged, and get it back with equal data sets."""

import io
import subprocess
import time

import pydicom
import pytest

from tests.e2e.serving import Served, dataset_of, free_port, serving
from tests.services.instances import OTHER_STUDY, STUDY, instance

STUDY_ROOT, PATIENT_ROOT = "-S", "-P"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One study packed (3 instances in 2 series) with one instance more staged; another only staged."""
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    served = Served.make(
        folder,
        f"\npeers: {{viewer: {{ae_title: VIEWER, host: 127.0.0.1, port: {port}}},"
        f" private: {{ae_title: PRIVATE, host: 127.0.0.1, port: {port}, institution: cochin}}}}\n",
    )
    served.viewer_port = port
    packed = [instance(1), instance(2), instance(1, series=2)]
    staged = [instance(3), instance(1, study=OTHER_STUDY, patient="IPP-2")]
    with serving(served):
        send(served, folder / "packed", packed)
        assert served.stop()["data"]["instances"] == 3
    with serving(served):
        send(served, folder / "staged", staged)
        yield served


def send(served, folder, files):
    folder.mkdir()
    for number, data in enumerate(files):
        (folder / f"{number}.dcm").write_bytes(data)
    assert served.dcmtk("storescu", *folder.iterdir()).returncode == 0


def find(served, folder, *keys, root=STUDY_ROOT, level="STUDY"):
    """Return the responses of a C-FIND."""
    folder.mkdir(exist_ok=True)
    words = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
    done = served.dcmtk("findscu", root, "-X", "-od", folder, *words)
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_studies_are_found_with_what_a_query_must_be_answered(served, tmp_path):
    found = find(
        served, tmp_path / "f", "StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyTime",
        "AccessionNumber", "StudyID", "ReferringPhysicianName", "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
        "NumberOfStudyRelatedSeries", "InstanceAvailability", "RetrieveAETitle",
    )  # fmt: skip
    by_uid = {str(each.StudyInstanceUID): each for each in found}
    assert set(by_uid) == {STUDY, OTHER_STUDY}
    first = by_uid[STUDY]
    assert (first.PatientID, str(first.PatientName), first.StudyDate) == ("IPP-1", "DOE^JANE", "20261101")
    assert (first.NumberOfStudyRelatedInstances, first.ModalitiesInStudy) == (4, "CT")
    assert (first.InstanceAvailability, first.RetrieveAETitle) == ("ONLINE", "RETENTION")
    assert by_uid[OTHER_STUDY].NumberOfStudyRelatedInstances == 1
    assert (first.StudyID, str(first.ReferringPhysicianName)) == ("S1", "WHO^DOCTOR")


@pytest.mark.parametrize(
    ("keys", "studies"),
    [
        (["PatientID=IPP-2"], {OTHER_STUDY}),
        (["PatientID=IPP-?"], {STUDY, OTHER_STUDY}),
        (["PatientName=doe^j*"], {STUDY, OTHER_STUDY}),
        (["PatientName=ROE*"], set()),
        (["StudyDate=20261101"], {STUDY, OTHER_STUDY}),
        (["StudyDate=20261102-"], set()),
        (["StudyDate=-20261101"], {STUDY, OTHER_STUDY}),
        ([f"StudyInstanceUID={STUDY}\\{OTHER_STUDY}\\1.2.3"], {STUDY, OTHER_STUDY}),
        (["AccessionNumber=A1", "ModalitiesInStudy=CT"], {STUDY, OTHER_STUDY}),
        (["ModalitiesInStudy=MR"], set()),
        (["StudyID=S1", "ReferringPhysicianName=who*"], {STUDY, OTHER_STUDY}),
        (["StudyID=S2"], set()),
    ],
)
def test_keys_match_as_the_standard_says(served, tmp_path, keys, studies):
    found = find(served, tmp_path / "f", *keys, *(["StudyInstanceUID"] if "UID=" not in keys[0] else []))
    assert {str(each.StudyInstanceUID) for each in found} == studies


def test_patients_series_and_images_are_found(served, tmp_path):
    patients = find(
        served,
        tmp_path / "p",
        "PatientID",
        "NumberOfPatientRelatedStudies",
        root=PATIENT_ROOT,
        level="PATIENT",
    )
    assert {each.PatientID: each.NumberOfPatientRelatedStudies for each in patients} == {
        "IPP-1": 1,
        "IPP-2": 1,
    }
    series = find(
        served, tmp_path / "s", f"StudyInstanceUID={STUDY}", "SeriesInstanceUID", "Modality",
        "NumberOfSeriesRelatedInstances", "SeriesNumber", level="SERIES",
    )  # fmt: skip
    assert sorted(each.SeriesNumber for each in series) == [1, 2]
    numbered = find(served, tmp_path / "n", f"StudyInstanceUID={STUDY}", "SeriesNumber=2", level="SERIES")
    assert [each.SeriesNumber for each in numbered] == [2]
    assert {str(each.SeriesInstanceUID): each.NumberOfSeriesRelatedInstances for each in series} == {
        f"{STUDY}.1": 3,
        f"{STUDY}.2": 1,
    }
    images = find(
        served, tmp_path / "i", f"StudyInstanceUID={STUDY}", f"SeriesInstanceUID={STUDY}.1", "SOPInstanceUID",
        "SOPClassUID", "InstanceNumber", level="IMAGE",
    )  # fmt: skip
    assert {str(each.SOPInstanceUID): each.InstanceNumber for each in images} == {
        f"{STUDY}.1.{n}": n for n in (1, 2, 3)
    }


def test_a_study_comes_back_by_c_get_packed_and_staged(served, tmp_path):
    (tmp_path / "got").mkdir()
    done = served.dcmtk(
        "getscu",
        "-S",
        "-od",
        tmp_path / "got",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        f"StudyInstanceUID={STUDY}",
    )
    assert done.returncode == 0, done.stderr
    assert came_back(tmp_path / "got") == sorted(
        dataset_of(data) for data in (instance(1), instance(2), instance(3), instance(1, series=2))
    )


def test_a_study_is_moved_to_a_configured_destination(served, tmp_path):
    (tmp_path / "got").mkdir()
    command = ["storescp", "-od", str(tmp_path / "got"), "-aet", "VIEWER", "+xa", str(served.viewer_port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as viewer:
        time.sleep(0.5)
        keys = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={STUDY}"]
        done = served.dcmtk("movescu", "-S", "-aem", "VIEWER", *keys, "-k", f"SeriesInstanceUID={STUDY}.1")
        viewer.terminate()
    assert done.returncode == 0, done.stderr
    assert came_back(tmp_path / "got") == sorted(dataset_of(instance(n)) for n in (1, 2, 3))


@pytest.mark.parametrize("destination", ["STRANGER", "PRIVATE"])
def test_nothing_is_moved_to_where_it_may_not_go(served, destination):
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    done = served.dcmtk("movescu", "-v", "-S", "-aem", destination, *keys)
    assert "0xa801" in done.stderr.lower() or "MoveDestinationUnknown" in done.stderr


def test_what_was_given_out_is_in_the_journal(served, tmp_path):
    from retention.archive import open_archive
    from retention.services import events

    (tmp_path / "got").mkdir()
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={OTHER_STUDY}"]
    served.dcmtk("getscu", "-S", "-od", tmp_path / "got", *keys)
    stores = open_archive(served.root)
    (*_, last) = stores.journal.read(0)
    stores.close()
    assert last.envelope.action == events.STUDY_EXPORT
    assert last.envelope.data["instances"] == 1


def came_back(folder):
    files = [path.read_bytes() for path in folder.iterdir()]
    assert all(pydicom.dcmread(io.BytesIO(data)).PatientName == "DOE^JANE" for data in files)
    return sorted(dataset_of(data) for data in files)
