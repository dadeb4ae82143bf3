"""The kinds of scalar: what each accepts, and the laws they keep. What is said of wrong ones is in test_mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.identifiers import is_name
from retention.settings import terms


@pytest.mark.parametrize(
    "text", ["PT24H", "P7D", "P1Y", "P1Y6M", "P2W", "PT10M", "PT30S", "P1DT12H", "P200Y"]
)
def test_durations(text):
    assert terms.check_duration(text) is None


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "1D", "P1H", "P1D12H", "PT1D", "P-1D", "P1.5D", "P1YT", "PT0S", "P201Y"]
)
def test_what_is_no_duration(text):
    assert terms.check_duration(text) is not None


@given(
    st.integers(1, 10**6),
    st.sampled_from(["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
    st.sampled_from(["", " "]),
)
def test_a_size_is_a_number_of_binary_units(number, unit, space):
    power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert terms.parse_size(f"{number}{space}{unit}") == number * 1024**power


@pytest.mark.parametrize(
    "text", ["", "1", "MiB", "1.5MiB", "-1B", "1 M", "1MB", "1mib", "1MiB ", "1  MiB", "0B"]
)
def test_what_is_no_size(text):
    assert isinstance(terms.parse_size(text), terms.Wrong)


@pytest.mark.parametrize(
    "text",
    [
        "PT1H",
        "0 2 * * *",
        "*/5 * * * *",
        "0,30 8-18/2 1-15 JAN,Jul Mon-Fri",
        "59 23 31 12 7",
        "5/15 * * * 2/2",
        "never",
    ],
)
def test_schedules(text):
    assert terms.check_schedule(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "60 2 * * *",
        "0 2 0 * *",
        "0 2 * 13 *",
        "0 2 * * 8",
        "0 2 * *",
        "0 2 * * * *",
        "5-1 2 * * *",
        "*/0 * * * *",
    ],
)
def test_what_is_no_schedule(text):
    assert terms.check_schedule(text) is not None


@pytest.mark.parametrize("text", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT-14"])
def test_time_zones(text):
    assert terms.check_timezone(text) is None


@pytest.mark.parametrize("text", ["", "Paris", "Europe", "/etc/localtime", "../UTC", "Europe/Paris\0"])
def test_what_is_no_time_zone(text):
    assert terms.check_timezone(text) is not None


@pytest.mark.parametrize("text", ["A", "NECKER_CT1", "CT 1 (old)", "[x]~", "ABCDEFGHIJKLMNOP"])
def test_ae_titles(text):
    assert terms.check_ae_title(text) is None


@pytest.mark.parametrize("text", ["", " A", "A ", " ", "A\\B", "É", "A\tB", "ABCDEFGHIJKLMNOPQ"])
def test_what_is_no_ae_title(text):
    assert terms.check_ae_title(text) is not None


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("file:hot-a", "hot-a"),
        ("file:/mnt/a b", "/mnt/a b"),
        ("file:///mnt/a#1?", "/mnt/a#1?"),
        ("file:../x", "../x"),
        ("file:a%20b", "a b"),
        ("file://localhost/x", "/x"),
    ],
)
def test_a_file_address_is_the_directory_as_written(url, directory):
    assert terms.check_volume_url(url) is None
    assert terms.volume_directory(url) == directory


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b"])
def test_an_s3_address_is_no_directory(url):
    assert terms.check_volume_url(url) is None
    assert terms.volume_directory(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:",
        "file://",
        "file://host/x",
        "file:a\nb",
        "s3:",
        "s3://b?x=1",
        "s3://k:s@b",
        "http://x",
        "/mnt/x",
    ],
)
def test_what_is_no_volume_address(url):
    assert terms.check_volume_url(url) is not None


@given(st.text(max_size=80))
def test_any_text_has_an_archive_name_near_it(text):
    assert terms.check_archive_name(terms.archive_name_from(text)) is None


@given(st.text(max_size=80))
def test_a_suggested_name_is_a_name(text):
    wrong = terms.check_name(text)
    assert (wrong is None) == is_name(text)
    assert wrong is None or wrong.suggestion is None or is_name(wrong.suggestion)


@given(st.text(max_size=60))
def test_no_text_breaks_a_check(text):
    for check in (
        terms.check_duration,
        terms.check_timezone,
        terms.check_schedule,
        terms.check_blackout,
        terms.check_catalog_url,
        terms.check_volume_url,
        terms.check_web_url,
    ):
        wrong = check(text)
        assert wrong is None or wrong.message


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("2.5%", 0.025), ("100%", 1.0), ("0.5%", 0.005)])
def test_a_share_has_its_sign(text: str, share: float):
    assert terms.check_percent(text) is None
    assert terms.percent_of(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "25", "%", "101%", "0%", "-1%", "2,5%", "٢%", "1e2%"])
def test_what_is_no_share_is_told(text: str):
    wrong = terms.check_percent(text)
    assert wrong is not None
    assert wrong.suggestion == ("25%" if text == "25" else None)
