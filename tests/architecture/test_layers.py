"""The walls of docs/architecture.md stand: import-linter says so, over all modules."""

import subprocess
import sys

from tests.architecture.sources import ROOT


def test_every_import_contract_is_kept():
    checked = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " 0 broken" in checked.stdout
