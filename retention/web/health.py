"""What the door says of itself: the conformance page, its interface, whether it lives and can work."""

from __future__ import annotations

import logging
import threading

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse

from retention import __version__
from retention.model.errors import RetentionError
from retention.services.authorisation import Need
from retention.services.readiness import obstacles
from retention.services.stores import Stores
from retention.web.guard import Guard
from retention.web.problems import problem

LOOK_AGAIN_S = 2.0

_LOG = logging.getLogger(__name__)


class Readiness:
    """What keeps the archive from working, looked at every two seconds at most, whoever asks."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._looked_s: float | None = None
        self._found: list[str] = []

    def obstacles(self) -> list[str]:
        with self._lock:
            now_s = self._stores.clock.monotonic_s()
            if self._looked_s is None or now_s - self._looked_s >= LOOK_AGAIN_S:
                self._found = self._look()
                self._looked_s = now_s
            return self._found

    def _look(self) -> list[str]:
        try:
            return obstacles(self._stores)
        except RetentionError:
            _LOG.warning("the archive cannot be looked at", exc_info=True)
            return ["its catalog or its keys cannot be read"]  # which file is nobody's business who asks


def health(stores: Stores, guard: Guard, app: FastAPI, page: str) -> APIRouter:
    """Return the routes that are open to all; they say nothing of what is held."""
    router = APIRouter(dependencies=[guard.needs(Need.OPEN)], include_in_schema=False)
    readiness = Readiness(stores)

    @router.get("/")
    def conformance() -> HTMLResponse:
        return HTMLResponse(page.format(version=__version__))

    @router.get("/openapi.json")
    def interface() -> JSONResponse:
        return JSONResponse(app.openapi())

    @router.get("/livez")
    def live() -> Response:
        return JSONResponse({"status": "alive"})

    @router.get("/readyz")
    def ready() -> Response:
        found = readiness.obstacles()
        if found:
            return problem(503, "the archive cannot work now", hint="; ".join(found))
        return JSONResponse({"status": "ready"})

    return router
