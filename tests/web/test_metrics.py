"""`/metrics` is for who operates or audits the archive, and names no patient and no study."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from retention.model.layout import WebSpec
from retention.services.authorisation import Need
from retention.web.door import door_of
from retention.web.guard import Guard, needs_of
from retention.web.metrics import metrics


def test_the_route_tells_what_is_held_and_of_whom_nothing(opened):
    stores, asking = opened
    answer = asking.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"retention_up", "retention_studies", "retention_journal_size"} <= names
    for study in stores.catalog.studies():
        assert study.study_uid not in answer.text


def test_the_route_needs_who_may_observe(opened):
    stores, _ = opened
    door = door_of(stores, WebSpec())
    (route,) = metrics(stores, Guard(stores, door.keeper, door.witness)).routes
    assert needs_of(route) == [Need.OBSERVE]
