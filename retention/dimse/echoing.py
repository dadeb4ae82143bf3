"""Whether the peers of archive.yaml answer: C-ECHO to each (PS3.4 Annex A), as the archive would call them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pynetdicom import AE, _config
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time

from retention.dimse.calling import call
from retention.dimse.statuses import SUCCESS
from retention.model.errors import RetentionError
from retention.model.layout import PeerSpec
from retention.services.doctor import Check, CheckStatus
from retention.services.stores import Stores

TIMEOUT_S = 5.0
AT_ONCE = 8


def examine_peers(stores: Stores) -> Iterator[Check]:
    """Yield what is to be said of each peer."""
    _config.LOG_HANDLER_LEVEL = "none"
    root, ae_title = stores.root, stores.settings.dimse.ae_title
    with ThreadPoolExecutor(AT_ONCE, "echo") as pool:
        yield from pool.map(lambda peer: _examined(root, ae_title, peer), stores.settings.peers.values())


def _examined(root: Path, ae_title: str, peer: PeerSpec) -> Check:
    name = f"peer {peer.name}"
    where = f"{peer.ae_title} at {peer.host}:{peer.port}" + (" by TLS" if peer.tls is not None else "")
    try:
        fault = _fault(root, ae_title, peer)
    except RetentionError as error:
        return Check(name, CheckStatus.FAILED, error.message, error.hint)
    if fault is None:
        return Check(name, CheckStatus.OK, f"{where} answers")
    hint = (
        f"is it running, and does it know {ae_title}? `peers: {peer.name}:` in archive.yaml says where it is"
    )
    return Check(name, CheckStatus.WARNING, f"{where} {fault}", hint)


def _fault(root: Path, ae_title: str, peer: PeerSpec) -> str | None:
    """Return what went wrong with an echo, None if it was answered."""
    entity = AE(ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    association = call(entity, root, peer, [build_context(Verification)])
    if association is None:
        return "takes no association"
    try:
        status = association.send_c_echo()
    except (RuntimeError, ValueError):
        return "does not do C-ECHO"
    finally:
        association.release()
    return None if status and status.Status == SUCCESS else "does not answer C-ECHO with success"
