"""Where a resource is: the URLs that answers name, made from what the request was sent to."""

from __future__ import annotations

from fastapi import Request

from retention.web.door import LOOPBACK


def base_of(request: Request, institution: str) -> str:
    """Return the base URL of an institution's resources.

    A client on this machine that leaves the port out of its Host header means the one that it has reached.
    """
    url = request.base_url
    server = request.scope.get("server")
    if url.port is None and server is not None and request.headers.get("host") in LOOPBACK:
        url = url.replace(port=server[1])
    return f"{url}{institution}"
