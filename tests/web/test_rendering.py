"""Frames, bulk data, pictures and thumbnails as a viewer asks for them: media types, conditions, ranges, refusals."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from pydicom import dcmread

from tests.dicom.real_files import FOLDER
from tests.services.instances import STUDY, instance

FILE = instance(1)
PIXELS = dcmread(BytesIO(FILE)).PixelData
PLACE = f"/necker/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
KIND = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b1'}
EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"


def stored(client, name):
    """Send one of pydicom's files; return its place."""
    file = (FOLDER / name).read_bytes()
    body = b"--b1\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--b1--\r\n"
    assert client.ask("POST", "/necker/studies", body, KIND).status_code == 200
    uids = dcmread(BytesIO(file), stop_before_pixels=True)
    return f"/necker/studies/{uids.StudyInstanceUID}/series/{uids.SeriesInstanceUID}/instances/{uids.SOPInstanceUID}"


def asked(client, path, accept=None, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.ask("GET", path, headers={**fields, **({"Accept": accept} if accept else {})})


def parts_of(answer):
    boundary = answer.headers["content-type"].rpartition("boundary=")[2].encode()
    return [part.partition(b"\r\n\r\n") for part in answer.content.split(b"\r\n--" + boundary)[1:-1]]


def test_a_frame_is_its_samples_alone_or_in_parts(opened):
    _, client = opened
    alone = asked(client, f"{PLACE}/frames/1", "application/octet-stream")
    assert (alone.status_code, alone.content) == (200, PIXELS)
    ((_, _, body),) = parts_of(
        asked(client, f"{PLACE}/frames/1", 'multipart/related; type="application/octet-stream"')
    )
    assert body == PIXELS


def test_a_compressed_frame_is_given_as_held_to_who_asks_for_it(opened):
    _, client = opened
    place = stored(client, "MR_small_RLE.dcm")
    native = asked(client, f"{place}/frames/1", "application/octet-stream").content
    assert len(native) == 64 * 64 * 2
    for accept in (
        "multipart/related; type=image/dicom-rle",
        "multipart/related; type=*/*; transfer-syntax=*",
    ):
        answer = asked(
            client, f"{place}/frames/1", accept.replace("type=*/*", "type=application/octet-stream")
        )
        ((header, _, body),) = parts_of(answer)
        assert RLE.encode() in header
        assert body in (FOLDER / "MR_small_RLE.dcm").read_bytes()


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/frames/2", None, 404), ("/frames/0", None, 400), ("/frames/x", None, 400), ("/frames/1,,2", None, 400),
        ("/frames/1", "image/jpeg", 406), ("/frames/1", "text/html", 406),
        ("/bulkdata/00100010", None, 404), ("/bulkdata/../../x", None, 404), ("/bulkdata/7FE00010", "image/png", 406),
        ("/rendered", "image/gif", 406), ("/rendered?window=1", None, 400), ("/rendered?window=1,0", None, 400),
        ("/rendered?window=nan,5", None, 400), ("/rendered?window=1,2,cubic", None, 400),
        ("/rendered?quality=0", None, 400), ("/rendered?quality=x", None, 400),
        ("/rendered?quality=1000000", None, 400), ("/rendered?quality=0001" + "0" * 5000, None, 400),
        ("/frames/0000000001" + "0" * 5000, None, 400),
        ("/rendered?viewport=0,5", None, 400), ("/rendered?viewport=1e99,5", None, 400),
        ("/rendered?viewport=60000,60000", None, 406), ("/thumbnail", "multipart/related; type=image/png", 406),
    ],
)  # fmt: skip
def test_what_cannot_be_had_says_why(opened, path, accept, status):
    _, client = opened
    answer = asked(client, PLACE + path, accept)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_metadata_name_where_bulk_data_are_and_there_they_are(opened):
    _, client = opened
    (metadata,) = asked(client, f"{PLACE}/metadata").json()
    url = metadata["7FE00010"]["BulkDataURI"]
    assert url == f"http://127.0.0.1{PLACE}/bulkdata/7FE00010"
    assert asked(client, url.removeprefix("http://127.0.0.1")).content == PIXELS


