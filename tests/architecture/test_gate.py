"""Shards leave a volume by the gate alone (design §2.7): nothing else asks a volume to remove anything."""

import ast

from tests.architecture.sources import Source, sources

GATE = "retention/services/gate.py"
DRIVERS = "retention/storage/"
REPLICAS = {
    "retention/services/volumes.py",  # `VolumeReplica.delete`: refuses all but parts of journal and keyring
    "retention/model/replica.py",
    "retention/journal/check.py",
    "retention/keyring/keyfile.py",
}
REMOVE = {"delete", "delete_many"}


def removals(source: Source) -> set[str]:
    """Return the methods called in a module that remove objects from a volume or a replica."""
    calls = (node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    return {call.attr for call in calls if isinstance(call, ast.Attribute)} & REMOVE


def test_nothing_but_the_gate_and_the_drivers_removes_objects():
    allowed = {GATE, *REPLICAS}
    found = {s.path: removals(s) for s in sources() if not s.path.startswith(DRIVERS)}
    assert {path for path, names in found.items() if names} <= allowed
    assert removals(next(s for s in sources() if s.path == GATE)) == {"delete_many"}
