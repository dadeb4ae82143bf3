"""What is staged, for all who ask in a process: the logs are read on, and never anew, however many ask."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from retention.model.identifiers import InstitutionId
from retention.services.staging.index import StagedIndex, StagedInstance
from retention.services.stores import Stores

Studies = Mapping[str, list[StagedInstance]]
_MAKING = threading.Lock()


class StagedView:
    """The staged instances of an archive, by institution and study. Used by many threads."""

    def __init__(self, stores: Stores) -> None:
        self._index = StagedIndex(stores)
        self._lock = threading.Lock()
        self._stamp: object = None
        self._studies: dict[InstitutionId, dict[str, list[StagedInstance]]] = {}

    def of(self, institution: InstitutionId) -> Studies:
        """Return what is staged of an institution now. What is returned does not change any more."""
        with self._lock:
            self._index.refresh()
            stamp = self._index.stamp()
            if stamp != self._stamp:
                self._stamp, self._studies = stamp, {}
                for instance in self._index.staged():
                    studies = self._studies.setdefault(instance.institution, {})
                    studies.setdefault(instance.study_uid, []).append(instance)
            return self._studies.get(institution, {})


def staged_view(stores: Stores) -> StagedView:
    """Return the one view of an open archive."""
    with _MAKING:
        if stores.staged_view is None:
            stores.staged_view = StagedView(stores)
        return stores.staged_view
