"""How uvicorn serves an application: behind our protocol, with our limits, encrypted where the door says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from retention.model.layout import WebSpec
from retention.services.tls import context_of
from retention.web import limits
from retention.web.protocol import DoorProtocol


class DoorLoop(asyncio.SelectorEventLoop):
    """A loop whose listeners do not wait for a handshake as long as asyncio would: uvicorn has no word for that."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:  # noqa: ANN401  # as there
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = limits.HANDSHAKE_S
        return await super().create_server(*args, **options)


def config_of(app: FastAPI, spec: WebSpec, root: Path) -> uvicorn.Config:
    """Return the configuration. Raises SettingsError when a file of TLS cannot be used."""
    context = None if spec.tls is None else context_of(spec.tls, root)
    return uvicorn.Config(
        app,
        loop=f"{DoorLoop.__module__}:{DoorLoop.__name__}",
        http=DoorProtocol,
        ws="none",
        ssl_context_factory=None if context is None else lambda *_: context,
        proxy_headers=False,  # who asks is who connects, whatever a header claims
        h11_max_incomplete_event_size=limits.REQUEST_HEADER_BYTES,
        limit_concurrency=limits.CONNECTIONS,
        timeout_keep_alive=limits.IDLE_S,
        timeout_graceful_shutdown=limits.GRACE_S,
        log_config=None,
        access_log=False,
        server_header=False,
    )
