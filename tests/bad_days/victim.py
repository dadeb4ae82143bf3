"""Runs of the real program in processes of their own, to be killed: after so many effects, at a step, or at any time.

Children are forked from a server that has imported everything already, so that a kill costs a tenth of a second.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from retention.cli.main import main
from retention.scheduler.scheduler import Timing

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        __name__,
        "tests.services.world",
        "retention.cli.progress",
        "retention.services.volume_care",
        "retention.scheduler.serving",
        "retention.services.audit.rounds",
        "retention.settings.edit",
        "retention.storage.directory",
        "pyeclib.ec_iface",
    ]
)

EFFECTS = ("write", "writev", "fsync", "fdatasync", "rename", "replace", "unlink", "mkdir", "ftruncate")
"""Calls to the system that change something; `renameat2` and what SQLite does come on top."""


@dataclass(frozen=True, slots=True)
class Death:
    """When a run gets a signal: just before its `nth` effect, or just before or after the `nth` call of a named step.

    A step is written `module:Class.method`.
    """

    nth: int = 1
    step: str | None = None
    after: bool = True
    number: signal.Signals = signal.SIGKILL


NEVER = Death(nth=1 << 60)


def start(arguments: list[str], death: Death = NEVER, log: Path | None = None) -> BaseProcess:
    """Start the program; `log` gets the studies it has acknowledged, and in the end the number of its effects."""
    process = _SERVER.Process(target=_live, args=(arguments, death, log))
    process.start()
    return process


def run(arguments: list[str], death: Death = NEVER, log: Path | None = None) -> int:
    """Run the program to its end; return its exit code, negative for the signal that killed it."""
    process = start(arguments, death, log)
    process.join(60)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError("the program hangs")
    return process.exitcode


def start_scheduler(root: Path, timing: Timing, death: Death = NEVER) -> BaseProcess:
    """Start a scheduler that commits what an audit finds package by package; SIGTERM stops it."""
    process = _SERVER.Process(target=_schedule, args=(root, timing, death))
    process.start()
    return process


def _schedule(root: Path, timing: Timing, death: Death) -> None:
    from retention.scheduler.serving import scheduler_of
    from retention.services.audit import audit

    audit.BATCH_PACKAGES = 1
    _Counter(death).watch()
    scheduler = scheduler_of(root, None, timing)
    signal.signal(signal.SIGTERM, lambda *_: scheduler.stop())
    scheduler.run()
    os._exit(0)


def _live(arguments: list[str], death: Death, log: Path | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    if log is not None:
        _log_acknowledged(log)
    counter = _Counter(death)
    counter.watch()
    code = main(arguments)
    if log is not None:
        _note(log, f"effects {counter.count}")
    os._exit(code)


class _Counter:
    def __init__(self, death: Death) -> None:
        self._death = death
        self.count = 0

    def watch(self) -> None:
        if self._death.step is not None:
            _wrap(self._death.step, self._die_at_step)
            return
        for name in EFFECTS:
            _wrap(f"os:{name}", self._die_at_effect)
        _wrap("retention.storage.names:rename_put_once", self._die_at_effect)

    def _die_at_effect(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self._tick()
            return call(*given, **named)

        return counted

    def _die_at_step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            if not self._death.after:
                self._tick()
            result = call(*given, **named)
            if self._death.after:
                self._tick()
            return result

        return counted

    def _tick(self) -> None:
        self.count += 1
        if self.count == self._death.nth:
            os.kill(os.getpid(), self._death.number)


def _log_acknowledged(log: Path) -> None:
    def logged(account: Callable[..., Any]) -> Callable[..., Any]:
        def call(run: Any, package: Any) -> None:
            account(run, package)
            study = package.built.contents.study
            if package.error is None and study is not None:
                _note(log, f"acknowledged {study.study_uid}")

        return call

    _wrap("retention.services.ingest.ingest:Ingest._account", logged)


_write, _open, _close = os.write, os.open, os.close  # not counted as effects


def _note(log: Path, line: str) -> None:
    descriptor = _open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _write(descriptor, f"{line}\n".encode())
    _close(descriptor)


def _wrap(place: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, wrapper(getattr(owner, name)))


def noted(log: Path, what: str) -> list[str]:
    """Return what the log says after a word."""
    if not log.exists():
        return []
    lines = (line.partition(" ") for line in log.read_text().splitlines())
    return [rest for word, _, rest in lines if word == what]
