"""Small disks of their own, which fill up, turn read-only and go away for real. Only root may have them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Disk:
    """A file system in memory, mounted where a folder was, with that folder's content."""

    path: Path

    def resize(self, kib: int) -> None:
        _mount("-o", f"remount,size={kib}k", self.path)

    def be_read_only(self) -> None:
        _mount("-o", "remount,ro", self.path)

    def be_writable(self) -> None:
        _mount("-o", "remount,rw", self.path)

    def fill(self, keep_bytes: int = 0) -> Path:
        """Fill it up, but for `keep_bytes`; return the file that does."""
        filler = self.path / "filler"
        left = shutil.disk_usage(self.path).free - keep_bytes
        filler.write_bytes(bytes(max(0, left)))
        return filler


@contextmanager
def disk(path: Path, kib: int = 4096) -> Iterator[Disk]:
    """Let a folder lie on a disk of its own, of that size. Skips the test where that is not allowed."""
    content = path.with_name(f"{path.name}.content")
    path.rename(content)
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={kib}k,mode=0700", "tmpfs", path)
    except (subprocess.CalledProcessError, FileNotFoundError):
        path.rmdir()
        content.rename(path)
        pytest.skip("only root may mount a small disk here")
    try:
        shutil.copytree(content, path, dirs_exist_ok=True)
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=False)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
