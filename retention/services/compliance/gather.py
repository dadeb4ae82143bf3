"""Collecting what a compliance report says from the archive, as of one moment."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from retention import __version__
from retention.catalog.policy_records import RETENTION_POLICY
from retention.catalog.records import InstitutionRecord
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.identifiers import new_id
from retention.services import initialise, institutions
from retention.services.audit.coverage import coverage_of
from retention.services.audit.standing import disagreements
from retention.services.compliance.contents import Gathered, Identity
from retention.services.compliance.fixity import AGES_DAYS, Auditing
from retention.services.compliance.history import Reading
from retention.services.compliance.metering import meter_rows, metered
from retention.services.compliance.sealing import sealing_of
from retention.services.in_force import retention_policy
from retention.services.seal import find_seals
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.services.volume_care import tier_statuses

UTC = ZoneInfo("UTC")


def gather(stores: Stores, from_on: date, until_on: date, institution: str | None, language: str) -> Gathered:
    """Return all that a report of a period (both days included) rests on.

    Raises UsageError for an unknown institution, JournalBrokenError.
    """
    owner = None if institution is None else institutions.find(stores, institution)
    signer = archive_signer(stores)
    made_at = stores.clock.now()
    period = _midnight(from_on), _midnight(until_on + timedelta(days=1))
    seals = find_seals(stores)
    reading = Reading(*period, None if owner is None else owner.institution_id)
    history = reading.follow(stores.journal.read(0, is_form_known=True))
    names = {str(one.institution_id): one.spec.name for one in stores.catalog.institutions()}
    coverage, unlike = coverage_of(stores), disagreements(stores)
    today = made_at.date()
    with stores.catalog.figures(_name_of(owner)) as figures:
        states, ended = figures.states(), figures.ended(today)
        meter = metered(figures.metering(period[1]), history.by_month)
        last_month = min(made_at, period[1] - timedelta(days=1)).strftime("%Y-%m")
        return Gathered(
            identity=Identity(
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
            ),
            history=history,
            held=figures.held(),
            states=states,
            held_instances=sum(row.instances for row in states),
            held_series=figures.series(),
            endings=figures.endings(),
            ended=ended,
            ending_soon=figures.ended(today + timedelta(days=365)) - ended,
            checked=figures.checked([made_at - timedelta(days=days) for days in AGES_DAYS]),
            auditing=Auditing(coverage, [str(one) for one in unlike]),
            flawed=figures.flawed(),
            margins=figures.margins(),
            placed=figures.placed(),
            tiers=tier_statuses(stores),
            write_debt=sum(1 for _ in stores.catalog.debts()),
            sealing=sealing_of(stores, seals, history),
            signing_key=str(signer.verifier),
            meter=meter_rows(meter, names, (from_on.strftime("%Y-%m"), last_month)),
            meter_disagreements=meter.disagreements,
            policies=_policies(stores, owner),
            holds=_holds(stores, owner, today),
            roles=_roles(stores, owner),
        )


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
            "scope": hold.scope.value,
            "placed_at": format_instant(hold.placed_at),
            "reassess_on": hold.reassess_on.isoformat(),
            "state": "overdue" if hold.reassess_on < today else "standing",
        }
        for hold in stores.catalog.holds.standing()
        if owner is None or hold.institution_id == owner.institution_id
    ]


def _roles(stores: Stores, owner: InstitutionRecord | None) -> dict[str, int]:
    """Return how many people have each role, there or in the whole archive. No names."""
    where = None if owner is None else owner.institution_id
    held: Counter[str] = Counter()
    for person in stores.catalog.people.all():
        held.update({role for at, role in person.roles if where is None or at in (None, where)})
    return dict(sorted(held.items()))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _name_of(owner: InstitutionRecord | None) -> str | None:
    return None if owner is None else owner.spec.name
