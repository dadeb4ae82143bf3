"""Real DICOM files that come with pydicom: what a demonstration can start from without anything of the user's.

Only what lies inside the installed package is used, never what pydicom would download.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

FOLDERS = ("test_files", "charset_files", "palettes")


def sample_folders() -> list[Path]:
    """Return the folders of pydicom's own files; pydicom itself is not imported. Empty when they are not installed."""
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        return []
    data = Path(package.origin).parent / "data"
    return [data / name for name in FOLDERS if (data / name).is_dir()]
