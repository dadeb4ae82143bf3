"""`serve`: everything a hospital connects to."""

from __future__ import annotations

import ipaddress
import signal
import threading
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import remark

if TYPE_CHECKING:
    from retention.cli.documents.serve import ListenerRow, Serve
    from retention.cli.receivers import ReceiverProcesses
    from retention.model.layout import DimseSpec
    from retention.services.commitments import Commitments
    from retention.services.staging.closer import Closer, Closing
    from retention.services.stores import Stores

LOOK_EVERY_S = 1.0


class Door(StrEnum):
    """What may be served by itself."""

    DIMSE = "dimse"
    WEB = "web"
    SCHEDULER = "scheduler"


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)


@command("serve")
def serve(
    only: Annotated[Door | None, typer.Option(help="Serve one door alone.")] = None,
) -> Result[Serve]:
    """Serve everything a hospital connects to, until it is stopped."""
    from retention.cli.receivers import ReceiverProcesses
    from retention.services.staging.alone import closing_alone

    if only not in (None, Door.DIMSE):
        raise current.usage_error("serve.not_yet", door=only)
    stopped = _until_signalled()
    with closing(current.open()) as stores, closing_alone(stores.root):
        spec = stores.settings.dimse
        require_secure(spec)
        receivers = ReceiverProcesses(stores.root, spec, lambda what: _remark(f"serve.{what}"))
        receivers.start()
        try:
            closer, commitments = _prepare(stores)
            receivers.wait_until_listening()
            _remark("serve.listening", host=spec.host, port=spec.port, ae_title=spec.ae_title)
            total = _close_until(stopped, closer, commitments, receivers)
            receivers.begin_stop()
            _add(total, closer.close_all())  # while they finish what is under way
        finally:
            receivers.stop()
        _add(total, closer.close_all())
        return _result(stores, total, closer.staged_count())


def _prepare(stores: Stores) -> tuple[Closer, Commitments]:
    """Make ready what packs, while the receivers begin."""
    from retention.archive import prepare_to_write
    from retention.services.commitments import Commitments
    from retention.services.staging.closer import Closer

    prepare_to_write(stores)
    return Closer(stores, stores.settings.staging), Commitments(stores)


def require_secure(spec: DimseSpec) -> None:
    """Refuse to listen where others than this machine can connect and nobody proves who he is."""
    if spec.tls is None and not _is_loopback(spec.host):
        raise current.usage_error("serve.insecure", host=spec.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _until_signalled() -> threading.Event:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _close_until(
    stopped: threading.Event, closer: Closer, commitments: Commitments, receivers: ReceiverProcesses
) -> Closing:
    """Close what is due and decide what is asked for, again and again; return what that came to."""
    from retention.services.staging.closer import Closing

    total = Closing()
    while not stopped.wait(LOOK_EVERY_S):
        receivers.restart_dead()
        _add(total, closer.close_due())
        commitments.decide(closer)
    return total


def _add(total: Closing, closing: Closing) -> None:
    total.studies += closing.studies
    total.instances += closing.instances
    for failure in closing.failures:
        if failure not in total.failures:  # it is tried again every minute, and said once
            _remark("serve.still_staged", reason=failure)
    total.failures = closing.failures


def _result(stores: Stores, total: Closing, staged: int) -> Result[Serve]:
    spec = stores.settings.dimse
    row: ListenerRow = {"door": "dimse", "address": f"{spec.host}:{spec.port}", "ae_title": spec.ae_title}
    data: Serve = {
        "listeners": [row],
        "studies": total.studies,
        "instances": total.instances,
        "staged": staged,
        "failures": total.failures,
    }
    lines = [current.say("serve.stopped", studies=total.studies, instances=total.instances, staged=staged)]
    return Result(data, lines, exit_codes.FINDINGS if staged else exit_codes.DONE)


def _remark(key: str, /, **values: object) -> None:
    remark(current, current.say(key, **values))
