"""Collecting what a compliance report says from the archive, as of one moment."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from retention import __version__
from retention.catalog.policy_records import RETENTION_POLICY
from retention.catalog.records import InstitutionRecord
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.identifiers import new_id
from retention.services import initialise, institutions
from retention.services.compliance.contents import AGES_DAYS, Gathered, Identity
from retention.services.compliance.history import Consistency, prove_consistency, read_history
from retention.services.in_force import retention_policy
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
        states, ended = figures.states(), figures.ended(made_at.date())
        gathered = Gathered(
            identity=identity,
            history=history,
            held=figures.held(),
            states=states,
            held_instances=sum(row.instances for row in states),
            endings=figures.endings(),
            ended=ended,
            ending_soon=figures.ended(made_at.date() + timedelta(days=365)) - ended,
            checked=figures.checked([made_at - timedelta(days=days) for days in AGES_DAYS]),
            flawed=figures.flawed(),
            placed=figures.placed(),
            tiers=tier_statuses(stores),
            write_debt=sum(1 for _ in stores.catalog.debts()),
            root_before=proof.first_root,
            root=proof.second_root,
            signing_key=str(signer.verifier),
            policies=_policies(stores, owner),
            holds=_holds(stores, owner, made_at.date()),
        )
    return gathered, proof


def _policies(stores: Stores, owner: InstitutionRecord | None) -> list[dict[str, JsonValue]]:
    """Return the retention policies in force that an institution lists (all of them, for the whole archive)."""
    listed = None if owner is None else set(owner.spec.policies)
    with stores.catalog.deciding() as step:
        in_force = [force.policy for force in step.in_force() if force.policy.kind == RETENTION_POLICY]
    found: list[dict[str, JsonValue]] = []
    for record in in_force:
        if listed is None or record.name in listed:
            policy = retention_policy(record)
            review_by = policy.review_by
            found.append(
                {
                    "name": record.name,
                    "version": record.version,
                    "digest": record.digest,
                    "legal_basis": policy.legal_basis.text,
                    "review_by": None if review_by is None else review_by.isoformat(),
                }
            )
    return sorted(found, key=lambda one: str(one["name"]))


def _holds(stores: Stores, owner: InstitutionRecord | None, today: date) -> list[dict[str, JsonValue]]:
    """Return the holds in force: whose, since when, and whether somebody should have looked again. No names."""
    names = {one.institution_id: one.spec.name for one in stores.catalog.institutions()}
    return [
        {
            "id": hold.hold_id,
            "institution": names[hold.institution_id],
            "placed_at": format_instant(hold.placed_at),
            "state": "overdue" if hold.reassess_on < today else "standing",
        }
        for hold in stores.catalog.holds.standing()
        if owner is None or hold.institution_id == owner.institution_id
    ]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _name_of(owner: InstitutionRecord | None) -> str | None:
    return None if owner is None else owner.spec.name
