"""What every command asks costs little: neither the commit nor what reads policies is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retention.catalog.records import JournalPosition
from retention.services.journal_hint import hint_of


@pytest.mark.parametrize("hint", [b"", b"garbage"])
def test_what_is_no_position_is_no_hint(hint: bytes):
    assert hint_of(JournalPosition(3, hint)) is None


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("retention.services.freshness", "retention.services.commit"),
        ("retention.services.commit", "retention.policy.documents"),
        ("retention.services.commit", "numpy"),
        ("retention.archive", "retention.services.commit"),
        ("retention.services.config_in_force", "retention.services.commit"),
    ],
)
def test_who_only_looks_does_not_wait_for_what_he_does_not_use(module: str, absent: str):
    code = f"import sys, {module}; print({absent!r} in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
