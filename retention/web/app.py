"""The application: routes, health, the conformance page, and the refusal of what is not for this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.datastructures import Headers

from retention import __version__
from retention.dicom.pixels.decoding import Decoding
from retention.model.errors import RetentionError
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores
from retention.web.callers import is_of_this_machine
from retention.web.problems import add_handlers, problem
from retention.web.querying import Querying
from retention.web.rendering import Rendering
from retention.web.retrieving import Retrieving
from retention.web.storing import Storing

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

STUDY = "/{institution}/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
FRAMES = INSTANCE + "/frames/{frames}"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>retention: DICOMweb</title>
<h1>DICOMweb</h1>
<p>Every institution has its own base: <code>/{{institution}}</code>. Another's studies are to it as if absent.
<table><caption>Services (DICOM PS3.18)</caption>
<tr><th>service<th>resources<th>media types
<tr><td>STOW-RS<td><code>POST /studies</code>, <code>/studies/{{study}}</code>
<td>multipart/related; type="application/dicom"
<tr><td>QIDO-RS<td><code>GET /studies</code>, <code>[/studies/{{study}}]/series</code>,
<code>[/studies/{{study}}[/series/{{series}}]]/instances</code><td>application/dicom+json
<tr><td>WADO-RS<td><code>GET /studies/{{study}}[/series/{{series}}[/instances/{{instance}}]]</code>
<td>multipart/related; type="application/dicom", as held or in Explicit VR Little Endian; one instance also
application/dicom
<tr><td>WADO-RS metadata<td>the same, and <code>/metadata</code><td>application/dicom+json
<tr><td>WADO-RS frames<td><code>…/instances/{{instance}}/frames/{{frames}}</code>
<td>application/octet-stream, or as held; in multipart/related or one alone
<tr><td>WADO-RS bulk data<td><code>…/instances/{{instance}}/bulkdata/{{path}}</code><td>application/octet-stream
<tr><td>WADO-RS rendered<td><code>…/rendered</code> of a study, series, instance or frame
<td>image/jpeg, image/png; several in multipart/related
<tr><td>WADO-RS thumbnail<td><code>…/thumbnail</code> of the same<td>image/jpeg, image/png
</table>
<p>retention {version}. <a href="/openapi.json">OpenAPI</a></html>
"""


def make_app(stores: Stores, receiver: Receiver, decoding: Decoding) -> FastAPI:
    """Return the application of one archive; `decoding` makes its pictures, and stays its owner's to close."""
    app = FastAPI(title="retention", version=__version__, docs_url=None, redoc_url=None)
    add_handlers(app)
    app.include_router(_health(stores))
    retrieving = Retrieving(stores, decoding)
    app.include_router(_dicomweb(Storing(stores, receiver), Querying(stores), retrieving))
    app.include_router(_rendered(Rendering(retrieving)))
    app.add_middleware(ThisMachineOnly)
    return app


def _dicomweb(storing: Storing, querying: Querying, retrieving: Retrieving) -> APIRouter:
    router = APIRouter()
    for path in ("/{institution}/studies", STUDY):
        router.add_api_route(path, storing.store, methods=["POST"], name=f"store {path}")
    router.add_api_route("/{institution}/studies", querying.studies, name="studies")
    for path in ("/{institution}", STUDY):
        router.add_api_route(path + "/series", querying.series, name=f"series {path}")
    for path in ("/{institution}", STUDY, SERIES):
        router.add_api_route(path + "/instances", querying.instances, name=f"instances {path}")
    for path in (STUDY, SERIES, INSTANCE):
        router.add_api_route(path + "/metadata", retrieving.metadata, name=f"metadata {path}")
        router.add_api_route(path, retrieving.instances, name=f"retrieve {path}")
    return router


def _rendered(rendering: Rendering) -> APIRouter:
    router = APIRouter()
    router.add_api_route(FRAMES, rendering.frames, name="frames")
    router.add_api_route(INSTANCE + "/bulkdata/{path:path}", rendering.bulk, name="bulk data")
    for path in (STUDY, SERIES, INSTANCE, FRAMES):
        router.add_api_route(path + "/rendered", rendering.rendered, name=f"rendered {path}")
        router.add_api_route(path + "/thumbnail", rendering.thumbnail, name=f"thumbnail {path}")
    return router


def _health(stores: Stores) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def conformance() -> HTMLResponse:
        return HTMLResponse(PAGE.format(version=__version__))

    @router.get("/livez")
    def live() -> Response:
        return JSONResponse({"status": "alive"})

    @router.get("/readyz")
    def ready() -> Response:
        try:
            stores.catalog.institutions()
        except RetentionError as error:
            return problem(503, error.message, error.code)
        return JSONResponse({"status": "ready"})

    return router


class ThisMachineOnly:
    """Refuses requests that were meant for another name: a browser's page must not reach in by DNS of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_of_this_machine(Headers(scope=scope).get("host", "")):
            refused = problem(
                421, "this door is for this machine alone", hint="ask for it as 127.0.0.1 or localhost"
            )
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)
