"""The doctor's look at who may come in: the clock that decides what has expired, tokens, providers, keys of doors."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from retention.catalog.credentials import CredentialKind
from retention.model.errors import RetentionError
from retention.services.doctor import Check, CheckStatus
from retention.services.stores import Stores

SOON = timedelta(days=14)
SKEW = timedelta(seconds=5)
UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""

_TIMEX_BYTES, _STATUS_OFFSET = 256, 40


def examine_access(stores: Stores) -> Iterator[Check]:
    """Yield what is to be said of the clock and of who may come in; what needs a catalog or journal that cannot be
    opened is left out, for that is said already."""
    for look in (_clock, _tokens, _providers, _keys):
        try:
            yield from look(stores)
        except RetentionError:
            continue


def _clock(stores: Stores) -> Iterator[Check]:
    """A clock that went back lets in what has expired; one that nobody sets drifts."""
    last = max(
        (entry.envelope.at for entry in stores.journal.read(max(stores.journal.size - 1, 0))), default=None
    )
    now = stores.clock.now()
    if last is not None and last > now + SKEW:
        detail = f"it shows {now:%Y-%m-%d %H:%M:%S}, and the journal's last entry was made at {last:%Y-%m-%d %H:%M:%S}"
        yield Check("clock", CheckStatus.FAILED, detail, "set the clock; until then nothing can be dated")
    elif is_unsynchronised():
        hint = "let a time service set it: systemd-timesyncd, chrony"
        yield Check("clock", CheckStatus.WARNING, "no time service sets it, as far as the system knows", hint)
    else:
        yield Check("clock", CheckStatus.OK, "not behind the journal")


def is_unsynchronised() -> bool:
    """Whether the system says that nothing sets its clock; where it cannot be asked, it does not say so."""
    try:
        read = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes is 0: nothing is changed
    if ctypes.sizeof(ctypes.c_long) != 8 or read(timex) < 0:
        return False
    return bool(ctypes.c_int.from_buffer(timex, _STATUS_OFFSET).value & UNSYNCHRONISED)


def _tokens(stores: Stores) -> Iterator[Check]:
    now = stores.clock.now()
    valid = [
        record
        for record in stores.catalog.credentials.all(CredentialKind.TOKEN)
        if record.locked_at is None and record.until_at is not None and record.until_at > now
    ]
    if not valid:
        return
    ending = [record.credential_id for record in valid if record.until_at and record.until_at - now < SOON]
    if ending:
        detail = f"{len(valid)} count; these end within {SOON.days} days: {', '.join(ending[:5])}"
        yield Check("tokens", CheckStatus.WARNING, detail, "make others: retention token create")
    else:
        yield Check("tokens", CheckStatus.OK, f"{len(valid)} count")


def _providers(stores: Stores) -> Iterator[Check]:
    """Whether each provider's keys can be had now."""
    if not stores.settings.access.providers or find_spec("jwt") is None:
        return
    from retention.services.identity.provider_keys import keys_of

    for spec in stores.settings.access.providers.values():
        name = f"provider {spec.name}"
        try:
            keys_of(spec, stores.root, stores.clock).key("", "RS256")
        except RetentionError as error:
            yield Check(name, CheckStatus.FAILED, error.message, error.hint)
        else:
            yield Check(name, CheckStatus.OK, "its keys can be had")


def _keys(stores: Stores) -> Iterator[Check]:
    """Whether the private keys of the doors are for their owner's eyes alone."""
    settings = stores.settings
    for listener in (settings.dimse, settings.web):
        if listener is None or listener.tls is None:
            continue
        path = Path(stores.root, listener.tls.key)
        try:
            mode = os.stat(path).st_mode & 0o777
        except OSError:
            continue  # said with its certificate
        if mode & 0o077:
            detail = f"{path} can be read by others ({mode:o})"
            yield Check("key of a door", CheckStatus.FAILED, detail, f"chmod 600 {path}")
