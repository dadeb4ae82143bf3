"""A valid archive.yaml becomes the archive's settings, key by key."""

import os
from datetime import timedelta

import pytest

from retention.model.errors import ArchiveNotFoundError, SettingsError
from retention.model.layout import AuditSpec, ObjectLockSpec, Protection, RecallSpec, S3Spec
from retention.settings.load import load_document, load_settings, parse_document, parse_settings


def test_every_key_of_the_interface_is_read(complete):
    document = parse_document(complete)
    assert document.journal.timestamp is not None
    assert document.journal.timestamp.url == "http://tsa.example/tsr"
    assert document.schedule.lifecycle == "0 2 * * *"
    assert document.staging.max_bytes == 4 << 30
    assert document.listeners.dimse is not None
    assert document.listeners.dimse.port == 11112
    glacier = document.tiers["glacier"]
    assert glacier.recall is not None
    assert glacier.takes_from is not None
    assert (glacier.recall.delay, glacier.takes_from.bytes) == ("PT12H", 1 << 20)


def test_how_audits_work_is_read_and_has_defaults(complete):
    assert parse_settings(complete).audit == AuditSpec()
    said = "{full: P90D, presence: PT12H, rate: 100MiB, recall: 1GiB, repair: {rate: 1MiB, stop_at: 2.5%}}"
    assert parse_settings(f"{complete}audit: {said}\n").audit == AuditSpec(
        timedelta(days=90), timedelta(hours=12), 104.8576, 1 << 30, 1.048576, 0.025
    )


@pytest.mark.parametrize(
    "said",
    ["full: P0D", "rate: fast", "repair: {stop_at: 110%}", "repair: {stop_at: 0%}", "repair: {stop_at: 0.1}"],
)
def test_an_audit_that_makes_no_sense_is_refused(complete, said: str):
    with pytest.raises(SettingsError):
        parse_settings(f"{complete}audit: {{{said}}}\n")


def test_volumes_and_tiers_keep_the_order_of_the_file(complete):
    settings = parse_settings(complete)
    assert list(settings.volumes) == ["hot-a", "hot-b", "cold-1", "cold-2", "cold-3", "vault", "spare"]
    assert list(settings.tiers) == ["hot", "cold", "glacier"]
    assert settings.tiers["cold"].volumes == ("cold-1", "cold-2", "cold-3")


def test_protection_is_copies_or_a_code(complete):
    tiers = parse_settings(complete).tiers
    assert tiers["hot"].protection == Protection.copies(2)
    assert tiers["cold"].protection == Protection(data=2, parity=1)
    assert tiers["glacier"].protection == Protection.copies(1)


def test_what_a_tier_does_not_say_is_the_cautious_thing(complete):
    cold = parse_settings(complete).tiers["cold"]
    assert (cold.availability, cold.accept_single_domain) == ("ONLINE", False)
    assert parse_settings(complete).tiers["glacier"].packing == "fast"


def test_an_institution_is_read_whole_and_may_say_nothing(complete):
    institutions = parse_settings(complete).institutions
    necker = institutions["necker"]
    assert (necker.title, necker.entity, necker.timezone) == ("Hôpital Necker", "aphp", "Europe/Paris")
    assert (necker.ae_titles, necker.policies, necker.plan) == (
        ("NECKER_CT1",),
        ("fr-csp-r1112-7",),
        "standard",
    )
    assert institutions["cochin"].timezone == "UTC"


def test_a_volume_without_a_site_is_grouped_with_its_domain(complete):
    assert parse_settings(complete).volumes["cold-3"].site == "disk-5"


def test_buckets_of_one_service_fail_together_unless_the_file_says_otherwise(complete):
    volumes = parse_settings(complete).volumes
    assert volumes["vault"].domain == "127.0.0.1:8000"
    assert volumes["vault"].s3 == S3Spec(
        endpoint="http://127.0.0.1:8000",
        storage_class="DEEP_ARCHIVE",
        object_lock=ObjectLockSpec("COMPLIANCE", timedelta(days=365)),
    )
    on_aws = complete.replace(', endpoint: "http://127.0.0.1:8000"', "")
    assert parse_settings(on_aws).volumes["vault"].domain == "s3"


def test_volumes_answer_as_slowly_as_their_tier_says(complete):
    settings = parse_settings(complete)
    slow = RecallSpec(timedelta(hours=12), timedelta(days=7))
    assert settings.tiers["glacier"].recall == settings.volumes["vault"].recall == slow
    assert settings.tiers["glacier"].takes_from_bytes == 1 << 20
    assert settings.tiers["cold"].recall is settings.volumes["cold-1"].recall is None


def test_institutions_may_be_none_yet(complete):
    start, _, rest = complete.partition("institutions:")
    rest = rest.partition("journal:")[2].partition("access:")[0]
    nothing = f"{start}institutions:\njournal:{rest}"
    assert parse_settings(nothing).institutions == {}


def test_a_byte_order_mark_and_windows_lines_do_not_matter(complete):
    written = b"\xef\xbb\xbf" + complete.replace("\n", "\r\n").encode()
    assert parse_settings(written) == parse_settings(complete)


def test_a_file_is_loaded_and_named_in_what_is_wrong_with_it(tmp_path, complete):
    file = tmp_path / "archive.yaml"
    file.write_text(complete)
    assert load_settings(file).name == "ile-de-france"
    assert load_document(file).name == "ile-de-france"
    file.write_text(complete.replace("name:", "nam:"))
    with pytest.raises(SettingsError, match=f"{file}:3:1: unknown key `nam`; did you mean `name`"):
        load_settings(file)


def test_without_a_file_there_is_no_archive(tmp_path):
    with pytest.raises(ArchiveNotFoundError) as caught:
        load_settings(tmp_path / "archive.yaml")
    assert caught.value.hint is not None
    assert "retention init" in caught.value.hint


def test_a_directory_in_place_of_the_file_is_no_archive(tmp_path):
    with pytest.raises(ArchiveNotFoundError, match="cannot be read"):
        load_settings(tmp_path)


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "archive.yaml")
    with pytest.raises(ArchiveNotFoundError, match="is no file"):
        load_settings(tmp_path / "archive.yaml")
