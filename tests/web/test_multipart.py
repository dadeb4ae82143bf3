"""Bodies in parts: whole however they are cut, and refused when they are none."""

import pytest

from retention.model.errors import InputError
from retention.web.multipart import MultipartParser, boundary_of, media_type_of, written


class Taken:
    def __init__(self):
        self.data = b""
        self.is_whole = False

    def write(self, data):
        self.data += data

    def finish(self):
        self.is_whole = True


def parsed(body, cut=1 << 20):
    taken = []

    def begin(header):
        taken.append((header, Taken()))
        return taken[-1][1]

    parser = MultipartParser(b"x1", begin)
    for start in range(0, len(body), cut):
        parser.feed(body[start : start + cut])
    parser.close()
    return taken


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_parts_are_whole_however_the_body_is_cut(cut):
    data = [b"one\r\n--x", b"\r\n\r\n" * 50, bytes(range(256))]
    body = b"".join(written("x1", (("application/dicom", each) for each in data)))
    taken = parsed(b"before" + body + b"after", cut)
    assert [part.data for _, part in taken] == data
    assert all(part.is_whole for _, part in taken)
    assert taken[0][0]["content-type"] == "application/dicom"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no delimiter",
        b"--x1\r\nContent-Type: a/b\r\n\r\ncut short",
        b"--x1\r\nContent-Type: a/b\r\n\r\nlast delimiter missing\r\n--x1\r\n",
        b"--x1 junk\r\n\r\n\r\n--x1--",
        b"--x1\r\nnot a header\r\n\r\n\r\n--x1--",
        b"--x1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n\r\n--x1--",
        b"." * 100_000 + b"\r\n--x1--",
    ],
)
def test_what_is_no_multipart_body_is_refused(body):
    with pytest.raises(InputError):
        parsed(body)


@pytest.mark.parametrize("boundary", ['""', "", "a" * 71, '"ends with space "', '"a\nb"'])
def test_a_boundary_that_is_none_is_refused(boundary):
    with pytest.raises(InputError):
        boundary_of(media_type_of(f"multipart/related; boundary={boundary}"))


def test_parameters_are_read_quoted_or_not():
    found = media_type_of('Multipart/Related; type="application/dicom";BOUNDARY=a-b')
    assert (found.name, found.parameters["type"], boundary_of(found)) == (
        "multipart/related",
        "application/dicom",
        b"a-b",
    )
