"""What must hold after any bad day: nothing acknowledged is lost, nothing half done is left, and it can go on."""

from __future__ import annotations

from collections.abc import Iterable

from retention.model.findings import Health
from retention.services.retrieve import export_study  # noqa: F401  (what `World.export` rests on)
from tests.services.world import World, contents


def sent_by_study(world: World) -> dict[str, list[bytes]]:
    """Return what was sent, by study; a file's name begins with its study."""
    by_study: dict[str, list[bytes]] = {}
    for name, data in world.sent.items():
        by_study.setdefault(name.partition("/")[0], []).append(data)
    return by_study


def require_whole_or_absent(world: World, acknowledged: Iterable[str] = ()) -> set[str]:
    """After the next start: every study is wholly there or wholly absent, and those acknowledged are there."""
    with world.opened():
        pass
    assert world.leftovers() == []
    exported: dict[str, list[bytes]] = {}
    for name, data in world.export().items():
        exported.setdefault(name.partition("/")[0], []).append(data)
    sent = sent_by_study(world)
    for study, files in exported.items():
        assert sorted(files) == sorted(sent[study]), study
    assert set(acknowledged) <= set(exported)
    return set(exported)


def require_sound(world: World, *, debts: bool = False) -> None:
    """An audit finds nothing it cannot put right, a second one nothing at all, and everything comes back."""
    first = world.audit()
    assert first.lost == 0
    assert [finding for finding in first.findings if not finding.repaired] == []
    second = world.audit()
    assert second.findings == []
    if not debts:
        assert {package.health for package in world.packages()} <= {Health.SOUND}
    assert contents(world.export()) == sorted(set(world.sent.values()))
    assert world.leftovers() == []
