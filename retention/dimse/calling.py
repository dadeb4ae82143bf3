"""Associations that the archive opens by itself: moves, reports of commitment, notifications, the doctor's echo.

They go to a peer that archive.yaml names, with TLS where it says so (PS3.15 B.12), and then to nobody who cannot show a
certificate for the name that is called.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from retention.dimse.limits import CONNECT_TIMEOUT_S
from retention.model.errors import SettingsError
from retention.model.layout import PeerSpec, PeerTlsSpec
from retention.services.tls import CIPHERS


def call(
    entity: AE,
    root: Path,
    peer: PeerSpec,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Association | None:
    """Return an association with a peer, None when it does not come about. Raises SettingsError for unusable files."""
    if not contexts:
        return None  # there is nothing that could be said
    tls = None if peer.tls is None else (context_towards(peer.tls, root), peer.tls.name or peer.host)
    entity.connection_timeout = CONNECT_TIMEOUT_S
    association = entity.associate(
        peer.host,
        peer.port,
        contexts=list(contexts),
        ae_title=peer.ae_title,
        ext_neg=list(roles),
        tls_args=tls,
    )
    return association if association.is_established else None


def context_towards(spec: PeerTlsSpec, root: Path) -> ssl.SSLContext:
    """Return what a connection to a peer is wrapped with. Raises SettingsError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    try:
        context.load_verify_locations(root / spec.authorities)
        if spec.certificate is not None and spec.key is not None:
            context.load_cert_chain(root / spec.certificate, root / spec.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"TLS towards a peer cannot be used with {spec.authorities}, {spec.certificate} and {spec.key}: {error}",
            hint="they are PEM files, named relative to the archive's folder",
        ) from error
    return context
