"""From a volume's URL to its driver. The one place that knows which drivers there are.

A path in a `file:` URL is relative to the archive's folder unless it starts with a slash.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from retention.model.clock import Clock, SystemClock
from retention.model.errors import SettingsError
from retention.model.layout import VolumeSpec
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.volume import Volume


def open_volume(
    spec: VolumeSpec,
    base: Path,
    clock: Clock,
    *,
    expected: VolumeIdentity | None = None,
    recorded: DeviceRecord | None = None,
    reserve_bytes: int | None = None,
) -> Volume:
    """Return the volume that `spec.url` names; nothing is looked at yet (`probe` does).

    `base` is the archive's folder; `expected` and `recorded` are what is known of the volume (see DirectoryVolume);
    `clock` is for what takes its time on a tier that answers slowly.
    Raises SettingsError for a URL that no driver understands.
    """
    scheme, separator, rest = spec.url.partition(":")
    if separator and scheme == "s3":
        from retention.storage.s3 import S3Volume
        from retention.storage.s3_service import S3Service

        # The service counts in the time of the world, whatever the archive rehearses.
        real = SystemClock()
        return S3Volume(spec, S3Service(spec, real), real, expected=expected, recorded=recorded)
    if not separator or scheme != "file":
        raise SettingsError(
            f"volume {spec.name}: no driver for `{spec.url}`",
            hint="use `file:FOLDER` (relative to the archive's folder), `file:/FOLDER` or `s3://BUCKET/PREFIX`",
            volume=spec.name,
        )
    from retention.storage.directory import DirectoryVolume

    volume = DirectoryVolume(
        spec, base / _file_path(spec, rest), expected=expected, recorded=recorded, reserve_bytes=reserve_bytes
    )
    if spec.recall is None:
        return volume
    from retention.storage.delayed import DelayedVolume

    return DelayedVolume(volume, spec.recall, clock)


def _file_path(spec: VolumeSpec, rest: str) -> str:
    """Return the path in a file URL (RFC 8089, and the short relative form)."""
    path = unquote(rest)
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        path = slash + path
        if host not in ("", "localhost"):
            raise SettingsError(
                f"volume {spec.name}: `{spec.url}` names another machine",
                hint="mount it here and name the folder",
                volume=spec.name,
            )
    if path in ("", "/"):
        raise SettingsError(f"volume {spec.name}: `{spec.url}` names no folder", volume=spec.name)
    return path
