"""`policy diff|apply|list|show|explain`."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Day, Instant


class PolicyChange(TypedDict):
    where: str
    """The place in the document: `rules.twenty-years.keep`."""
    text: str
    """What becomes what, in the language asked for."""
    loosening: bool
    """Whether it lets a record go earlier, or with less control."""


class PolicyProposal(TypedDict):
    """A document, against the version in force."""

    kind: str
    name: str
    version: Count
    digest: str
    replaces: str | None
    """The digest of the version in force; null for a new name."""
    unchanged: bool
    loosening: bool
    changes: list[PolicyChange]


class PolicyFate(TypedDict):
    fate: str
    """`same`, `earlier`, `later`, or `restated`: the same end by another rule, state or final action."""
    studies: Count
    bytes: Count


PolicyTransition = TypedDict("PolicyTransition", {"from": str, "to": str, "studies": Count})


class PolicyDiff(TypedDict):
    """What would change, loosenings approved."""

    policies: list[PolicyProposal]
    loosening: bool
    institutions: list[str]
    """Whose studies were compared."""
    studies: Count
    """How many were."""
    studies_changed: Count
    bytes_changed: Count
    fates: list[PolicyFate]
    transitions: list[PolicyTransition]
    """From which state to which, where something changes."""
    studies_moved: Count
    """How many a storage plan would send elsewhere, or at another time."""
    bytes_moved: Count


class PolicyApplied(PolicyProposal):
    in_force: bool
    approval: str | None
    """The request that a second person has to approve before it is in force."""


class PolicyApply(TypedDict):
    """What became of each document."""

    policies: list[PolicyApplied]
    pending: Count


class PolicyInForce(TypedDict):
    kind: str
    name: str
    version: Count
    digest: str
    title: str
    """In the language asked for."""
    since: Instant
    institutions: list[str]
    """Who lists it."""
    review_by: Day | None
    review_overdue: bool


class PolicyList(TypedDict):
    """What is in force."""

    policies: list[PolicyInForce]


PolicyVersion = TypedDict(
    "PolicyVersion",
    {
        "version": Count,
        "digest": str,
        "from": Instant,
        "until": Instant | None,
        "retired": bool,
        "entry": Count,
    },
)


class PolicyShow(PolicyInForce):
    """One policy: its text, and every version there was."""

    text: str
    history: list[PolicyVersion]
    """Oldest first. `retired`: an approved loosening ended it also for the studies it had counted for; `entry` is the
    journal entry that put it in force."""


class PolicyExplain(TypedDict):
    """A decision, whole: the same a certificate embeds."""

    study_uid: str
    institution: str
    at: Day
    state: str
    reason: str
    keep_until: Day | None
    """The last day to keep it; null unless the state is DETERMINED."""
    latest_until: Day | None
    """The last day the rules could name, whatever the unknown facts are; null without end."""
    winner: str | None
    final_action: str
    undetermined: list[str]
    """What would have to be known."""
    rules: list[dict[str, Any]]
    """Every rule considered: the fact used, its source, the dates computed."""
    holds: list[dict[str, Any]]
    suspended_by: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    """Maxima that have been reached."""
    next_change_on: Day | None
    """When time alone may change the decision."""
    tier_now: str | None
    """The slowest tier it lies on."""
    plan_tier: str | None
    """Where its plan wants it."""
    next_action: str | None
    """In the language asked for."""
    next_action_on: Day | None
    sentences: list[str]
