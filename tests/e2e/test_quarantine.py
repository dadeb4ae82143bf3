"""What could not be identified is kept, listed with its reason, and given back."""

from tests.e2e.conftest import UNIDENTIFIED
from tests.e2e.program import digests, empty, sha256


def test_it_is_listed_with_its_reason_and_given_back(program, built, tmp_path):
    """Even when two volumes are gone: it is protected as any other package."""
    assert {item["source"] for item in built.items} == set(UNIDENTIFIED)
    assert {item["reason"] for item in built.items} == {"no-identity"}
    for volume in ("cold-1", "cold-6"):
        empty(program.archive / volume)
    for item in built.items:
        done = program("quarantine", "export", item["id"], "--out", tmp_path / "out").data
        assert done["items"][0]["bytes"] == item["bytes"]
    assert digests(tmp_path / "out") == {sha256(built.sources / name) for name in UNIDENTIFIED}
