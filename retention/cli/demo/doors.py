"""Devices that send by themselves: an archive that serves, C-STORE and STOW-RS into it, WADO-RS out of it.

The doors are the processes that `serve` starts, on ports that nobody else has; the devices are libraries of this
program.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from retention.archive import add_institution, create_archive, open_archive, prepare_to_write
from retention.cli.demo.proof import Sources
from retention.cli.demo.stage import Stage
from retention.cli.receivers import Listener, ReceiverProcesses
from retention.dicom.head import Head, read_head
from retention.dicom.readers import BytesReader
from retention.model.identifiers import new_id
from retention.model.layout import InstitutionSpec, PeerSpec, StagingSpec
from retention.services.staging.closer import Closer, Closing

HOSPITAL, DEVICE, HOST = "pasteur", "PASTEUR_CT1", "127.0.0.1"
MOST = 40
"""Instances: enough to be seen, few enough to be quick."""

TIMEOUT_S = 30
KIND = "application/dicom"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that a device sends; a door without file meta brings `dataset` alone."""

    data: bytes
    head: Head

    @property
    def uid(self) -> str:
        return self.head.identity.sop_instance_uid

    @property
    def dataset(self) -> bytes:
        return self.data[self.head.dataset_offset :]


@dataclass(slots=True)
class Doors:
    """An archive that serves while it is open."""

    root: Path
    has_web: bool = field(default_factory=lambda: bool(find_spec("fastapi") and find_spec("uvicorn")))
    dimse_port: int = 0
    web_port: int = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """`retention init`, `institution add`, `serve`."""
        create_archive(self.root, "doors", is_rehearsal=False).stores.close()
        with closing(open_archive(self.root)) as stores:
            prepare_to_write(stores)
            add_institution(stores, InstitutionSpec(HOSPITAL, ae_titles=(DEVICE,)))
        with ExitStack() as stack:
            self.dimse_port = self._serve(stack, "dimse")
            if self.has_web:
                self.web_port = self._serve(stack, "web")
            yield

    def _serve(self, stack: ExitStack, door: str) -> int:
        listener = Listener(f"retention.{door}", door, HOST, 0, 1)
        processes = ReceiverProcesses(self.root, listener, lambda _: None)
        stack.callback(processes.stop)
        processes.start()
        processes.wait_until_listening()
        return processes.port

    def send(self, files: Sequence[Sent]) -> int:
        """Send by C-STORE, in one association; return how many were answered with success."""
        if not files:
            return 0
        from retention.dimse.sending import FileToSend, send_files

        peer = PeerSpec("doors", "RETENTION", HOST, self.dimse_port)
        return send_files(peer, DEVICE, [FileToSend.of(file.data) for file in files]).count(0)

    def store(self, files: Sequence[Sent]) -> int:
        """Send by STOW-RS, in one request; return how many were kept."""
        if not files:
            return 0
        boundary = new_id()
        parts = (
            f"--{boundary}\r\nContent-Type: {KIND}\r\n\r\n".encode() + file.data + b"\r\n" for file in files
        )
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        kind = f'multipart/related; type="{KIND}"; boundary={boundary}'
        request = urllib.request.Request(self._url("studies"), body, {"Content-Type": kind})  # noqa: S310  # ours
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return len(files) if answer.status == 200 else 0

    def pack(self) -> Closing:
        """Make packages of what is staged, as `serve` does when a study falls quiet."""
        with closing(open_archive(self.root)) as stores:
            prepare_to_write(stores)
            return Closer(stores, StagingSpec()).close_all()

    def back(self, file: Sent) -> bytes:
        """Ask for an instance by WADO-RS."""
        identity = file.head.identity
        path = f"studies/{identity.study_uid}/series/{identity.series_uid}/instances/{file.uid}"
        request = urllib.request.Request(self._url(path), headers={"Accept": KIND})  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            data: bytes = answer.read()
            return data

    def exported(self, out: Path) -> dict[str, bytes]:
        """Return what `study export --all` gives, by SOP Instance UID."""
        from retention.services.progress import NoProgress
        from retention.services.retrieve import every_study, export_studies

        with closing(open_archive(self.root)) as stores:
            export_studies(stores, every_study(stores, HOSPITAL, out), NoProgress())
        return {path.stem: path.read_bytes() for path in out.rglob("*.dcm")}

    def _url(self, path: str) -> str:
        return f"http://{HOST}:{self.web_port}/{HOSPITAL}/{path}"


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """The step of the story."""

    stage: Stage
    doors: Doors
    sources: Sources

    def tell(self) -> None:
        files = list(self._sendable())
        by_device = files[: (len(files) + 1) // 2] if self.doors.has_web else files
        by_web = files[len(by_device) :]
        variant = "" if self.doors.has_web else "_alone"
        values = {"sent": len(by_device), "stored": len(by_web)}
        with self.stage.step("doors", variant, **values) as step, self.doors.open():
            taken = self.doors.send(by_device) + self.doors.store(by_web)
            closing = self.doors.pack()
            self.stage.say("doors_done", taken=taken, studies=closing.studies)
            if not self.doors.has_web:
                self.stage.say("doors_without_web")
            equal = self._equal(by_device, by_web)
            is_all = taken == equal == closing.instances == len(files)
            step.prove(is_all, variant, equal=equal, files=len(files))

    def _equal(self, by_device: Sequence[Sent], by_web: Sequence[Sent]) -> int:
        """Read all back; return how many came back as they were sent."""
        if not self.doors.has_web:
            given = self.doors.exported(self.doors.root.parent / "from-doors")
            return sum(_dataset(given.get(file.uid, b"")) == file.dataset for file in by_device)
        return sum(_dataset(self.doors.back(file)) == file.dataset for file in by_device) + sum(
            self.doors.back(file) == file.data for file in by_web
        )

    def _sendable(self) -> Iterator[Sent]:
        """Yield files that a device could send: each instance once, with a transfer syntax that is said."""
        seen: set[str] = set()
        for source in self.sources.files:
            data = source.path.read_bytes()
            head = read_head(BytesReader(data))
            if not isinstance(head, Head) or head.identity.sop_instance_uid in seen or len(seen) == MOST:
                continue
            if head.instance.sop_class_uid and head.instance.transfer_syntax_uid and head.dataset_offset:
                seen.add(head.identity.sop_instance_uid)
                yield Sent(data, head)


def _dataset(file: bytes) -> bytes:
    head = read_head(BytesReader(file))
    return file[head.dataset_offset :] if isinstance(head, Head) else b""
