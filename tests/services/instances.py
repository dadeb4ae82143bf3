"""Small DICOM instances, made by pydicom, for the tests of what is done with archives."""

from __future__ import annotations

import io
import random
from functools import cache

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

STUDY = "1.2.840.99.1"
OTHER_STUDY = "1.2.840.99.2"
CT = "1.2.840.10008.5.1.4.1.1.2"


@cache
def instance(
    number: int = 1,
    *,
    study: str = STUDY,
    series: int = 1,
    uid: str | None = None,
    patient: str = "IPP-1",
    pixels: int | None = None,
    rows: int = 16,
    meta: str = "1.2.840.99.5",
    on: str = "20261101",
    born: str = "19610229",
) -> bytes:
    """One CT slice of `rows` x `rows` samples, about 1 KB. `pixels` seeds its content, by default its number.

    `meta` goes into the file meta alone: another one is another encoding of the same data set.
    """
    dataset = Dataset()
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = uid or f"{study}.{series}.{number}"
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = f"{study}.{series}"
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = patient, "DOE^JANE", "F"
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = born, on, "101500"
    dataset.Modality, dataset.StudyDescription, dataset.SeriesDescription = "CT", "THORAX", "LUNG"
    dataset.AccessionNumber, dataset.Manufacturer, dataset.InstanceNumber = "A1", "ACME", number
    dataset.StudyID, dataset.SeriesNumber, dataset.ReferringPhysicianName = "S1", series, "WHO^DOCTOR"
    dataset.Rows = dataset.Columns = rows
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = _samples(number if pixels is None else pixels, rows)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(meta)
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _samples(seed: int, rows: int) -> bytes:
    """What CT looks like to packing: neighbours differ little."""
    noise = np.frombuffer(random.Random(seed).randbytes(rows * rows), np.uint8) % 9
    return (np.arange(rows * rows) * 3 + noise).astype("<u2").tobytes()


def unidentified(seed: int = 1) -> bytes:
    """A DICOM file without an identity: it goes to quarantine."""
    return bytes(128) + b"DICM" + random.Random(seed).randbytes(200)
