"""Who a fact is about: a patient of one institution, by the number that institution gave."""

from __future__ import annotations

from dataclasses import dataclass

from retention.model.identifiers import InstitutionId


@dataclass(frozen=True, slots=True, order=True)
class PatientIdentity:
    """A Patient ID with its issuer (PS3.3 C.7.1.1) at one institution; the issuer is empty where there is none."""

    institution_id: InstitutionId
    patient_id: str
    issuer: str = ""

    @property
    def written(self) -> str:
        """Return `ID^ISSUER`, or the ID alone."""
        return f"{self.patient_id}^{self.issuer}" if self.issuer else self.patient_id


def split_patient(text: str) -> tuple[str, str]:
    """Return ID and issuer of what is written `ID^ISSUER`, or the ID alone."""
    patient_id, _, issuer = text.partition("^")
    return patient_id.strip(), issuer.strip()
