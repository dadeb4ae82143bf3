"""The shape of a StoragePlan: on which tier a study lies at each age, and how often it is checked there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from retention.policy.documents import Document, LegalBasis, Match, Title
from retention.policy.example_documents import PlanExample
from retention.policy.shape import Part
from retention.policy.words import LIST_ITEMS, Day, Name, PeriodValue, Share, closed

ROWS = 20


class TierRow(Part):
    """A stay on one tier. Every row but the last says how long; `from` stands on the first only."""

    tier: Name
    for_: PeriodValue | None = Field(None, alias="for")
    from_: Annotated[Literal["study_date", "ingest_date"], closed("study_date", "ingest_date")] | None = (
        Field(None, alias="from")
    )
    unless_accessed_within: PeriodValue | None = None


Rows = Annotated[list[TierRow], Field(min_length=1, max_length=ROWS)]


class TiersFor(Part):
    """Rows for the studies that match."""

    match: Match
    tiers: Rows


class Fixity(Part):
    """How often packages on a tier are read back: all of them (`full`), a share (`sample` every `every`)."""

    full: PeriodValue | None = None
    sample: Share | None = None
    every: PeriodValue | None = None
    on_recall: Annotated[Literal["full"], closed("full")] | None = None


class StoragePlan(Document):
    """The operator's: tiers by age and fixity checks."""

    kind: Annotated[Literal["StoragePlan"], closed("StoragePlan")]
    version: Annotated[int, Field(ge=1)] = 1
    title: Title | None = None
    legal_basis: LegalBasis | None = None
    review_by: Day | None = None
    tiers: Rows
    tiers_for: list[TiersFor] = Field([], max_length=LIST_ITEMS)
    fixity: dict[Name, Fixity] = Field({}, max_length=LIST_ITEMS)
    examples: list[PlanExample] = Field([], max_length=LIST_ITEMS)
