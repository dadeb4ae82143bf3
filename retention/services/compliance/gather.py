"""Collecting what a compliance report says from the archive, as of one moment."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from retention import __version__
from retention.catalog.records import InstitutionRecord
from retention.model.identifiers import new_id
from retention.services import initialise, institutions
from retention.services.compliance.contents import AGES_DAYS, Gathered, Identity
from retention.services.compliance.history import Consistency, prove_consistency, read_history
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.services.volume_care import tier_statuses

UTC = ZoneInfo("UTC")


def gather(
    stores: Stores, from_on: date, until_on: date, institution: str | None, language: str
) -> tuple[Gathered, Consistency]:
    """Return all that a report of a period (both days included) rests on, and the journal's proof.

    Raises UsageError for an unknown institution, JournalBrokenError.
    """
    owner = None if institution is None else institutions.find(stores, institution)
    signer = archive_signer(stores)
    made_at = stores.clock.now()
    history = read_history(
        stores,
        _midnight(from_on),
        _midnight(until_on + timedelta(days=1)),
        None if owner is None else owner.institution_id,
    )
    proof = prove_consistency(stores, history.size_before, history.size)
    identity = Identity(
        report_id=new_id(),
        archive_id=stores.archive_id,
        archive_name=stores.settings.name,
        program=f"retention {__version__}",
        is_rehearsal=initialise.is_rehearsal(stores),
        institution=institution,
        language=language,
        from_on=from_on,
        until_on=until_on,
        made_at=made_at,
    )
    with stores.catalog.figures(_name_of(owner)) as figures:
        gathered = Gathered(
            identity=identity,
            history=history,
            held=figures.held(),
            states=figures.states(),
            endings=figures.endings(),
            ended=figures.ended(made_at.date()),
            ending_soon=figures.ended(made_at.date() + timedelta(days=365)) - figures.ended(made_at.date()),
            checked=figures.checked([made_at - timedelta(days=days) for days in AGES_DAYS]),
            flawed=figures.flawed(),
            placed=figures.placed(),
            tiers=tier_statuses(stores),
            write_debt=sum(1 for _ in stores.catalog.debts()),
            root_before=proof.first_root,
            root=proof.second_root,
            signing_key=str(signer.verifier),
        )
    return gathered, proof


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _name_of(owner: InstitutionRecord | None) -> str | None:
    return None if owner is None else owner.spec.name
