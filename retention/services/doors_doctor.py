"""The doctor's look at the doors: whether their ports can be had, and their certificates be used, and how long."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from retention.model.errors import LockedError
from retention.services.doctor import Check, CheckStatus
from retention.services.staging.alone import closing_alone
from retention.services.stores import Stores

SOON = timedelta(days=30)


def examine_doors(stores: Stores) -> Iterator[Check]:
    """Yield what is to be said of each door of archive.yaml."""
    settings = stores.settings
    for door, listener in (("dimse", settings.dimse), ("web", settings.web)):
        if listener is None:
            continue
        yield _port(stores.root, door, listener.host, listener.port)
        if (tls := listener.tls) is not None:
            own = (stores.root / tls.certificate, stores.root / tls.key)
            clients = None if tls.clients is None else stores.root / tls.clients
            yield certificate_check(f"certificate of {door}", *own, clients, stores.clock.now())
    for peer in settings.peers.values():
        if peer.tls is not None and peer.tls.certificate is not None and peer.tls.key is not None:
            ours = (stores.root / peer.tls.certificate, stores.root / peer.tls.key)
            authorities = stores.root / peer.tls.authorities
            yield certificate_check(f"certificate for {peer.name}", *ours, authorities, stores.clock.now())


def certificate_check(
    name: str, certificate: Path, key: Path, authorities: Path | None, now: datetime
) -> Check:
    """Say whether a certificate goes with its key, and how long it is good."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if authorities is not None:
            context.load_verify_locations(authorities)
        ends_at = _end_of(certificate)
    except (OSError, ssl.SSLError, ValueError) as error:
        return Check(
            name,
            CheckStatus.FAILED,
            f"{certificate}, {key} and {authorities} cannot be used: {error}",
            "they are PEM files, named relative to the archive's folder; the key is the certificate's",
        )
    if ends_at <= now:
        return Check(name, CheckStatus.FAILED, f"ended on {ends_at:%Y-%m-%d}", "have a new one made")
    is_soon = ends_at - now < SOON
    status = CheckStatus.WARNING if is_soon else CheckStatus.OK
    return Check(name, status, f"good until {ends_at:%Y-%m-%d}", "have a new one made" if is_soon else None)


def _end_of(certificate: Path) -> datetime:
    from cryptography import x509

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.not_valid_after_utc.astimezone(UTC)


def _port(root: Path, door: str, host: str, port: int) -> Check:
    name = f"port of {door}"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_served(root):
            return Check(name, CheckStatus.OK, f"{host}:{port} is being served")
        hint = f"name another one: `listeners: {door}:` in archive.yaml"
        return Check(name, CheckStatus.FAILED, f"{host}:{port} cannot be had: {error.strerror}", hint)
    return Check(name, CheckStatus.OK, f"{host}:{port} is free")


def _is_served(root: Path) -> bool:
    try:
        with closing_alone(root):
            return False
    except LockedError:
        return True
