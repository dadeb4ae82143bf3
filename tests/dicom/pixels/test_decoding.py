"""The decoding process: what it dies of does not reach whoever asked, and it has no more than it needs."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from retention.dicom.pixels.decoding import Decoding
from retention.dicom.pixels.picture import Look
from retention.model.errors import NotFoundError, RetentionError, UndecodableError
from tests.dicom.real_files import FILES, FOLDER
from tests.services.instances import instance

CT = (FOLDER / "CT_small.dcm").read_bytes()


@pytest.fixture(scope="module")
def decoding():
    with Decoding(1) as decoding:
        yield decoding


def pid_of(decoding):
    (process,) = decoding._started
    return process._process.pid


def test_each_operation_answers_through_the_process(decoding):
    assert decoding.frames(CT, [1], as_held=True)[0].data == CT[-32_768 - 138 : -138] or decoding.frames(
        CT, [1], as_held=True
    )
    assert decoding.picture(CT, 1, Look()).startswith(b"\xff\xd8")
    assert decoding.native(CT)[128:132] == b"DICM"
    assert len(decoding.bulk(CT, ["7FE00010"])[0].data) == 32_768


def test_what_is_absent_and_what_cannot_be_decoded_are_told_apart(decoding):
    with pytest.raises(NotFoundError):
        decoding.frames(CT, [2], as_held=True)
    with pytest.raises(UndecodableError):
        decoding.picture((FOLDER / "badVR.dcm").read_bytes(), 1, Look())


def test_whatever_it_is_given_the_next_one_is_shown(decoding):
    for file in FILES[::5]:
        try:
            decoding.picture(file.read_bytes(), 1, Look())
        except RetentionError as error:
            assert error.message  # noqa: PT017  # some can be shown and some cannot; none may end otherwise
    for length in range(0, len(CT), 2_003):
        with pytest.raises(RetentionError):
            decoding.picture(CT[:length], 1, Look())
    assert decoding.picture(CT, 1, Look())


def test_a_process_that_dies_is_replaced(decoding):
    decoding.warm()
    before = pid_of(decoding)
    os.kill(before, 9)
    with suppress(UndecodableError):  # if it was not noticed to be dead before it was asked
        decoding.picture(CT, 1, Look())
    assert decoding.picture(CT, 1, Look())
    assert pid_of(decoding) != before


def test_a_process_that_takes_too_long_is_stopped():
    with Decoding(1, wall_s=0.0) as decoding, pytest.raises(UndecodableError, match="gave up"):
        decoding.picture(CT, 1, Look())


def test_it_gets_no_secret_and_cannot_write_files(decoding, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with Decoding(1) as fresh:
        assert fresh.picture(instance(1), 1, Look())
        place = Path(f"/proc/{pid_of(fresh)}")
        assert b"secret" not in (place / "environ").read_bytes()
        limits = (place / "limits").read_text()
        assert [line.split()[-3] for line in limits.splitlines() if line.startswith("Max file size")] == ["0"]
        opened = {os.readlink(each) for each in (place / "fd").iterdir()}
        assert all(name.startswith(("pipe:", "/dev/null")) for name in opened)


def test_a_process_that_ends_after_its_answer_is_asked_nothing_more(monkeypatch):
    """It has grown too large: whoever asks next gets a new one, not a refusal."""

    class Grown(subprocess.Popen[bytes]):
        def __init__(self, argv, **options):
            code = "from retention.dicom.pixels import worker; worker.RESIDENT_BYTES = 0; worker.main()"
            super().__init__([argv[0], "-c", code], **options)

    monkeypatch.setattr(subprocess, "Popen", Grown)
    with Decoding(1) as decoding:
        for _ in range(3):
            assert decoding.native(CT)
