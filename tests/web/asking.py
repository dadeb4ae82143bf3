"""Asks an application in this process, as a client would over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import httpx
from fastapi import FastAPI


@dataclass(frozen=True)
class Asking:
    app: FastAPI

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def ask(
        self, method: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, content=content, headers=headers)

        return anyio.run(ask)
