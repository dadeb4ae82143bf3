"""A report's bundle: a folder that proves itself, without this software and without the archive.

`bundle.json` names every file with its digest; one signature over that covers all. A bundle appears whole or not at
all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from retention.model.canonical import JsonValue, canonical_json
from retention.model.errors import UsageError
from retention.reports.standalone.verify_report import CONTEXT, MANIFEST, NOTE

VERIFIER = "verify_report.py"


def manifest(files: Mapping[str, bytes], key: str, **about: JsonValue) -> bytes:
    """Return `bundle.json`: what is in the bundle, and the key it is signed with."""
    listed: dict[str, JsonValue] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    return canonical_json({**about, "files": listed, "key": key, "v": 1})


def to_sign(manifest_bytes: bytes) -> str:
    """Return the text whose signature is the bundle's."""
    return f"{CONTEXT}\n{hashlib.sha256(manifest_bytes).hexdigest()}\n"


def write_bundle(
    out: Path, files: Mapping[str, bytes], key: str, sign: Callable[[str], str], **about: JsonValue
) -> bytes:
    """Write a bundle into a new folder, durably; return its `bundle.json`. Raises UsageError if `out` is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty", hint="name a new folder for the report")
    manifest_bytes = manifest(files, key, **about)
    whole = {**files, MANIFEST: manifest_bytes, NOTE: sign(to_sign(manifest_bytes)).encode()}
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for name, data in whole.items():
            path = temporary / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest_bytes
