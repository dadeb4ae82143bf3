"""The measures as Prometheus reads them: its text format, written by its own library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from retention.model.errors import UsageError
from retention.services.measures.gather import Measure
from retention.services.measures.names import KINDS, PREFIX

if TYPE_CHECKING:
    from prometheus_client import Metric


def exposition(measures: Iterable[Measure]) -> tuple[str, bytes]:
    """Return the media type and the text. Raises UsageError without the library."""
    if find_spec("prometheus_client") is None:
        raise UsageError("metrics need prometheus-client", hint="pip install 'retention[observe]'")
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    class Collected:
        def collect(self) -> Iterator[Metric]:
            return _families(measures)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return CONTENT_TYPE_LATEST, generate_latest(registry)


def _families(measures: Iterable[Measure]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    by_name: dict[str, list[Measure]] = {}
    for measure in measures:
        by_name.setdefault(measure.name, []).append(measure)
    for kind in KINDS.values():
        make = CounterMetricFamily if kind.is_total else GaugeMetricFamily
        family = make(PREFIX + kind.name, kind.says, labels=kind.labels)
        for measure in by_name.get(kind.name, ()):
            family.add_metric(measure.labels, measure.value)
        yield family
