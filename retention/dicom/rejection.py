"""Rejection notes: Key Object Selections that say why instances are not to be used any more (CID 7010, IHE IOCM)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
REJECTIONS = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""Document titles, coding scheme DCM."""

LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """Why, and which instances: study to SOP Instance UIDs."""

    code: str
    instances: dict[str, list[str]]


def read_rejection(file: bytes) -> RejectionNote | None:
    """Return the rejection that a Key Object Selection is, None if it is another, or cannot be read."""
    from pydicom import dcmread

    if len(file) > LIMIT_BYTES:
        return None
    try:
        document = dcmread(io.BytesIO(file), force=True)
        (title,) = document.ConceptNameCodeSequence
        code = str(title.CodeValue)
        if code not in REJECTIONS or str(title.CodingSchemeDesignator) != "DCM":
            return None
        instances: dict[str, list[str]] = {}
        for study, uid in _references(document):
            instances.setdefault(study, []).append(uid)
    except Exception:  # noqa: BLE001  # whatever the parser makes of it: it is kept, and hides nothing
        return None
    return RejectionNote(code, instances)


def _references(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  # attributes are made at run time
    """Yield (study, instance) of the evidence that the document refers to (PS3.3 C.17.2)."""
    for study in document.CurrentRequestedProcedureEvidenceSequence:
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                yield str(study.StudyInstanceUID), str(item.ReferencedSOPInstanceUID)
