"""Prometheus reads what is written, and the alert rules rest on what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from retention.markup.yaml_text import read_yaml
from retention.services.measures.exposition import exposition
from retention.services.measures.gather import Measure
from retention.services.measures.names import KINDS, PREFIX

DOCS = Path(__file__).parents[3] / "docs"
SAMPLES = {f"{PREFIX}{kind.name}{'_total' if kind.is_total else ''}": kind for kind in KINDS.values()}


def test_what_is_written_is_read_back():
    media_type, text = exposition(
        [Measure("studies", 3, ("necker", "hot")), Measure("repairs", 2), Measure("up", True)]
    )
    assert media_type.startswith("text/plain")
    found = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    assert found == {
        ("retention_studies", ("necker", "hot")): 3,
        ("retention_repairs_total", ()): 2,
        ("retention_up", ()): 1,
    }


def test_every_metric_has_its_line_in_the_documentation():
    page = (DOCS / "observing.md").read_text()
    assert [name for name in SAMPLES if f"| `{name}` |" not in page] == []
    assert set(re.findall(r"^\| `(retention_\w+)`", page, re.MULTILINE)) == SAMPLES.keys()


def rules() -> list[dict[str, object]]:
    text = (DOCS / "alerts" / "retention.rules.yml").read_text()
    document = read_yaml(text)
    assert document.faults == []
    assert isinstance(document.value, dict)
    return [rule for group in document.value["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_rests_on_metrics_and_labels_that_there_are(rule: dict[str, object]):
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    expression = str(rule["expr"])
    named = re.findall(r"retention_\w+", expression)
    assert named
    assert [name for name in named if name not in SAMPLES] == []
    labels = {label for name in named for label in SAMPLES[name].labels}
    for used in re.findall(r"(\w+)=~?\"", expression) + re.findall(r"by \((\w+)\)", expression):
        assert used in labels
    for used in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
        assert used in labels
