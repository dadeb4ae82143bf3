"""Every kind of mistake in archive.yaml, and what is said about it: where, what, and what was probably meant.

Each case changes one thing in a valid file, so exactly one fault is expected, at the text that was changed.
"""

import pytest

from retention.markup.faults import Fault
from retention.model.errors import SettingsError
from retention.settings.load import parse_settings

MISTAKES = [
    # keys
    ("name: ile", "nmae: ile", "nmae", "unknown key `nmae`; did you mean `name`?"),
    (
        "site: paris, domain: disk-1",
        "sight: paris, domain: disk-1",
        "sight",
        "unknown key `sight`; did you mean `site`?",
    ),
    ("packing: dense", "packng: dense", "packng", "unknown key `packng`; did you mean `packing`?"),
    ("delay: PT12H", "dealy: PT12H", "dealy", "unknown key `dealy`; did you mean `delay`?"),
    ("entity: aphp", "entiti: aphp", "entiti", "unknown key `entiti`; did you mean `entity`?"),
    ("mode: COMPLIANCE", "xyz: 1, mode: COMPLIANCE", "xyz", "unknown key `xyz`; known here: mode, window"),
    ("volumes: [vault], ", "", "glacier", "`volumes` is missing"),
    ("cochin:  {}", "necker:  {}", "necker:  {}", "`necker` stands here twice, first in line 21"),
    (
        "  spare:",
        "  Spare Disk:",
        "Spare Disk",
        "is not a name: 1 to 63 of a-z, 0-9 and inner hyphens; did you mean `spare-disk`?",
    ),
    # kinds of value
    ('url: "file:spare"', "url: 7", "7", "expected text, found a number (quotes make it text)"),
    ("port: 8080", "port: '8080'", "'8080'", "expected a whole number, found text"),
    ("port: 8080", "port: 80.5", "80.5", "expected a whole number, found a number"),
    ("port: 8080", "port: 70000", "70000", "input should be less than or equal to 65535"),
    (
        "single_domain: true",
        "single_domain: yes",
        "yes",
        "expected `true` or `false`, found text; did you mean `true`?",
    ),
    ("[vault]", "vault", "vault", "expected a list: [a, b], found text"),
    (
        "recall: {delay: PT12H, keep: P7D}",
        "recall: PT12H",
        "PT12H",
        "expected a mapping of keys and values, found text",
    ),
    ("ae_titles: [NECKER_CT1]", "ae_titles: [12]", "12", "expected text, found a number"),
    ("name: ile-de-france", "name:", "name", "expected text, found nothing"),
    (
        "packing: dense",
        "packing: dence",
        "dence",
        "`dence` is none of fast, dense, plain; did you mean `dense`?",
    ),
    ("NEARLINE", "NEARLIN", "NEARLIN", "is none of ONLINE, NEARLINE, OFFLINE; did you mean `NEARLINE`?"),
    ("retention/v1", "retention/v2", "retention/v2", "is none of retention/v1; did you mean `retention/v1`?"),
    ("mode: COMPLIANCE", "mode: compliance", "compliance", "did you mean `COMPLIANCE`?"),
    # scalars with a meaning
    ("ile-de-france", '"île de France"', '"île', "is not a name for an archive"),
    ("P7D", "7d", "7d", "is not an ISO 8601 duration such as PT12H, P7D or P1Y"),
    ("P7D", "p7d", "p7d", "did you mean `P7D`?"),
    ("P7D", "P0D", "P0D", "`P0D` is no time at all"),
    ("P7D", "P300Y", "P300Y", "longer than 200 years"),
    ("4GiB", "4GB", "4GB", "one of B, KiB, MiB, GiB, TiB, PiB; did you mean `4GiB`?"),
    ("4GiB", "0GiB", "0GiB", "is no bytes at all"),
    ("4GiB", "-4", "-4", "input should be greater than 0"),
    ("Europe/Paris", "Europe/Pariss", "Europe/Pariss", "did you mean `Europe/Paris`?"),
    ("Europe/Paris", "../../etc/passwd", "../../etc/passwd", "is not a time zone"),
    ("[NECKER_CT1]", "[ABCDEFGHIJKLMNOPQ]", "ABCDEFGHIJKLMNOPQ", "1 to 16 printable ASCII characters"),
    ('"PT1H"', '"hourly"', '"hourly"', "neither a duration (PT1H) nor five cron fields"),
    ('"PT1H"', '"PT"', '"PT"', "is not an ISO 8601 duration"),
    ('"0 2 * * *"', '"0 24 * * *"', '"0 24', "`24` is not a hour in the cron expression"),
    ('"0 2 * * *"', '"0 2 * FOO *"', '"0 2', "`FOO` is not a month"),
    (
        "Mon-Fri 08:00-18:00",
        "weekdays 8-18",
        '"weekdays',
        "is not days and hours such as Mon-Fri 08:00-18:00",
    ),
    # places
    (
        "sqlite:///catalog.db",
        "postgres://db/x",
        "postgres://db/x",
        "did you mean `postgresql+psycopg://db/x`?",
    ),
    ("sqlite:///catalog.db", "sqlite://", "sqlite://", "names no file"),
    (
        "sqlite:///catalog.db",
        "postgresql+psycopg://u:pw@db/x",
        "postgresql",
        "credentials never stand in this file",
    ),
    (
        '"file:spare"',
        "spare",
        "spare",
        "is not a place: file:PATH or s3://BUCKET/PREFIX; did you mean `file:spare`?",
    ),
    ('"file:spare"', "ftp://x/y", "ftp://x/y", "is not a place"),
    ('"file:spare"', "file://host/y", "file://host/y", "names no directory of this machine"),
    ('"s3://bucket/prefix"', "s3:///prefix", "s3:///prefix", "is not s3://BUCKET"),
    ("http://127.0.0.1:8000", "http://k:s@127.0.0.1", '"http', "credentials never stand in this file"),
    ("http://127.0.0.1:8000", "127.0.0.1:8000", '"127', "is not an address such as https://host/path"),
    ("http://127.0.0.1:8000", "http://127.0.0.1:99999", '"http', "is not an address"),
    ('"file:spare"', '"file:hot-a/"', '"file:hot-a/"', "`spare` lies where `hot-a` lies already"),
    ('"file:spare"', '"file:./hot-a/sub"', '"file', "`spare` and `hot-a` lie one inside the other"),
    ('"file:spare"', '"file:."', '"file:."', "is the archive's own directory or one around it"),
    ('"file:spare"', '"file:secrets/x"', '"file', "is where the archive keeps its own secrets"),
    ('"file:spare", domain: disk-6', '"file:spare"', "spare", "`domain` is missing"),
    (
        '"file:spare", ',
        '"file:spare", storage_class: GLACIER, ',
        "GLACIER",
        "`storage_class` is for s3:// volumes",
    ),
    # what must agree
    ("[hot-a, hot-b]", "[hot-a, hotb]", "hotb", "there is no volume `hotb`; did you mean `hot-b`?"),
    ("[hot-a, hot-b]", "[hot-a, hot-b, hot-a]", "hot-a", "`hot-a` stands twice in this tier"),
    ("cold-3], prot", "cold-3, hot-b], prot", "hot-b", "`hot-b` is a volume of the tier `hot` already"),
    ("{copies: 2}", "{copies: 3}", "{copies: 3}", "3 copies need 3 volumes, this tier has 2"),
    ("{copies: 2}", "{copies: 0}", "0", "input should be greater than or equal to 1"),
    ("{copies: 2}", "{copies: 2, parity: 1}", "{copies", "say either `copies`, or `data` and `parity`"),
    ("{copies: 2}", "{}", "{}", "say either `copies`, or `data` and `parity`"),
    ("{copies: 2}", "{data: 2}", "{data: 2}", "`data` and `parity` go together"),
    ("{data: 2, parity: 1}", "{data: 4, parity: 2}", "{data", "4+2 needs 6 volumes, this tier has 3"),
    ("{data: 2, parity: 1}", "{data: 28, parity: 5}", "{data", "28+5 are 33 shards, 32 are the most"),
    ("{data: 2, parity: 1}", "{data: 1, parity: 1}", "1", "input should be greater than or equal to 2"),
    (
        "domain: disk-4",
        "domain: disk-3",
        "{data",
        "only 2 of 3 shards can be placed with at most 1 in one failure domain",
    ),
    (
        "packing: dense}",
        "availability: OFFLINE}",
        "hot",
        "the ONLINE tiers have 2 volumes, journal and keyring need at least 3",
    ),
    (
        "cochin:  {}",
        "cochin: {ae_titles: [NECKER_CT1]}",
        "NECKER_CT1",
        "`NECKER_CT1` belongs to `necker` already",
    ),
    ("port: 8080", "port: 11112", "11112", "port 11112 is the DICOM listener's already"),
    # YAML itself
    ("cochin:  {}", "cochin:  &c {}", "&c", "anchors (`&…`) are not allowed"),
    ("entity: aphp", "entity: !!str aphp", "!!str aphp", "tags (`!…`) are not allowed"),
    ("Hôpital Necker", "Hôpital\\0Necker", '"Hôpital', "control characters are not allowed"),
    ("staging:", "\tstaging:", "\t", "this is not YAML: a tab cannot indent here, only spaces can"),
    ("[vault]", "[vault", "}", "this is not YAML"),
    # who may
    ("necker: {pacs", "nekcer: {pacs", "{pacs", "there is no institution `nekcer`; did you mean `necker`?"),
    (
        "  providers:",
        "    cochin: {pacs.necker.example: [reader]}\n  providers:",
        "[reader]",
        "`pacs.necker.example` acts for `necker` already",
    ),
    ("[ingest, reader]", "[ingest, raeder]", "raeder", "did you mean `reader`?"),
    ("[ingest, reader]", "[]", "[]", "at least 1 item"),
    ("institution: necker, roles", "institution: nekcer, roles", "nekcer", "did you mean `necker`?"),
    ("https://sso.example/realms/chu", "http://sso.example", '"http', "is not an address such as https://"),
    ("https://sso.example/realms/chu", "https://u:p@sso.example", '"https', "credentials never stand"),
    ("keys: secrets/sso.jwks, ", "jwks: secrets/sso.jwks, ", "jwks", "unknown key `jwks`"),
    (
        "web: {port: 8080}",
        "web: {tls: {certificate: a, key: b, require_clients: true}}",
        "true",
        "`clients` is missing",
    ),
]


