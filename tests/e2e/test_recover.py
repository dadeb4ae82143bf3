"""recover.py gives the files back from any four of six volumes, without this program."""

import subprocess
import sys

import pytest

from tests.e2e.program import digests, sha256

WITHOUT_PACKAGE = """
import runpy, sys
sys.modules["retention"] = None     # importing it fails, even where it is installed
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("left", [(1, 3, 4, 6), (2, 4, 5, 6)], ids=str)
def test_any_four_volumes_give_every_file_back(built, sources, wanted, tmp_path, left):
    archive = built.program.archive
    places = [archive / f"cold-{number}" for number in left]
    arguments = [
        places[1] / "recover.py",
        "--key",
        archive / "secrets" / "root.key",
        "--out",
        tmp_path / "out",
        *places,
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_PACKAGE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done
    back = digests(tmp_path / "out")
    assert wanted <= back
    never = {sha256(sources / name) for name in ("README.txt", "below/other preamble.dcm")}
    assert digests(sources) - back == never  # no DICOM file, and one that comes back as it was first received
