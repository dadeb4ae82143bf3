"""Sections of the report (disposals, moves and recalls, journal, access): pure functions of what was gathered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from retention.model.canonical import JsonValue
from retention.services.compliance.happenings import Approved
from retention.services.compliance.history import History
from retention.services.compliance.sealing import Period, Sealing, sealing_section

DESTROYERS = ("administrator", "archivist")
"""Roles that may propose and execute a disposal, once others approved it."""


def disposals_section(history: History) -> dict[str, JsonValue]:
    happened = history.happened
    return {
        "actions": _counted(history, "disposal."),
        "certificates": list(happened.certificates),
        "refusals": list(happened.refusals),
        "erasure_requests": list(happened.erasures),
    }


def moves_section(history: History) -> dict[str, JsonValue]:
    recalled = history.happened.recalled
    return {
        "actions": {**_counted(history, "package."), **_counted(history, "recall.")},
        "recalls": {
            "requested": recalled.requested,
            "ready": recalled.ready,
            "cancelled": recalled.cancelled,
            "mean_minutes": _minutes(recalled.total) // recalled.ready if recalled.ready else None,
            "longest_minutes": _minutes(recalled.longest) if recalled.ready else None,
            "by_urgency": dict(sorted(recalled.by_urgency.items())),
        },
        "drills": list(history.happened.drills),
    }


def journal_section(
    history: History, sealing: Sealing, signing_key: str, period: Period
) -> dict[str, JsonValue]:
    return {
        "entries_before": history.size_before,
        "entries": history.size,
        "root_before": sealing.first_root.hex(),
        "root": sealing.second_root.hex(),
        "began_at": None if history.began_at is None else history.began_at.isoformat(),
        "signing_key": signing_key,
        "actions": dict(sorted(history.actions.items())),
        "sealing": sealing_section(sealing, period),
    }


def access_section(history: History, roles: Mapping[str, int]) -> dict[str, JsonValue]:
    actions = history.actions
    return {
        "exports": history.exports,
        "actors": len(history.actors),
        "refused": actions["access.refused"] + actions["disposal.refuse"] + actions["approval.refuse"],
        "logins": actions["access.login"],
        "break_glass": sum(count for name, count in actions.items() if name.startswith("break-glass.")),
        "role_changes": list(history.happened.roles),
        "roles": dict(roles),
        "may_dispose": sum(roles.get(role, 0) for role in DESTROYERS),
        "approvals": _approvals(history.happened.requests),
    }


def _approvals(requests: Mapping[str, Approved]) -> list[JsonValue]:
    """Return by kind how many requests there were, and how few different people ever completed one."""
    kinds: dict[str, list[Approved]] = {}
    for request in requests.values():
        kinds.setdefault(request.kind, []).append(request)
    return [
        {
            "kind": kind,
            "requests": len(found),
            "completed": sum(one.is_complete for one in found),
            "fewest_people": min((len(one.people) for one in found if one.is_complete), default=None),
            "signed_by_who_asked": sum(one.asked_by_signer for one in found),
        }
        for kind, found in sorted(kinds.items())
    ]


def _counted(history: History, prefix: str) -> dict[str, JsonValue]:
    skipped = "package.ingest"
    return {
        name: n for name, n in sorted(history.actions.items()) if name.startswith(prefix) and name != skipped
    }


def _minutes(time: timedelta) -> int:
    return int(time / timedelta(minutes=1))
