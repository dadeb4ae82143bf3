"""The steps by which an institution gets a new key (docs/journal.md §4.8): only key records are written.

The invariant: at every moment each key opens on every replica that has it, and an old key is forgotten only when every
place that carries the keyring was seen to have no record under it. So the steps may be cut short anywhere, by anything,
and are taken again from the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from retention.keyring.institutions import InstitutionKeys, KeyGeneration, old_generations
from retention.keyring.keyfile import INSTITUTIONS, read_file
from retention.keyring.series import KeySeries, named_parents
from retention.model.identifiers import InstitutionId, KeyId
from retention.model.replica import ReplicaSet


@dataclass(frozen=True, slots=True)
class Ending:
    """Which old keys were destroyed, and which are kept to open; `behind` names the replicas they are kept for."""

    destroyed: tuple[KeyGeneration, ...]
    kept: tuple[KeyGeneration, ...]
    behind: tuple[str, ...]


class Rotation:
    """Rotates institutions' keys. The caller holds the archive's lock for each step, and may let go between them."""

    def __init__(
        self, replicas: ReplicaSet, institutions: InstitutionKeys, series: Sequence[KeySeries]
    ) -> None:
        self._replicas = replicas
        self._institutions = institutions
        self._series = series

    def generations(self, institution_id: InstitutionId) -> list[KeyGeneration]:
        """Return an institution's keys, the current one last. Raises VolumeUnavailableError, KeyringBrokenError."""
        return [each for each in self._institutions.generations() if each.institution_id == institution_id]

    def begin(self, institution_id: InstitutionId) -> KeyGeneration:
        """Make an institution's next key the current one, durably; return it.

        Raises KeyUnavailableError for an unknown institution, VolumeUnavailableError or VolumeFullError when fewer than
        the minimum of replicas took it.
        """
        return self._institutions.add_generation(institution_id)

    def files(self) -> Iterator[tuple[KeySeries, int]]:
        """Yield every file of keys that institution keys wrap."""
        for series in self._series:
            for segment in series.segments():
                yield series, segment

    def rewrap(self, of: Collection[InstitutionId], series: KeySeries, segment: int) -> Counter[str]:
        """Put what these institutions have in one file under their current keys; return how many keys, by institution.

        Raises as `KeySeries.rewrap`.
        """
        successors = {each.key_id: self._institutions.current(each.institution_id) for each in self._old(of)}
        return series.rewrap(segment, successors)

    def end(self, of: Collection[InstitutionId], carriers: Collection[str]) -> Ending:
        """Destroy the old keys of these institutions that nothing needs any more.

        `carriers`: all places that ought to carry the keyring. Raises VolumeUnavailableError or VolumeFullError when
        fewer than the minimum of replicas could be written.
        """
        self._institutions.settle()  # one that was cut short may have destroyed them here and not there
        old = self._old(of)
        if not old:
            return Ending((), (), ())
        named = self._named()
        behind = sorted({*carriers, *self._replicas.names} - named.keys())
        needed = set().union(*named.values())
        free = [each for each in old if not behind and each.key_id not in needed]
        if free:
            self._institutions.forget([each.key_id for each in free])
        kept = tuple(each for each in old if each not in free)
        ids = {each.key_id for each in kept}
        behind += [name for name, parents in named.items() if parents & ids]
        return Ending(tuple(free), kept, tuple(behind))

    def _old(self, of: Collection[InstitutionId]) -> list[KeyGeneration]:
        old = old_generations(self._institutions.generations())
        return [each for each in old if each.institution_id in of]

    def _named(self) -> dict[str, set[KeyId]]:
        """Return which parents are named on each replica of which every file could be read."""
        read = read_file(self._replicas, INSTITUTIONS)
        named = {name: named_parents(content) for name, content in read.done.items()}
        for series, segment in self.files():
            found = series.parents_named(segment)
            named = {name: parents | found[name] for name, parents in named.items() if name in found}
        return named
