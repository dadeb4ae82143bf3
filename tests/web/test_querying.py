"""What a query may ask besides keys: names spelt otherwise, other attributes, every series and every instance."""

from __future__ import annotations

import pytest

from tests.services.instances import STUDY


def uids(answer):
    return [found["0020000D"]["Value"][0] for found in answer.json()]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [("PatientName=Doa", False), ("PatientName=jane+doe&fuzzymatching=true", True),
     ("PatientName=jane+roe&fuzzymatching=true", False), ("PatientName=jane+doe&fuzzymatching=false", False)],
)  # fmt: skip
def test_names_may_be_spelt_otherwise_for_who_says_so(opened, query, is_found):
    _, client = opened
    assert bool(uids(client.get(f"/necker/studies?{query}"))) is is_found


@pytest.mark.parametrize("field", ["Rows", "00280010", "PatientName,Rows", "all,Rows"])
@pytest.mark.parametrize(
    "path", ["studies", f"studies/{STUDY}/series", f"studies/{STUDY}/instances", "series"]
)
def test_other_attributes_are_read_from_the_instances(opened, path, field):
    _, client = opened
    found = client.get(f"/necker/{path}?includefield={field}").json()
    assert found
    assert all(each["00280010"]["Value"] == [16] for each in found)


def test_without_asking_they_are_not(opened):
    _, client = opened
    (found, *_) = client.get("/necker/studies?includefield=all").json()
    assert "00280010" not in found


@pytest.mark.parametrize(
    "field", ["Nonsense", "0028001", "x" * 5000, ",".join(f"{n:08X}" for n in range(101))]
)
def test_what_is_no_attribute_is_refused(opened, field):
    _, client = opened
    assert client.get(f"/necker/studies?includefield={field}").status_code == 400


def test_every_series_and_every_instance_can_be_asked_for_at_once(opened):
    _, client = opened
    studies = client.get("/necker/studies").json()
    assert set(uids(client.get("/necker/series"))) == {each["0020000D"]["Value"][0] for each in studies}
    instances = client.get("/necker/instances").json()
    assert len(instances) == sum(each["00201208"]["Value"][0] for each in studies)
    first = instances[0]["00080018"]["Value"][0]
    assert len(client.get(f"/necker/instances?SOPInstanceUID={first}").json()) == 1
