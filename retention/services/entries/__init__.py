"""What each kind of journal entry means for the catalog, one file for each aggregate (people, facts, policies …).

A file here owns its actions: their names, how their data and payloads are written and read, and how they are applied.
Applying an entry twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retention.journal.envelope import Entry
from retention.services.entries import signing
from retention.services.entries.applying import Applying

ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    signing.SIGNING_KEY: signing.apply_key,
}
"""Every action that changes the catalog, beside the holdings' own in `services.projection`."""
