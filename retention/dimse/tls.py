"""TLS on the DICOM port, as BCP 195 has it (PS3.15 B.12): version 1.2 or 1.3, and a certificate from whoever calls.

An AE title is a name that anybody can claim. A certificate is proof, so with TLS a caller is of the institution that
its AE title names only if a certificate of that institution was shown; one without any has no callers.
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
    context.set_ciphers(CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(root / spec.certificate, root / spec.key)
        context.load_verify_locations(root / spec.clients)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"TLS cannot be used with {spec.certificate}, {spec.key} and {spec.clients}: {error}",
            hint="they are PEM files, named relative to the archive's folder",
        ) from error
    return context


def names_of(connection: Any) -> frozenset[str]:  # noqa: ANN401  # a socket, of TLS or not
    """Return the names in the certificate that a caller showed: common name and DNS names; none without TLS."""
    if not isinstance(connection, ssl.SSLSocket):
        return frozenset()
    certificate: Any = connection.getpeercert() or {}
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    dns = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return frozenset([*common, *dns])