@pytest.mark.parametrize("path", [PLACE, f"{PLACE}/bulkdata/7FE00010", f"{PLACE}/frames/1"])
def test_a_part_of_it_is_given_and_nothing_again_to_who_has_it(opened, path):
    _, client = opened
    accept = "application/dicom" if path == PLACE else "application/octet-stream"
    whole = asked(client, path, accept)
    part = asked(client, path, accept, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert asked(client, path, accept, Range="bytes=-7").content == whole.content[-7:]
    assert asked(client, path, accept, Range=f"bytes={len(whole.content)}-").status_code == 416
    assert asked(client, path, accept, Range="bytes=0-1,4-5").content == whole.content
    tag = whole.headers["etag"]
    assert asked(client, path, accept, If_None_Match=tag).status_code == 304
    assert asked(client, path, accept, If_None_Match='"other"').status_code == 200
    assert asked(client, path, accept, If_Match='"other"').status_code == 412
    assert asked(client, path, accept, If_Range='"other"', Range="bytes=1-2").content == whole.content


def test_metadata_are_not_sent_again(opened):
    _, client = opened
    tag = asked(client, f"{PLACE}/metadata").headers["etag"]
    assert asked(client, f"{PLACE}/metadata", If_None_Match=tag).status_code == 304


def test_an_instance_is_transcoded_for_who_asks(opened):
    _, client = opened
    place = stored(client, "MR_small_RLE.dcm")
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    ((header, _, body),) = parts_of(asked(client, place, accept))
    assert EXPLICIT.encode() in header
    assert dcmread(BytesIO(body)).file_meta.TransferSyntaxUID == EXPLICIT
    assert asked(client, place, "application/dicom").content == (FOLDER / "MR_small_RLE.dcm").read_bytes()
    refused = asked(client, place, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90")
    assert refused.status_code == 406


@pytest.mark.parametrize(("accept", "kind"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("*/*", "JPEG")])
def test_an_instance_is_shown(opened, accept, kind):
    _, client = opened
    answer = asked(client, f"{PLACE}/rendered?viewport=8,8&window=100,50,linear", accept)
    image = Image.open(BytesIO(answer.content))
    assert (answer.status_code, image.format, image.size) == (200, kind, (8, 8))
    assert (
        asked(client, f"{PLACE}/rendered?accept=image/png", "text/html").headers["content-type"]
        == "image/png"
    )


def test_a_study_is_shown_in_parts(opened):
    _, client = opened
    answer = asked(client, f"/necker/studies/{STUDY}/rendered", 'multipart/related; type="image/png"')
    parts = parts_of(answer)
    assert len(parts) == len(asked(client, f"/necker/studies/{STUDY}/instances").json())
    assert all(body.startswith(b"\x89PNG") for _, _, body in parts)
    assert asked(client, f"/necker/studies/{STUDY}/rendered", "image/png").status_code == 406


@pytest.mark.parametrize(
    "path", [f"/necker/studies/{STUDY}", f"/necker/studies/{STUDY}/series/{STUDY}.1", PLACE]
)
def test_a_thumbnail_stands_for_each_level(opened, path):
    _, client = opened
    answer = asked(client, f"{path}/thumbnail")
    assert Image.open(BytesIO(answer.content)).size == (128, 128)
    assert asked(client, f"{path}/thumbnail", If_None_Match=answer.headers["etag"]).status_code == 304


def test_what_has_no_pixels_has_no_picture_and_stands_in_nobodys_way(opened):
    _, client = opened
    place = stored(client, "rtplan.dcm")
    assert asked(client, f"{place}/rendered").status_code == 404
    assert asked(client, f"{place}/thumbnail").status_code == 404


@pytest.mark.parametrize(
    "suffix", ["/frames/1", "/bulkdata/7FE00010", "/rendered", "/thumbnail", "/frames/1/rendered"]
)
def test_what_is_shown_is_recorded_as_given_out(opened, suffix):
    stores, client = opened
    before = stores.journal.size
    assert asked(client, PLACE + suffix).status_code == 200
    assert [entry.envelope.action for entry in stores.journal.read(before)] == ["study.export"]


@pytest.mark.parametrize(("suffix", "is_access"), [("", True), ("/thumbnail", True), ("/metadata", False)])
def test_who_looks_at_a_study_keeps_it_warm_and_who_asks_what_it_is_does_not(opened, suffix, is_access):
    stores, client = opened
    assert asked(client, PLACE + suffix).status_code == 200
    (entry,) = [each for each in stores.journal.read() if each.envelope.action == "study.export"]
    assert ("package" in entry.envelope.objects, "on" in entry.envelope.data) == (is_access, is_access)


def test_that_several_are_about_to_be_given_is_written_down_before(opened):
    stores, client = opened
    answer = asked(client, f"/necker/studies/{STUDY}")
    told = [entry.envelope.data for entry in stores.journal.read() if entry.envelope.action == "study.export"]
    assert [each.get("intent", False) for each in told] == [True, False]
    assert told[0]["instances"] == told[1]["instances"] == len(parts_of(answer))


@pytest.mark.parametrize("suffix", ["/frames/1", "/bulkdata/7FE00010", "/rendered", "/thumbnail"])
def test_anothers_study_is_as_if_absent(opened, suffix):
    _, client = opened
    absent = asked(client, PLACE.replace(STUDY, "1.2.3") + suffix)
    assert absent.status_code == 404
