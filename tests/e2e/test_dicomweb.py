"""DICOMweb from outside: a client of others, and requests that no client would make."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from tests.e2e.serving import Served, exported, serving
from tests.services.instances import CT, OTHER_STUDY, STUDY, instance

FILES = [instance(number) for number in range(1, 4)]
OTHER = instance(1, study=OTHER_STUDY, patient="IPP-2", on="20200101")
KIND = 'multipart/related; type="application/dicom"; boundary=b1'


def body(*files, kind="application/dicom"):
    parts = b"".join(
        b"--b1\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + file + b"\r\n" for file in files
    )
    return parts + b"--b1--\r\n"


def store(base, content, path="/studies", kind=KIND):
    return httpx.post(base + path, content=content, headers={"Content-Type": kind})


def parts_of(response):
    boundary = response.headers["content-type"].rpartition("boundary=")[2].encode()
    return [part.partition(b"\r\n\r\n")[2] for part in response.content.split(b"\r\n--" + boundary)[1:-1]]


def assert_problem(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(Served.make_web(tmp_path_factory.mktemp("web"))) as served:
        answer = store(served.base(), body(*FILES, OTHER))
        assert answer.status_code == 200, answer.text
        yield served


def test_a_client_of_others_stores_finds_and_gets_the_same_bytes_back(tmp_path):
    with serving(Served.make_web(tmp_path)) as served:
        client = DICOMwebClient(served.base())
        stored = client.store_instances([dcmread(BytesIO(file)) for file in FILES])
        assert len(stored.ReferencedSOPSequence) == 3
        assert "FailedSOPSequence" not in stored
        assert [each["0020000D"]["Value"] for each in client.search_for_studies()] == [[STUDY]]
        assert len(client.search_for_series(STUDY)) == 1
        assert len(client.search_for_instances(STUDY)) == 3
        back = client.retrieve_study(STUDY)
        assert sorted(each.SOPInstanceUID for each in back) == [f"{STUDY}.1.{n}" for n in (1, 2, 3)]
        assert len(client.retrieve_series(STUDY, f"{STUDY}.1")) == 3
        one = client.retrieve_instance(STUDY, f"{STUDY}.1", f"{STUDY}.1.2")
        assert one.PixelData == dcmread(BytesIO(FILES[1])).PixelData
        assert client.retrieve_study_metadata(STUDY)[0]["00080060"]["Value"] == ["CT"]
        assert served.stop()["data"]["instances"] == 3
    with serving(served):  # packed now, and the same
        assert len(DICOMwebClient(served.base()).retrieve_study(STUDY)) == 3


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path):
    with serving(Served.make_web(tmp_path)) as served:
        assert store(served.base(), body(*FILES)).status_code == 200
        served.kill()
    with serving(served):
        assert served.stop()["data"]["instances"] == 3
    assert sorted(exported(served, tmp_path / "out").values()) == sorted(FILES)


def test_what_came_is_given_back_byte_for_byte(served):
    response = httpx.get(f"{served.base()}/studies/{STUDY}")
    assert response.headers["content-type"].startswith('multipart/related; type="application/dicom"')
    assert sorted(parts_of(response)) == sorted(FILES)
    one = f"{served.base()}/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.2"
    assert httpx.get(one, headers={"Accept": "application/dicom"}).content == FILES[1]
    assert len(httpx.get(one + "/metadata").json()) == 1


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', 406),
        ("image/jpeg", 406),
        ("image/jpeg, */*", 200),
        ("application/dicom", 406),
    ],
)
def test_only_what_is_held_can_be_accepted(served, accept, status):
    response = httpx.get(f"{served.base()}/studies/{STUDY}", headers={"Accept": accept})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ("", {STUDY, OTHER_STUDY}),
        ("PatientID=IPP-2", {OTHER_STUDY}),
        ("00100020=IPP-1", {STUDY}),
        ("StudyDate=20200101-20201231", {OTHER_STUDY}),
        ("StudyDate=20260101-", {STUDY}),
        ("Modality=CT", {STUDY, OTHER_STUDY}),
        ("ModalitiesInStudy=MR", set()),
        (f"StudyInstanceUID={STUDY},{OTHER_STUDY}", {STUDY, OTHER_STUDY}),
        ("PatientName=doe*", {STUDY, OTHER_STUDY}),
    ],
)
def test_studies_are_matched(served, query, studies):
    response = httpx.get(f"{served.base()}/studies?{query}")
    assert response.headers["content-type"] == "application/dicom+json"
    assert {each["0020000D"]["Value"][0] for each in response.json()} == studies


def test_an_answer_has_the_required_attributes(served):
    (study,) = httpx.get(f"{served.base()}/studies?PatientID=IPP-1").json()
    assert study["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "DOE^JANE"}]}
    assert study["00201208"] == {"vr": "IS", "Value": [3]}
    assert study["00081190"]["Value"] == [f"{served.base()}/studies/{STUDY}"]
    (series,) = httpx.get(f"{served.base()}/studies/{STUDY}/series").json()
    assert (series["00080060"]["Value"], series["00201209"]["Value"]) == (["CT"], [3])
    found = httpx.get(f"{served.base()}/studies/{STUDY}/series/{STUDY}.1/instances?InstanceNumber=2").json()
    assert [each["00080018"]["Value"] for each in found] == [[f"{STUDY}.1.2"]]
    assert found[0]["00080016"]["Value"] == [CT]


def test_pages_leave_nothing_out(served):
    pages = [httpx.get(f"{served.base()}/studies?limit=1&offset={n}") for n in range(3)]
    assert [len(page.json()) for page in pages] == [1, 1, 0]
    assert "warning" in pages[0].headers
    assert "warning" not in pages[1].headers
    assert pages[0].json() != pages[1].json()


@pytest.mark.parametrize(
    "query", ["limit=x", "offset=-1", "Nonsense=1", "SOPInstanceUID=1.2", "NumberOfStudyRelatedSeries=1"]
)
def test_a_query_that_is_not_understood_does_not_match_everything(served, query):
    assert_problem(httpx.get(f"{served.base()}/studies?{query}"), 400)


def test_what_cannot_be_kept_is_named_and_the_rest_is_kept(served):
    mixed = store(served.base(), body(b"no DICOM at all", FILES[0]))
    assert mixed.status_code == 202
    assert mixed.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert mixed.json()["00081199"]["Value"][0]["00081155"]["Value"] == [f"{STUDY}.1.1"]
    none = store(served.base(), body(FILES[0]), f"/studies/{OTHER_STUDY}")
    assert none.status_code == 409
    (failed,) = none.json()["00081198"]["Value"]
    assert failed["00081197"]["Value"] == [0xA900]
    assert failed["00081150"]["Value"] == [CT]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", KIND, 400),
        (b"no multipart", KIND, 400),
        (body(FILES[0])[:-20], KIND, 400),
        (b"--b1--\r\n", KIND, 400),
        (body(FILES[0]), 'multipart/related; type="application/dicom"', 400),
        (body(FILES[0]), "application/dicom", 415),
        (body(FILES[0]), 'multipart/related; type="application/dicom+json"; boundary=b1', 415),
        (body(b"{}", kind="application/json"), KIND, 409),
        (body(b""), KIND, 409),
    ],
)
def test_malformed_bodies_are_refused_and_the_door_lives(served, content, kind, status):
    assert store(served.base(), content, kind=kind).status_code == status
    assert httpx.get(f"http://127.0.0.1:{served.web_port}/livez").status_code == 200


def test_what_was_cut_off_is_not_kept(served):
    cut = instance(1, study="1.2.840.99.7")
    assert store(served.base(), body(cut)[:-30]).status_code == 400
    assert httpx.get(f"{served.base()}/studies?StudyInstanceUID=1.2.840.99.7").json() == []


def test_a_client_of_others_gets_frames_pictures_and_bulk_data(served):
    client = DICOMwebClient(served.base())
    place = (STUDY, f"{STUDY}.1", f"{STUDY}.1.1")
    pixels = dcmread(BytesIO(FILES[0])).PixelData
    assert client.retrieve_instance_frames(*place, frame_numbers=[1]) == [pixels]
    metadata = client.retrieve_instance_metadata(*place)
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [pixels]
    assert client.retrieve_instance_rendered(*place, media_types=("image/png",)).startswith(b"\x89PNG")
    native = client.retrieve_study(STUDY, media_types=(("application/dicom", "1.2.840.10008.1.2.1"),))
    assert [each.file_meta.TransferSyntaxUID for each in native] == ["1.2.840.10008.1.2.1"] * 3


def test_two_institutions_see_nothing_of_each_other(served):
    paths = list(httpx.get(f"http://127.0.0.1:{served.web_port}/openapi.json").json()["paths"])
    scoped = [path for path in paths if path.startswith("/{institution}")]
    assert len(scoped) > 8
    for path in scoped:
        answers = []
        for study in (STUDY, "1.2.3.4"):  # another's, and nobody's
            filled = path.replace(":path", "").format(
                institution="pasteur",
                study=study,
                series=f"{study}.1",
                instance=f"{study}.1.1",
                frames="1",
                path="7FE00010",
            )
            answer = httpx.get(f"http://127.0.0.1:{served.web_port}{filled}")
            answers.append((answer.status_code, answer.content))
        assert answers[0] == answers[1], path
        assert answers[0][0] in (404, 200)
        assert answers[0][0] == 404 or answers[0][1] == b"[]"


def test_an_institution_that_is_none_is_answered_as_an_absent_study(served):
    unknown = httpx.get(f"{served.base('nobody')}/studies/{STUDY}")
    absent = httpx.get(f"{served.base('pasteur')}/studies/{STUDY}")
    assert_problem(unknown, 404)
    assert unknown.content == absent.content
    assert_problem(store(served.base("nobody"), body(FILES[0])), 404)


def test_other_verbs_names_and_pages_are_refused(served):
    assert_problem(httpx.delete(f"{served.base()}/studies/{STUDY}"), 405)
    assert_problem(httpx.get(f"{served.base()}/studies", headers={"Host": "evil.example"}), 421)
    assert_problem(httpx.get(f"{served.base()}/nothing"), 404)
    assert "DICOMweb" in httpx.get(f"http://127.0.0.1:{served.web_port}/").text
    assert httpx.get(f"http://127.0.0.1:{served.web_port}/readyz").status_code == 200


def test_what_was_given_out_is_in_the_journal(served):
    before = served.entries("study.export")
    httpx.get(f"{served.base()}/studies/{STUDY}")
    assert served.entries("study.export") > before


def test_beyond_this_machine_it_does_not_listen(tmp_path):
    served = Served.make(tmp_path, "\nlisteners: {dimse: {port: PORT}, web: {host: 0.0.0.0}}\n")
    served.start()
    assert "without TLS" in served.document()["error"]["message"]
