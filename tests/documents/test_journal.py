"""The page about the journal names every kind of entry that the program makes, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ACTION = re.compile(r'^[A-Z_]+ = "([a-z]+\.[a-z-]+)"$', re.MULTILINE)
NO_ACTIONS = {"results.parquet"}


def test_every_action_has_its_place_in_the_table():
    made = {
        action
        for path in (ROOT / "retention" / "services").rglob("*.py")
        for action in ACTION.findall(path.read_text())
    } - NO_ACTIONS
    page = (ROOT / "docs" / "journal.md").read_text()
    table = page[page.index("### 3.5") : page.index("## 4.")]
    assert set(re.findall(r"`([a-z]+\.[a-z-]+)`", table)) == made
