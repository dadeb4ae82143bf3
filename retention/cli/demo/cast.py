"""Who the twenty years are about: patients of pydicom's files, the people of a hospital, the policy that binds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

HOSPITAL = "necker"
ARCHIVIST, SECOND, PHYSICIAN, DIRECTOR = "Anna", "Bruno", "Denis", "Odile"
ROLES = {
    ARCHIVIST: ("archivist", "administrator"),
    SECOND: ("archivist",),
    PHYSICIAN: ("dim_physician",),
    DIRECTOR: ("director",),
}
VISA = "archives_visa"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as the files name him or her, who was last seen when the file was made.

    The files say no birth date: the hospital's register does, or nobody.
    """

    patient_id: str
    file: str
    seen_on: date
    born_on: date | None


RECALLED = Patient("1CT1", "CT_small.dcm", date(2004, 1, 19), date(1950, 3, 1))
CHILD = Patient("4MR1", "MR_small.dcm", date(2004, 8, 26), date(1998, 3, 10))
DECEASED = Patient("13US1", "examples_jpeg2k.dcm", date(2004, 8, 26), date(1931, 7, 14))
HELD = Patient("id11111", "rtdose.dcm", date(2003, 8, 5), date(1960, 1, 1))
UNKNOWN = Patient("id00001", "rtplan.dcm", date(2003, 7, 16), None)
CAST = (RECALLED, CHILD, DECEASED, HELD, UNKNOWN)

POLICY = """\
apiVersion: retention/v1
kind: RetentionPolicy
name: twenty-years
version: 1
effective_on: 2004-01-01
review_by: 2030-01-01
title: {en: "Twenty years from the last visit", fr: "Vingt ans depuis le dernier passage"}
legal_basis: {text: "after Code de la santé publique, art. R1112-7", checked_on: 2004-01-01, status: unverified}
rules:
  - id: twenty-years
    match: {any: true}
    trigger: last_visit
    scope: institution
    keep: P20Y
    floor: {until_age: 28}
    on_death: {within: P10Y, keep_from_death: P10Y, may_shorten: true}
final_action: destroy
disposal:
  approvals: [dim_physician, director, {external: archives_visa}]
  grace: P30D
  limits: {studies: 10, percent: 100, per: P30D}
examples:
  - name: an adult is kept for twenty years
    at: 2026-01-01
    study: {study_date: 2004-01-19, modality: CT}
    facts: {birth: 1950-03-01, last_visit: 2004-01-19}
    expect: {state: DETERMINED, keep_until: 2024-01-19}
"""
"""The rule of the library's fr-csp-r1112-7 with a date of effect that a rehearsal from 2004 on can live under."""
