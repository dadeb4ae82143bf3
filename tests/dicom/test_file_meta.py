"""File meta as PS3.10 wants it, as pydicom reads it."""

import io

import pydicom
import pytest

from retention.dicom.file_meta import file_meta


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2", "1.2.3", "1" * 64])
def test_pydicom_reads_what_was_written(uid):
    data = file_meta("1.2.840.10008.5.1.4.1.1.2", uid, "1.2.840.10008.1.2.1")
    found = pydicom.dcmread(io.BytesIO(data), force=False).file_meta
    assert found.MediaStorageSOPInstanceUID == uid
    assert found.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert found.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert found.FileMetaInformationVersion == b"\0\1"
    assert found.FileMetaInformationGroupLength == len(data) - 132 - 12


def test_the_same_data_set_gets_the_same_file_meta():
    assert file_meta("1.2", "1.3", "1.4") == file_meta("1.2", "1.3", "1.4")


@pytest.mark.parametrize("uid", ["1" * 65, "é"])
def test_what_is_no_uid_is_refused(uid):
    with pytest.raises(ValueError, match=r"not a UID|ascii"):
        file_meta("1.2", uid, "1.4")