def faults_of(text: str) -> list[Fault]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    faults = caught.value.context["faults"]
    assert isinstance(faults, list)
    return faults


@pytest.mark.parametrize(
    ("right", "wrong", "at", "said"), MISTAKES, ids=[case[1] or case[0] for case in MISTAKES]
)
def test_a_mistake_is_shown_where_it_is(complete, right, wrong, at, said):
    assert complete.count(right) == 1 or right in ("{copies: 2}", "Europe/Paris", "COMPLIANCE")
    broken = complete.replace(right, wrong, 1)
    (fault,) = faults_of(broken)
    assert said in str(fault)
    assert broken.splitlines()[fault.line - 1][fault.column - 1 :].startswith(at)


def test_all_mistakes_of_all_kinds_are_shown_at_once_in_the_order_of_the_file(complete):
    broken = (
        complete.replace("name: ile", "nmae: ile")
        .replace('"file:spare"', '"file:hot-a"')
        .replace("packing: dense", "packing: dence")
        .replace("[hot-a, hot-b]", "[hot-a, hotb]")
        .replace("P7D", "7 days")
        .replace("cochin:  {}", "cochin:  &c {}")
    )
    faults = faults_of(broken)
    assert [fault.where for fault in faults] == [
        "nmae",
        "volumes.spare.url",
        "tiers.hot.volumes[1]",
        "tiers.cold.packing",
        "tiers.glacier.recall.keep",
        "institutions.cochin",
    ]


def test_a_value_that_is_wrong_in_itself_is_not_also_said_to_disagree(complete):
    faults = faults_of(complete.replace("[hot-a, hot-b]", "hot-a"))
    assert [(fault.where, str(fault)) for fault in faults] == [
        ("tiers.hot.volumes", "expected a list: [a, b], found text")
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[]", "archive", "3", "null", "{}", "a: {b: [1, {c: 2}]}"]
)
def test_what_is_no_archive_at_all_is_refused(text):
    assert faults_of(text)


def test_a_volume_may_be_called_as_a_key_is(complete):
    """did-you-mean walks names and keys apart."""
    broken = complete.replace("  spare:", "  url:").replace("disk-6", "disk-6, sight: x")
    assert [str(fault) for fault in faults_of(broken)] == ["unknown key `sight`; did you mean `site`?"]
