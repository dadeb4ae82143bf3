"""Real DICOM files that come with pydicom: what a demonstration can start from without anything of the user's.

Only what lies inside the installed package is used, never what pydicom would download.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def sample_folder() -> Path | None:
    """Return the folder of pydicom's own files, others among them; None when it is not there. Nothing is imported."""
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "data"
    return folder if folder.is_dir() else None
