"""A study as `study list` and `study show` say it, for machines and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from retention.cli.invocation import current
from retention.cli.text import size_text, toned
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from datetime import datetime

    from retention.catalog.records import PackageSummary, SeriesRecord, StudyDetail, StudySummary
    from retention.cli.documents.study import Package, Series, StudyRow, StudyShow


def study_row(study: StudySummary, order: Sequence[str]) -> StudyRow:
    """Return one line of a list; `order` has the tiers from the quickest to the slowest."""
    tiers = sorted(study.tiers, key=lambda tier: (order.index(tier) if tier in order else len(order), tier))
    return {
        "study_uid": study.study_uid,
        "institution": study.institution,
        "tier": tiers[-1] if tiers else None,
        "tiers": tiers,
        "instances": study.instances,
        "bytes": study.bytes_received,
        "state": study.state,
        "keep_until": study.keep_until_on.isoformat() if study.keep_until_on else None,
        "holds": study.holds,
        "health": study.health,
        "last_verified": _instant(study.last_verified_at),
    }


def study_document(study: StudyDetail, order: Sequence[str]) -> StudyShow:
    """Return everything about one study."""
    patient, facts = study.patient, study.facts
    return {
        **study_row(study.summary, order),
        "received": format_instant(study.summary.received_at),
        "patient": {
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
            "name": patient.name,
            "birth_date": patient.birth_date,
            "sex": patient.sex,
        },
        "other_patients": [
            {"patient_id": patient_id, "issuer": issuer} for patient_id, issuer in study.other_patients
        ],
        "facts": {
            "study_date": facts.study_date,
            "study_time": facts.study_time,
            "description": facts.description,
            "accession_number": facts.accession_number,
            "institution_name": facts.institution_name,
            "department": facts.department,
            "study_id": facts.study_id,
            "referring_physician": facts.referring_physician,
        },
        "modalities": list(study.modalities),
        "series": [_series(series) for series in study.series],
        "packages": [_package(package) for package in study.packages],
    }


def _series(series: SeriesRecord) -> Series:
    return {
        "series_uid": series.series_uid,
        "instances": series.instances,
        "modality": series.facts.modality,
        "body_part": series.facts.body_part,
        "description": series.facts.description,
        "manufacturer": series.facts.manufacturer,
        "number": series.facts.number,
        "performed_date": series.facts.performed_date,
        "performed_time": series.facts.performed_time,
    }


def _package(package: PackageSummary) -> Package:
    return {
        "package": package.package_id,
        "tier": package.tier,
        "protection": str(package.protection),
        "instances": package.instances,
        "bytes_stored": package.bytes_stored,
        "health": package.health,
        "created": format_instant(package.created_at),
        "copy_of": package.copy_of,
        "until": _instant(package.drop_at),
        "shards": [
            {
                "number": shard.number,
                "generation": shard.generation,
                "volume": shard.volume,
                "state": shard.state,
                "bytes": shard.size_bytes,
                "verified": _instant(shard.verified_at),
            }
            for shard in package.shards
        ],
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)


def study_lines(data: StudyShow) -> Iterator[str]:
    """Tell people the same, but for shards that are as they should be."""
    facts = {
        "uid": data["study_uid"],
        "institution": data["institution"],
        "tier": ", ".join(data["tiers"]),
        "instances": data["instances"],
        "size": size_text(data["bytes"]),
        "state": data["state"],
        "keep_until": data["keep_until"],
        "last_verified": data["last_verified"],
        "received": data["received"],
        **data["patient"],
        **data["facts"],
    }
    shown = {current.say(f"study.{name}"): value for name, value in facts.items() if value is not None}
    width = max(map(len, shown)) + 1
    yield f"{current.say('study.health') + ':':{width}} {toned(data['health'])}"
    for name, value in shown.items():
        yield current.say("study.fact", name=f"{name + ':':{width}}", value=str(value))
    for other in data["other_patients"]:
        issuer = other["issuer"] or "-"
        yield current.say("study.other_patient", patient=other["patient_id"], issuer=issuer)
    for series in data["series"]:
        yield current.say(
            "study.series",
            uid=series["series_uid"],
            modality=series["modality"] or "?",
            instances=series["instances"],
            description=series["description"] or "",
        ).rstrip(", ")
    for package in data["packages"]:
        yield current.say(
            "study.package",
            package=package["package"],
            tier=package["tier"],
            protection=package["protection"],
        )
        for shard in package["shards"]:
            place = current.say("study.shard", number=shard["number"], volume=shard["volume"] or "-")
            yield f"{place} {toned(shard['state'])}"
