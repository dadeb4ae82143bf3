"""What the archive measures of itself, for Prometheus; for who operates or audits it, never for who reads studies."""

from __future__ import annotations

from fastapi import APIRouter, Response

from retention.services.authorisation import Need
from retention.services.measures.exposition import exposition
from retention.services.measures.gather import Measuring
from retention.services.stores import Stores
from retention.web.guard import Guard


def metrics(stores: Stores, guard: Guard) -> APIRouter:
    """Return the route `/metrics`."""
    router = APIRouter(dependencies=[guard.needs(Need.OBSERVE)], include_in_schema=False)
    measuring = Measuring(stores)

    @router.get("/metrics")
    def measured() -> Response:
        media_type, text = exposition(measuring.measures())
        return Response(text, media_type=media_type)

    return router
