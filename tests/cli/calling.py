"""The program, run inside this process as if from a shell."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retention.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a call printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        assert self.document["ok"], self.document["error"]
        return self.document["data"]

    @property
    def error(self) -> Any:
        assert not self.document["ok"], self.document["data"]
        return self.document["error"]


def retention(*arguments: str | Path, encoding: str = "utf-8") -> Outcome:
    """Run the program in this process."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    mask = os.umask(0)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        os.umask(mask)
    return Outcome(code, *(stream.buffer.getvalue().decode(encoding) for stream in (out, err)))
