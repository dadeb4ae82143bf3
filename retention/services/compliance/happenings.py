"""What else the journal tells of a period, from envelopes alone: policies, approvals, disposals, recalls, roles.

The invariant: public data only, so nobody is named; lists are bounded, and what is not listed is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from retention.journal.envelope import Envelope
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.services.entries.approvals import APPROVAL_GIVE, APPROVAL_REQUEST
from retention.services.entries.disposal import CERTIFY, ERASURE, REFUSE
from retention.services.entries.drills import DRILL_END
from retention.services.entries.people import PERSON_ROLE
from retention.services.entries.policies import POLICY_APPLY
from retention.services.entries.recalls import RECALL_CANCEL, RECALL_READY, RECALL_REQUEST
from retention.services.events import list_of, optional_text_of, text_of

MAX_LISTED = 500

Row = dict[str, JsonValue]


@dataclass(slots=True)
class Recalled:
    """Recalls of the period: how many were asked for, became readable, were given up; how long they took."""

    requested: int = 0
    ready: int = 0
    cancelled: int = 0
    total: timedelta = timedelta()
    longest: timedelta = timedelta()
    by_urgency: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Approved:
    """A request of the period: what kind, how many different people signed it, whether that was enough."""

    kind: str
    people: set[str] = field(default_factory=set)
    is_complete: bool = False
    asked_by_signer: bool = False


@dataclass(slots=True)
class Happened:
    """All of it. Rows are in the order of the journal."""

    policies: list[Row] = field(default_factory=list)
    certificates: list[Row] = field(default_factory=list)
    refusals: list[Row] = field(default_factory=list)
    erasures: list[Row] = field(default_factory=list)
    roles: list[Row] = field(default_factory=list)
    drills: list[Row] = field(default_factory=list)
    recalled: Recalled = field(default_factory=Recalled)
    requests: dict[str, Approved] = field(default_factory=dict)
    not_listed: int = 0


class Happenings:
    """Notes entries of a period, one by one."""

    def __init__(self, happened: Happened) -> None:
        self._happened = happened
        self._asked: dict[str, datetime] = {}
        self._askers: dict[str, str | None] = {}
        self._notes: Mapping[str, Callable[[Envelope], None]] = {
            POLICY_APPLY: self._policy,
            CERTIFY: self._certificate,
            REFUSE: self._refusal,
            ERASURE: self._erasure,
            PERSON_ROLE: self._role,
            DRILL_END: self._drill,
            APPROVAL_REQUEST: self._request,
            APPROVAL_GIVE: self._given,
            RECALL_REQUEST: self._recall,
            RECALL_READY: self._ready,
            RECALL_CANCEL: self._cancelled,
        }

    def note(self, envelope: Envelope) -> None:
        """Take in one entry; of most kinds there is nothing to note."""
        note = self._notes.get(envelope.action)
        if note is not None:
            note(envelope)

    def _list(self, rows: list[Row], envelope: Envelope, row: Row) -> None:
        if len(rows) < MAX_LISTED:
            rows.append({"at": format_instant(envelope.at), "entry": envelope.seq, **row})
        else:
            self._happened.not_listed += 1

    def _policy(self, envelope: Envelope) -> None:
        data = envelope.data
        row: Row = {name: data.get(name) for name in ("name", "version", "digest", "replaces", "loosening")}
        self._list(self._happened.policies, envelope, row | {"approval": data.get("approval")})

    def _certificate(self, envelope: Envelope) -> None:
        number = text_of(envelope.data, "number")
        self._list(self._happened.certificates, envelope, {"number": number})

    def _refusal(self, envelope: Envelope) -> None:
        self._list(self._happened.refusals, envelope, {"code": text_of(envelope.data, "code")})

    def _erasure(self, envelope: Envelope) -> None:
        article = optional_text_of(envelope.data, "article")
        self._list(self._happened.erasures, envelope, {"article": article})

    def _role(self, envelope: Envelope) -> None:
        given, taken = (_roles(envelope, name) for name in ("added", "removed"))
        self._list(self._happened.roles, envelope, {"given": given, "taken": taken})

    def _drill(self, envelope: Envelope) -> None:
        numbers: Row = {
            name: value
            for name, value in envelope.data.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
        self._list(self._happened.drills, envelope, {"numbers": numbers})

    def _request(self, envelope: Envelope) -> None:
        request = envelope.objects["request"]
        self._happened.requests[request] = Approved(text_of(envelope.data, "kind"))
        self._askers[request] = optional_text_of(envelope.data, "asked_by")

    def _given(self, envelope: Envelope) -> None:
        request, by = envelope.objects["request"], envelope.data["by"]
        found = self._happened.requests.setdefault(request, Approved("?"))
        person = str(by.get("person")) if isinstance(by, Mapping) else "?"
        found.people.add(person)
        found.is_complete = found.is_complete or envelope.data.get("completes") is True
        found.asked_by_signer = found.asked_by_signer or self._askers.get(request) == person

    def _recall(self, envelope: Envelope) -> None:
        recalled = self._happened.recalled
        recalled.requested += 1
        recalled.by_urgency[text_of(envelope.data, "urgency")] += 1
        self._asked[envelope.objects["recall"]] = envelope.at

    def _ready(self, envelope: Envelope) -> None:
        recalled = self._happened.recalled
        for recall in list_of(envelope.data, "recalls"):
            recalled.ready += 1
            took = envelope.at - self._asked.pop(str(recall), envelope.at)
            recalled.total += took
            recalled.longest = max(recalled.longest, took)

    def _cancelled(self, envelope: Envelope) -> None:
        self._happened.recalled.cancelled += 1
        self._asked.pop(envelope.objects["recall"], None)


def _roles(envelope: Envelope, name: str) -> str:
    rows = envelope.data.get(name)
    roles = (str(row[-1]) for row in rows if isinstance(row, list) and row) if isinstance(rows, list) else ()
    return ", ".join(roles)
