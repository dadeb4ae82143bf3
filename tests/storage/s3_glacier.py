"""An emulation of Glacier's states before a real S3 service: the bytes are Ceph's, the waiting is ours.

As AWS documents it: a GET of an archived class is refused; RestoreObject answers 202, 409 while it is under way, 200
when a restored copy gets more time; HEAD tells the state in `x-amz-restore`; the copy lasts to the midnight after its
last day. What AWS really does (its times, its prices) nobody has tried here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime

from tests.storage.clocks import MovableClock
from tests.storage.s3_proxy import Forward, Reply, Request, refusal

DELAYS = {
    "GLACIER": {
        "Bulk": timedelta(hours=12),
        "Standard": timedelta(hours=5),
        "Expedited": timedelta(minutes=5),
    },
    "DEEP_ARCHIVE": {"Bulk": timedelta(hours=48), "Standard": timedelta(hours=12)},
}


@dataclass
class Glacier:
    """A hook for the proxy. `asked` are the (Days, Tier) of every request; `is_busy` refuses Expedited ones."""

    clock: MovableClock
    classes: dict[str, str] = field(default_factory=dict)
    restored: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    asked: list[tuple[int, str]] = field(default_factory=list)
    is_busy: bool = False

    def __call__(self, request: Request, forward: Forward) -> Reply:
        key, named = request.key, {name.lower(): value for name, value in request.headers}
        if request.method == "POST" and request.query.startswith("restore"):
            return self._restore(key, request.body.decode())
        if request.method in ("PUT", "POST") and "x-amz-storage-class" in named:
            self.classes[key] = named["x-amz-storage-class"]
            self.restored.pop(key, None)
        if request.method == "GET" and key in self.classes and not request.query and not self._is_ready(key):
            return refusal(403, "InvalidObjectState")
        reply = forward(request)
        if request.method == "HEAD" and reply.status == 200 and key in self.restored:
            reply.headers.append(("x-amz-restore", self._told(key)))
        return reply

    def _is_ready(self, key: str) -> bool:
        if key not in self.restored:
            return False
        ready_at, until_at = self.restored[key]
        return ready_at <= self.clock.now() < until_at

    def _told(self, key: str) -> str:
        ready_at, until_at = self.restored[key]
        if self.clock.now() < ready_at:
            return 'ongoing-request="true"'
        return f'ongoing-request="false", expiry-date="{format_datetime(until_at, usegmt=True)}"'

    def _restore(self, key: str, body: str) -> Reply:
        now = self.clock.now()
        if key not in self.classes:
            return refusal(403, "ObjectAlreadyInActiveTierError")
        days, tier = _number(body, "Days"), _text(body, "Tier")
        self.asked.append((days, tier))
        ready_at, _ = self.restored.get(key, (now, now))
        if now < ready_at:
            return refusal(409, "RestoreAlreadyInProgress")
        if tier not in DELAYS[self.classes[key]]:
            return refusal(400, "InvalidArgument")
        if self.is_busy and tier == "Expedited":
            return refusal(503, "GlacierExpeditedRetrievalNotAvailable")
        if self._is_ready(key):
            self.restored[key] = (ready_at, _midnight_after(now + timedelta(days=days)))
            return Reply(200)
        ready_at = now + DELAYS[self.classes[key]][tier]
        self.restored[key] = (ready_at, _midnight_after(ready_at + timedelta(days=days)))
        return Reply(202)


def _midnight_after(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _text(body: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]+)</{name}>", body)
    assert found is not None, f"no {name} in {body}"
    return found[1]


def _number(body: str, name: str) -> int:
    return int(_text(body, name))
