"""`serve`: everything a hospital connects to."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import remark

if TYPE_CHECKING:
    from retention.cli.documents.serve import ListenerRow, Serve
    from retention.cli.receivers import Listener, ReceiverProcesses
    from retention.cli.scheduling import SchedulerProcess
    from retention.model.clock import Clock
    from retention.model.layout import ArchiveSettings, DimseSpec
    from retention.services.commitments import Commitments
    from retention.services.staging.closer import Closer, Closing
    from retention.services.stores import Stores

LOOK_EVERY_S = 1.0
PACK_AT_STOP_S, PACK_LATE_S = 8.0, 4.0
"""How long a stop begins further packages: while the doors finish what is under way, and after that. What is not packed
then stays staged, durably, and is taken up at the next start."""

LOG = logging.getLogger(__name__)
LOGGED = ("scheme", "host", "port", "ae_title")
"""What a log line has of a remark: never why something failed, which may say whose it is."""


class Lines(StrEnum):
    """For whom the lines on stderr are."""

    TEXT = "text"
    JSON = "json"


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
    lines: Annotated[
        Lines,
        typer.Option(
            "--logs",
            envvar="RETENTION_LOGS",
            help="What is said on stderr: for people, or JSON lines for machines.",
        ),
    ] = Lines.TEXT,
) -> Result[Serve]:
    """Serve everything a hospital connects to, until it is stopped."""
    from retention.cli.receivers import ReceiverProcesses
    from retention.services import logs
    from retention.services.staging.alone import closing_alone

    if lines is Lines.JSON and find_spec("structlog") is None:
        raise current.usage_error("serve.logs_missing")
    os.environ[logs.VARIABLE] = lines.value  # for the processes that are started, too
    if lines is Lines.JSON:
        logs.configure("serve")
    if only is Door.SCHEDULER:
        return _serve_scheduler()
    stopped = _until_signalled()
    with closing(current.open()) as stores, closing_alone(stores.root), ExitStack() as stack:
        listeners = listeners_of(stores, only)
        receivers = [ReceiverProcesses(stores.root, each, _remark_on_door) for each in listeners]
        doors: list[ReceiverProcesses | SchedulerProcess] = [*receivers]
        for door in doors:
            stack.callback(door.stop)
            door.start()
        closer, commitments = _prepare(stores)
        for door, listener in zip(receivers, listeners, strict=True):
            door.wait_until_listening()
            _say_listening(stores.settings, listener)
        if only is None:
            doors.append(_scheduler(stores, stack))
        total = _close_until(stopped, closer, commitments, doors)
        for door in doors:
            door.begin_stop()
        _add(total, closer.close_all(_after(stores.clock, PACK_AT_STOP_S)))
        stack.close()
        _add(total, closer.close_all(_after(stores.clock, PACK_LATE_S)))
        return _result(stores, listeners, total, closer.staged_count())


def _scheduler(stores: Stores, stack: ExitStack) -> SchedulerProcess:
    from retention.cli.scheduling import SchedulerProcess

    process = SchedulerProcess(stores.root, current.as_of, _remark_on_door)
    stack.callback(process.stop)
    process.start()
    return process


def _serve_scheduler() -> Result[Serve]:
    """Run what is due and nothing else."""
    from retention.cli.scheduling import run_scheduler

    run_scheduler()
    data: Serve = {"listeners": [], "studies": 0, "instances": 0, "staged": 0, "failures": []}
    return Result(data, [current.say("serve.scheduler_stopped")])


def listeners_of(stores: Stores, only: Door | None) -> list[Listener]:
    """Return what is to be listened on. Raises UsageError for what would not be safe, or cannot be had."""
    from retention.cli.receivers import Listener, receivers_at_once
    from retention.cli.web_door import require_web_possible
    from retention.model.layout import WebSpec

    settings = stores.settings
    listeners: list[Listener] = []
    if only in (None, Door.DIMSE):
        dimse = settings.dimse
        require_secure(dimse)
        listeners.append(Listener("retention.dimse", Door.DIMSE, dimse.host, dimse.port, receivers_at_once()))
    web = settings.web or (WebSpec() if only is Door.WEB else None)
    if web is not None and only in (None, Door.WEB):
        require_web_possible(stores, web)
        listeners.append(Listener("retention.web", Door.WEB, web.host, web.port, 1))
    return listeners


def _prepare(stores: Stores) -> tuple[Closer, Commitments]:
    """Make ready what packs, while the receivers begin."""
    from retention.archive import prepare_to_write
    from retention.services.commitments import Commitments
    from retention.services.running import note_start
    from retention.services.staging.closer import Closer

    prepare_to_write(stores)
    note_start(stores, "serve")
    return Closer(stores, stores.settings.staging), Commitments(stores)


def require_secure(spec: DimseSpec) -> None:
    """Refuse to listen where others than this machine can connect and nobody proves who he is."""
    from retention.model.layout import is_loopback

    if spec.tls is None and not is_loopback(spec.host):
        raise current.usage_error("serve.insecure", host=spec.host)


def _until_signalled() -> threading.Event:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _after(clock: Clock, seconds: float) -> Callable[[], bool]:
    """Return what says whether so much time has gone by from now on."""
    end_s = clock.monotonic_s() + seconds
    return lambda: clock.monotonic_s() >= end_s


def _close_until(
    stopped: threading.Event,
    closer: Closer,
    commitments: Commitments,
    doors: Sequence[ReceiverProcesses | SchedulerProcess],
) -> Closing:
    """Close what is due and decide what is asked for, again and again; return what that came to."""
    from retention.services.staging.closer import Closing

    total = Closing()
    while not stopped.wait(LOOK_EVERY_S):
        for door in doors:
            door.restart_dead()
        closed = closer.close_due(stopped.is_set)
        if closed.instances:
            LOG.info("packed", extra={"studies": closed.studies, "instances": closed.instances})
        _add(total, closed)
        commitments.decide(closer, stopped.is_set)
    return total


def _add(total: Closing, closing: Closing) -> None:
    total.studies += closing.studies
    total.instances += closing.instances
    for failure in closing.failures:
        if failure not in total.failures:  # it is tried again every minute, and said once
            _remark("serve.still_staged", reason=failure)
    total.failures = closing.failures


def _result(stores: Stores, listeners: list[Listener], total: Closing, staged: int) -> Result[Serve]:
    rows: list[ListenerRow] = [
        {
            "door": each.section,
            "address": f"{each.host}:{each.port}",
            "ae_title": stores.settings.dimse.ae_title if each.section == Door.DIMSE else None,
        }
        for each in listeners
    ]
    data: Serve = {
        "listeners": rows,
        "studies": total.studies,
        "instances": total.instances,
        "staged": staged,
        "failures": total.failures,
    }
    lines = [current.say("serve.stopped", studies=total.studies, instances=total.instances, staged=staged)]
    return Result(data, lines, exit_codes.FINDINGS if total.failures else exit_codes.DONE)


def _say_listening(settings: ArchiveSettings, listener: Listener) -> None:
    if listener.section == Door.WEB:
        scheme = "http" if settings.web is None or settings.web.tls is None else "https"
        _remark("serve.listening_web", scheme=scheme, host=listener.host, port=listener.port)
    else:
        _remark("serve.listening", host=listener.host, port=listener.port, ae_title=settings.dimse.ae_title)


def _remark_on_door(what: str) -> None:
    _remark(f"serve.{what}")


def _remark(key: str, /, **values: object) -> None:
    from retention.services import logs

    if logs.is_json():
        LOG.info(key, extra={name: value for name, value in values.items() if name in LOGGED})
    else:
        remark(current, current.say(key, **values))
