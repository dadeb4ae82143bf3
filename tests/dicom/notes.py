"""Key Object Selections, made by pydicom."""

from __future__ import annotations

import io

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian


def key_object_selection(
    code: str, instances: dict[str, list[str]], *, study: str = "1.2", scheme: str = "DCM"
) -> bytes:
    """Return a Key Object Selection with that title, about instances by study."""
    document = Dataset()
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    document.SOPInstanceUID, document.StudyInstanceUID = f"{study}.99", study
    document.SeriesInstanceUID, document.Modality = f"{study}.9", "KO"
    document.PatientID = "IPP-1"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = code, scheme, "a title"
    document.ConceptNameCodeSequence = [title]
    document.CurrentRequestedProcedureEvidenceSequence = [_study(*each) for each in instances.items()]
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    dcmwrite(file, document, enforce_file_format=True)
    return file.getvalue()


def _study(study: str, uids: list[str]) -> Dataset:
    items = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
        items.append(item)
    series, evidence = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{study}.1", items
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = study, [series]
    return evidence
