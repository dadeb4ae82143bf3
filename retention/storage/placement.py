"""Which volume holds which shard, and how much loss that survives. Pure functions of their arguments.

The rule: at most as many shards of a package as it has parity lie in one failure domain, and on one volume, so that
the loss of either loses nothing. A tier may accept that its volumes share a domain; then only the volumes count, and
`tolerance` says honestly what the loss of the domain would do.

A missing volume does not move the other shards together: its share goes to a spare, or stays a debt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retention.model.errors import PlacementError
from retention.model.layout import Protection, VolumeSpec
from retention.storage.state import VolumeState


@dataclass(frozen=True, slots=True)
class Placement:
    """Shard number to volume name, and the numbers that found no volume (write debt)."""

    shards: Mapping[int, str]
    debt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many volumes, and how many domains, may be lost, whichever they are, and everything is still readable."""

    volumes: int
    domains: int


def required_shards(protection: Protection) -> int:
    """Return how many shards must be on sound volumes for a package to be accepted: one more than reading it needs,
    or one copy of two (or of one)."""
    if protection.is_copies and protection.shards <= 2:
        return 1
    return min(protection.data + 1, protection.shards)


def place(
    volumes: Sequence[VolumeSpec],
    states: Mapping[str, VolumeState],
    protection: Protection,
    *,
    accept_single_domain: bool,
    rotate_by: int = 0,
    spares: Sequence[VolumeSpec] = (),
    held: Mapping[int, str] | None = None,
) -> Placement:
    """Place the shards of one package on a tier's volumes.

    `rotate_by` (any number that differs between packages) spreads the load. Only READY volumes get shards; what a
    volume that is not READY would have had goes to READY `spares`, else it is debt, parity before data. `held` are
    shards that have their place already: debts are settled, and repairs placed, around them.

    Raises PlacementError if the tier could not take the package even with all its volumes ready, or if fewer than
    `required_shards` find a place.
    """
    turn = rotate_by % len(volumes) if volumes else 0
    turned = [*volumes[turn:], *volumes[:turn]]
    limits = _Limits.of(volumes, protection, accept_single_domain=accept_single_domain)
    limits.refuse_if_too_few(volumes, protection)

    where = dict(held or {})
    domains = {volume.name: volume.domain for volume in (*volumes, *spares)}
    by_volume = Counter(where.values())
    by_domain = Counter(domains.get(name, name) for name in where.values())
    debt = []
    for number in range(protection.shards):
        if number in where:
            continue
        chosen = None
        for group in (turned, spares):
            ready = [volume for volume in group if states.get(volume.name) is VolumeState.READY]
            chosen = chosen or limits.choose(ready, by_volume, by_domain)
        if chosen is None:
            debt.append(number)
            continue
        where[number] = chosen.name
        by_volume[chosen.name] += 1
        by_domain[chosen.domain] += 1
    if len(where) < required_shards(protection):
        raise PlacementError(
            f"only {len(where)} of {protection.shards} shards find a ready volume, "
            f"{required_shards(protection)} are needed ({_unready(volumes, states)})",
            hint="bring these volumes back, or add spares (`retention volume list` shows why)",
        )
    return Placement(dict(sorted(where.items())), tuple(debt))


def tolerance(shards: Mapping[int, str], domains: Mapping[str, str], protection: Protection) -> Tolerance:
    """Return what a package survives, given where its sound shards lie (shard number to volume name).

    `domains` maps volume names to domains; a volume not in it is a domain of its own. Zeros also if nothing more
    may be lost, or too much is lost already.
    """
    spare = len(shards) - protection.data
    return Tolerance(
        volumes=_survivable(Counter(shards.values()), spare),
        domains=_survivable(Counter(domains.get(name, name) for name in shards.values()), spare),
    )


def tier_tolerance(
    volumes: Sequence[VolumeSpec], protection: Protection, *, accept_single_domain: bool
) -> Tolerance:
    """Return what any package of a tier survives when all its volumes are ready. Raises PlacementError if the tier
    cannot take packages."""
    domains = {volume.name: volume.domain for volume in volumes}
    ready = dict.fromkeys(domains, VolumeState.READY)
    found = [
        tolerance(
            place(
                volumes, ready, protection, accept_single_domain=accept_single_domain, rotate_by=turn
            ).shards,
            domains,
            protection,
        )
        for turn in range(max(1, len(volumes)))
    ]
    return Tolerance(min(each.volumes for each in found), min(each.domains for each in found))


@dataclass(frozen=True, slots=True)
class _Limits:
    """How many shards of one package may lie on a volume and in a domain (None: any number)."""

    on_volume: int
    in_domain: int | None

    @classmethod
    def of(
        cls, volumes: Sequence[VolumeSpec], protection: Protection, *, accept_single_domain: bool
    ) -> _Limits:
        # Without parity every loss is a loss: nothing to spread, but still no two parts on one volume by choice.
        bearable = max(protection.parity, 1)
        # The even share: so that the volumes left do not take over the share of a missing one.
        share = -(-protection.shards // max(len(volumes), 1))
        return cls(min(share, bearable), None if accept_single_domain else bearable)

    def choose(
        self, ready: Sequence[VolumeSpec], by_volume: Counter[str], by_domain: Counter[str]
    ) -> VolumeSpec | None:
        """Return the volume with room whose domain, then itself, holds fewest; the first of equals."""
        free = [
            volume
            for volume in ready
            if by_volume[volume.name] < self.on_volume
            and (self.in_domain is None or by_domain[volume.domain] < self.in_domain)
        ]
        return min(free, key=lambda it: (by_domain[it.domain], by_volume[it.name]), default=None)

    def refuse_if_too_few(self, volumes: Sequence[VolumeSpec], protection: Protection) -> None:
        per_domain = Counter(volume.domain for volume in volumes)
        if self.on_volume * len(volumes) < protection.shards:
            raise PlacementError(
                f"{protection} needs volumes that each hold at most {self.on_volume} of {protection.shards} shards; "
                f"there are {len(volumes)}",
                hint="give the tier more volumes, or another protection",
            )
        room = sum(
            count * self.on_volume if self.in_domain is None else min(count * self.on_volume, self.in_domain)
            for count in per_domain.values()
        )
        if room < protection.shards:
            raise PlacementError(
                f"{protection} may lose {protection.parity} shards, so no more than {self.in_domain} may lie in one "
                f"failure domain; the tier's {len(per_domain)} domains take {room} of {protection.shards}",
                hint="spread the tier's volumes over more domains, or accept it with `accept_single_domain: true`",
            )


def _survivable(loads: Counter[str], spare: int) -> int:
    """Return how many places may be lost, the fullest first, before more than `spare` shards are."""
    survived = 0
    for _, load in loads.most_common():
        spare -= load
        if spare < 0:
            break
        survived += 1
    return survived


def _unready(volumes: Sequence[VolumeSpec], states: Mapping[str, VolumeState]) -> str:
    states_by_name = {volume.name: states.get(volume.name, VolumeState.MISSING) for volume in volumes}
    found = [f"{name}: {state}" for name, state in states_by_name.items() if state is not VolumeState.READY]
    return ", ".join(found) or "all volumes are ready"
