"""The application: which routes there are, and what each needs of whoever asks."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from retention import __version__
from retention.dicom.pixels.decoding import Decoding
from retention.model.layout import WebSpec
from retention.services.access import RecentPackages
from retention.services.authorisation import Need
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores
from retention.web.door import Door, door_of
from retention.web.guard import Guard, require_declared
from retention.web.hardening import Hardening
from retention.web.health import health
from retention.web.metrics import metrics
from retention.web.problems import add_handlers
from retention.web.querying import Querying
from retention.web.rendering import Rendering
from retention.web.retrieving import Retrieving
from retention.web.storing import Storing

STUDIES = "/{institution}/studies"
STUDY = STUDIES + "/{study}"
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


def make_app(stores: Stores, receiver: Receiver, decoding: Decoding, door: Door | None = None) -> FastAPI:
    """Return the application of one archive, behind a door (by default one of this machine).

    `decoding` makes its pictures, and stays its owner's to close.
    Raises ValueError for a route that does not say what it needs: it would be open to all.
    """
    door = door or door_of(stores, WebSpec())
    guard = Guard(stores, door.keeper, door.witness)
    app = FastAPI(title="retention", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(app)
    recent = RecentPackages(stores.clock)
    retrieving = Retrieving(stores, decoding, recent)
    for router in (
        health(stores, guard, app, PAGE),
        metrics(stores, guard),
        _stored(Storing(stores, receiver), guard),
        _found(Querying(stores, recent), guard),
        _given(retrieving, guard),
        _rendered(Rendering(retrieving), guard),
    ):
        require_declared(router)
        app.include_router(router)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=door.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Range", "If-None-Match"],
        expose_headers=["Content-Range", "ETag", "Retry-After", "Warning"],
    )
    app.add_middleware(Hardening, door=door)
    return app


def _stored(storing: Storing, guard: Guard) -> APIRouter:
    router = APIRouter(dependencies=[guard.needs(Need.STORE)])
    for path in (STUDIES, STUDY):
        router.add_api_route(path, storing.store, methods=["POST"], name=f"store {path}")
    return router


def _found(querying: Querying, guard: Guard) -> APIRouter:
    router = APIRouter(dependencies=[guard.needs(Need.FIND)])
    router.add_api_route(STUDIES, querying.studies, name="studies")
    for path in ("/{institution}", STUDY):
        router.add_api_route(path + "/series", querying.series, name=f"series {path}")
    for path in ("/{institution}", STUDY, SERIES):
        router.add_api_route(path + "/instances", querying.instances, name=f"instances {path}")
    return router


def _given(retrieving: Retrieving, guard: Guard) -> APIRouter:
    router = APIRouter(dependencies=[guard.needs(Need.READ)])
    for path in (STUDY, SERIES, INSTANCE):
        router.add_api_route(path + "/metadata", retrieving.metadata, name=f"metadata {path}")
        router.add_api_route(path, retrieving.instances, name=f"retrieve {path}")
    return router


def _rendered(rendering: Rendering, guard: Guard) -> APIRouter:
    router = APIRouter(dependencies=[guard.needs(Need.READ)])
    router.add_api_route(FRAMES, rendering.frames, name="frames")
    router.add_api_route(INSTANCE + "/bulkdata/{path:path}", rendering.bulk, name="bulk data")
    for path in (STUDY, SERIES, INSTANCE, FRAMES):
        router.add_api_route(path + "/rendered", rendering.rendered, name=f"rendered {path}")
        router.add_api_route(path + "/thumbnail", rendering.thumbnail, name=f"thumbnail {path}")
    return router
