"""Which Key Object Selections are rejection notes, and what they name."""

import pytest

from retention.dicom.rejection import REJECTIONS, read_rejection
from tests.dicom.notes import key_object_selection


@pytest.mark.parametrize("code", REJECTIONS)
def test_a_rejection_note_names_instances_by_study(code):
    note = read_rejection(key_object_selection(code, {"1.2": ["1.2.1", "1.2.2"], "1.3": ["1.3.1"]}))
    assert note is not None
    assert note.code == code
    assert note.instances == {"1.2": ["1.2.1", "1.2.2"], "1.3": ["1.3.1"]}


@pytest.mark.parametrize(
    "file",
    [
        key_object_selection("113000", {"1.2": ["1.2.1"]}),
        key_object_selection("113001", {}, scheme="99X"),
        b"",
        b"x" * 500,
    ],
)
def test_another_document_is_none(file):
    assert read_rejection(file) is None
