"""TLS of the doors, as BCP 195 has it (PS3.15 B.12): version 1.2 or 1.3, and certificates of whoever calls.

An AE title or a name is something that anybody can claim. A certificate is proof: it is of an authority that the
archive was told to trust, and archive.yaml says which institution and which roles the names in it stand for.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from retention.model.errors import SettingsError
from retention.model.layout import TlsSpec

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""For version 1.2; those of 1.3 are all of this kind."""


def context_of(spec: TlsSpec, root: Path) -> ssl.SSLContext:
    """Return what connections are wrapped with. Raises SettingsError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    files = ", ".join(filter(None, (spec.certificate, spec.key, spec.clients)))
    try:
        context.load_cert_chain(root / spec.certificate, root / spec.key)
        if spec.clients is not None:
            context.load_verify_locations(root / spec.clients)
            context.verify_mode = ssl.CERT_REQUIRED if spec.requires_clients else ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"TLS cannot be used with {files}: {error}",
            hint="they are PEM files, named relative to the archive's folder",
        ) from error
    return context


def names_of(connection: Any) -> frozenset[str]:  # noqa: ANN401  # a socket or what asyncio has for one
    """Return the names in the certificate that a caller showed: common name and DNS names; none without TLS."""
    if not isinstance(connection, ssl.SSLSocket | ssl.SSLObject):
        return frozenset()
    certificate: Any = connection.getpeercert() or {}
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    dns = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return frozenset([*common, *dns])
