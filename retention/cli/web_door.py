"""Whether the web door may be opened: never where others can connect and nobody could prove who he is."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from retention.cli.invocation import current

if TYPE_CHECKING:
    from retention.model.layout import WebSpec
    from retention.services.stores import Stores

LIBRARIES = ("fastapi", "uvicorn", "jwt", "argon2")


def require_web_possible(stores: Stores, spec: WebSpec) -> None:
    """Raise UsageError for what would not be safe, or cannot be had; SettingsError for certificates of no use."""
    from retention.model.layout import is_loopback

    is_local = is_loopback(spec.host)
    if spec.tls is None and not is_local:
        raise current.usage_error("serve.web_insecure", host=spec.host)
    if any(find_spec(library) is None for library in LIBRARIES):
        raise current.usage_error("serve.web_missing")
    if spec.tls is not None:
        from retention.services.tls import context_of

        context_of(spec.tls, stores.root)
    if not is_local or spec.hosts:
        from retention.services.identity.doorkeeper import is_open

        if is_open(stores):
            raise current.usage_error("serve.web_nobody", host=spec.host)
