"""Who came in and who was refused, summed up for the journal.

The invariant: whoever knocks, however often, makes the journal grow by a bounded amount: a caller's log-in is written
once an hour or a day, refusals as one entry of counts, and the longer they go on the rarer. What the journal cannot
take now waits for the next time. What is not written yet when the machine dies is lost: it changes nothing that is
held. What was given out is written at once, elsewhere.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from datetime import datetime
from enum import StrEnum

from retention.journal.envelope import NewEntry
from retention.model.errors import CatalogError, RetentionError
from retention.services.authorisation import Caller, Method
from retention.services.entries import access
from retention.services.stores import PROGRAM, Stores

LOGIN_AGAIN_S = {
    Method.ACCOUNT: 3600.0,
    Method.PROVIDER: 3600.0,
    Method.TOKEN: 86_400.0,
    Method.CERTIFICATE: 86_400.0,
}
"""People come and go; machines stay. Who proved nothing did not log in."""

REMEMBERED = 1000
ADDRESSES = 20
FIRST_S, LONGEST_S = 10.0, 3600.0
"""Between two entries about refusals."""

_Logins = dict[str, tuple[datetime, Caller]]
_Refusals = tuple[datetime | None, dict[str, int], dict[str, int]]

_LOG = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why somebody was refused."""

    PASSWORD = "password"
    LOCKED = "locked"
    TOKEN = "token"
    BEARER = "bearer"
    SCHEME = "scheme"
    CERTIFICATE = "certificate"
    AE_TITLE = "ae-title"
    ROLE = "role"


class Witness:
    """Sums up, and writes in the background while it is started. Used by many threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._logins: _Logins = {}
        self._counts: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._since: datetime | None = None
        self._pause_s = FIRST_S
        self._next_s = 0.0

    def came_in(self, caller: Caller) -> None:
        """Note that somebody proved who he is."""
        again_s, now_s = LOGIN_AGAIN_S.get(caller.method), self._stores.clock.monotonic_s()
        if again_s is None:
            return
        with self._lock:
            before_s = self._seen.get(caller.actor)
            if before_s is not None and now_s - before_s < again_s:
                return
            self._seen[caller.actor] = now_s
            self._seen.move_to_end(caller.actor)
            self._logins[caller.actor] = (self._stores.clock.now(), caller)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def refused(self, reason: Reason, address: str) -> None:
        """Note that somebody was refused."""
        with self._lock:
            self._since = self._since or self._stores.clock.now()
            self._counts[reason.value] += 1
            if address in self._addresses or len(self._addresses) < ADDRESSES:
                self._addresses[address] += 1

    def flush(self, *, is_last: bool = False) -> int:
        """Write what there is to be written now; return how many entries that was. Raises as `commit.append`.

        What was not written is noted again; after a CatalogError it may have been written, and is not.
        """
        now_s = self._stores.clock.monotonic_s()
        with self._lock:
            logins, self._logins = self._logins, {}
            is_due = bool(self._counts) and (is_last or now_s >= self._next_s)
            refusals = (self._since, dict(self._counts), dict(self._addresses)) if is_due else None
            if is_due:
                self._pause_s = min(self._pause_s * 2, LONGEST_S)
                self._next_s = now_s + self._pause_s
                self._counts, self._addresses, self._since = Counter(), Counter(), None
            elif not self._counts and now_s >= self._next_s + self._pause_s:
                self._pause_s = FIRST_S
        at = self._stores.clock.now()
        entries = [
            access.login_entry(at, since, caller.actor, caller.method.value, caller.grants)
            for since, caller in logins.values()
        ]
        if refusals is not None and refusals[0] is not None:
            entries.append(self._refusals(refusals[0], refusals[1], refusals[2]))
        if entries:
            from retention.services import (
                commit,
            )  # a door loads what commits when there is something to write

            try:
                commit.append(self._stores, entries)
            except CatalogError:
                raise
            except Exception:
                self._note_again(logins, refusals)
                raise
        return len(entries)

    def start(self) -> None:
        """Write in the background from now on."""
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._try_flush(is_last=True)

    def _run(self) -> None:
        while not self._stopped.wait(FIRST_S):
            self._try_flush(is_last=False)

    def _try_flush(self, *, is_last: bool) -> None:
        try:
            self.flush(is_last=is_last)
        except RetentionError as error:
            _LOG.error("who came in could not be written into the journal: %s", error.message)
        except Exception:  # noqa: BLE001  # whatever it is, this goes on
            _LOG.error("who came in could not be written into the journal", exc_info=True)

    def _note_again(self, logins: _Logins, refusals: _Refusals | None) -> None:
        with self._lock:
            noted = {**logins, **self._logins}
            self._logins = dict(list(noted.items())[-REMEMBERED:])
            if refusals is None:
                return
            self._since = refusals[0]
            self._counts.update(refusals[1])
            for address, times in refusals[2].items():
                if address in self._addresses or len(self._addresses) < ADDRESSES:
                    self._addresses[address] += times

    def _refusals(self, since: datetime, counts: dict[str, int], addresses: dict[str, int]) -> NewEntry:
        key, at = self._stores.keyring.index_key, self._stores.clock.now()
        return access.refused_entry(at, since, PROGRAM, counts, addresses, key)
