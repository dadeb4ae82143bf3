"""The shape of archive.yaml: every key it may have, typed, and nothing else.

This is the only list of keys; the JSON Schema for editors and the did-you-mean of unknown keys are made from it. It
knows shapes and single values; what must agree between keys is in `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from retention.settings import terms


def _text(check: Callable[[str], terms.Wrong | None]) -> AfterValidator:
    def validate(text: str) -> str:
        _refuse(check(text))
        return text

    return AfterValidator(validate)


def _refuse(wrong: terms.Wrong | None) -> None:
    if wrong is not None:
        raise PydanticCustomError(
            "term", "{message}", {"message": wrong.message, "suggestion": wrong.suggestion}
        )


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    size_bytes = terms.parse_size(value)
    _refuse(size_bytes if isinstance(size_bytes, terms.Wrong) else None)
    return size_bytes


def _none_yet(value: object) -> object:
    """`institutions:` with nothing below it means that there are none yet."""
    return {} if value is None else value


def _schema(description: str, pattern: str, *examples: str) -> WithJsonSchema:
    schema: dict[str, object] = {"type": "string", "pattern": pattern, "description": description}
    return WithJsonSchema({**schema, "examples": list(examples)} if examples else schema)


_NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

Name = Annotated[str, _text(terms.check_name), _schema("a name", _NAME_PATTERN)]
ArchiveName = Annotated[
    str, _text(terms.check_archive_name), _schema("the archive's name", "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
]
Duration = Annotated[
    str,
    _text(terms.check_duration),
    _schema("an ISO 8601 duration", "^P([0-9]+[YMWD])*(T([0-9]+[HMS])+)?$", "PT12H", "P7D", "P1Y"),
]
ByteSize = Annotated[
    int,
    BeforeValidator(_size),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]+ ?([KMGTP]i)?B$", "examples": ["1MiB", "4GiB"]},
                {"type": "integer", "exclusiveMinimum": 0},
            ],
            "description": "bytes: a number, or a number and a binary unit",
        }
    ),
]
Percent = Annotated[
    str, _text(terms.check_percent), _schema("a share", "^(100|[1-9]?[0-9](\\.[0-9]+)?)%$", "25%", "2.5%")
]
Timezone = Annotated[
    str,
    _text(terms.check_timezone),
    _schema("an IANA time zone", "^[A-Za-z0-9_+/-]+$", "Europe/Paris", "UTC"),
]
AeTitle = Annotated[
    str, _text(terms.check_ae_title), _schema("a DICOM AE title", r"^(?! )[ -\[\]-~]{1,16}$", "NECKER_CT1")
]
Schedule = Annotated[
    str,
    _text(terms.check_schedule),
    _schema("every so often, five cron fields, or never", "^.+$", "PT1H", "0 2 * * *", "never"),
]
Blackout = Annotated[
    str, _text(terms.check_blackout), _schema("days and hours", terms.BLACKOUT_PATTERN, "Mon-Fri 08:00-18:00")
]
CatalogUrl = Annotated[
    str,
    _text(terms.check_catalog_url),
    _schema("where the catalog is", "^(sqlite:///|postgresql\\+psycopg://).+$", "sqlite:///catalog.db"),
]
VolumeUrl = Annotated[
    str, _text(terms.check_volume_url), _schema("where the volume is", "^(file:|s3://).+$", "file:cold-1")
]
WebUrl = Annotated[str, _text(terms.check_web_url), _schema("an address", "^https?://.+$")]
HttpsUrl = Annotated[str, _text(terms.check_https_url), _schema("an address", "^https://.+$")]
Label = Annotated[str, Field(min_length=1, max_length=200)]
CertificateName = Annotated[str, Field(max_length=200, pattern="^[^\\x00-\\x1f]+$")]
Role = Literal["reader", "ingest", "archivist", "operator", "auditor", "administrator"]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """A mapping in the file. Unknown keys are refused and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ObjectLockSection(Section):
    """S3 Object Lock on what is written: which mode, and how long the rolling window is."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    window: Duration


class VolumeSection(Section):
    """A place that fails as one."""

    url: VolumeUrl
    site: Label | None = Field(None, description="where it stands; groups failure domains")
    domain: Label | None = Field(None, description="what fails together with it")
    endpoint: WebUrl | None = Field(None, description="S3 only: the service, if it is not AWS")
    region: Label | None = Field(
        None, description="S3 only: if the profile or the environment does not say it"
    )
    profile: Label | None = Field(None, description="S3 only: which of the AWS profiles has the credentials")
    storage_class: Label | None = Field(None, description="S3 only: the class of packages")
    object_lock: ObjectLockSection | None = Field(None, description="S3 only")
    checksums: Literal["when_supported", "when_required"] | None = Field(
        None, description="S3 only: whether uploads carry checksums in trailers, which some services refuse"
    )


class ProtectionSection(Section):
    """Either `copies`, or `data` and `parity` shards, any `data` of which suffice."""

    copies: int | None = Field(None, ge=1, le=32)
    data: int | None = Field(None, ge=2, le=31)
    parity: int | None = Field(None, ge=1, le=30)


class RecallSection(Section):
    """How soon a slow tier answers, and how long what was brought back stays."""

    delay: Duration
    keep: Duration


class FromSection(Section):
    """What is too small to be worth the tier's requests and minimum sizes."""

    bytes: ByteSize


class TierSection(Section):
    """Volumes, how packages are protected on them, and how soon they answer."""

    volumes: list[str] = Field(min_length=1)
    protection: ProtectionSection
    packing: Literal["fast", "dense", "plain"] = "fast"
    availability: Literal["ONLINE", "NEARLINE", "OFFLINE"] = "ONLINE"
    accept_single_domain: bool = False
    recall: RecallSection | None = None
    takes_from: FromSection | None = Field(None, alias="from")


class InstitutionSection(Section):
    """One hospital or practice."""

    title: Label | None = None
    entity: Name | None = Field(None, description="the legal body it belongs to")
    timezone: Timezone = "UTC"
    ae_titles: list[AeTitle] = Field(default_factory=list)
    policies: list[Name] = Field(default_factory=list)
    plan: Name | None = None


class TimestampSection(Section):
    """The RFC 3161 authority asked at every seal."""

    url: WebUrl


class JournalSection(Section):
    """When the journal is sealed, and who outside knows of it."""

    seal_every: Duration = "PT24H"
    timestamp: TimestampSection | None = None
    trust: list[Label] = Field(default_factory=list)
    witnesses: list[Label] = Field(default_factory=list)


class ScheduleSection(Section):
    """What runs by itself, and when it rests."""

    audit: Schedule | None = Field(default=None, description="reading back what is due")
    lifecycle: Schedule | None = Field(default=None, description="moving what plans want moved")
    recall: Schedule | None = Field(
        default=None, description="making ready what was recalled, and letting it go"
    )
    decisions: Schedule | None = Field(default=None, description="deciding again what a day has changed")
    seal: Schedule | None = Field(
        default=None, description="sealing the journal when it is due, and asking for missing timestamps"
    )
    drill: Schedule | None = Field(default=None, description="giving back a sample to nobody")
    clean: Schedule | None = Field(default=None, description="removing what has had its time")
    locks: Schedule | None = Field(default=None, description="renewing Object Lock")
    inventory: Schedule | None = Field(default=None, description="writing the inventory into inventory/")
    report: Schedule | None = Field(default=None, description="reporting on the last month, into reports/")
    blackout: list[Blackout] = Field(default_factory=list, description="when audits and moves rest")
    timezone: Timezone | None = Field(
        default=None,
        description="of cron fields and blackouts; without it that of all institutions, else UTC",
    )


class RepairSection(Section):
    """How fast audits repair, and when they stop: bad memory or a broken library must not rewrite an archive."""

    rate: ByteSize | None = None
    stop_at: Percent = "10%"


class AuditSection(Section):
    """How fixity audits work where no storage plan says otherwise, and how fast."""

    full: Duration = "P180D"
    presence: Duration = "P30D"
    rate: ByteSize | None = None
    recall: ByteSize = 100 << 30
    repair: RepairSection = Field(default_factory=RepairSection)


class StagingSection(Section):
    """How long a received study may still grow before it is packed."""

    quiet: Duration = "PT10M"
    max_bytes: ByteSize = 4 << 30


class TlsSection(Section):
    """Proof of identity on both sides: PEM files, relative to the archive's folder."""

    certificate: Label = Field(description="the listener's own certificate, with its chain")
    key: Label
    clients: Label = Field(description="the authorities that sign clients' certificates")


class WebTlsSection(Section):
    """Proof of identity of the web listener, and of callers that show a certificate."""

    certificate: Label = Field(description="the listener's own certificate, with its chain")
    key: Label
    clients: Label | None = Field(None, description="the authorities that sign clients' certificates")
    require_clients: bool = Field(
        default=False, description="whether nobody is let in without such a certificate"
    )


class DimseSection(Section):
    """The DICOM network listener."""

    host: Label = Field("127.0.0.1", description="the address to listen on")
    port: Port = 11112
    ae_title: AeTitle = "RETENTION"
    tls: TlsSection | None = None


class WebSection(Section):
    """The web listener (DICOMweb): served when this section is there."""

    host: Label = Field(
        "127.0.0.1", description="the address to listen on; beyond this machine with tls alone"
    )
    port: Port = 8080
    hosts: list[Label] = Field(
        default_factory=list, description="other names it is asked by, beside those in its certificate"
    )
    origins: list[WebUrl] = Field(
        default_factory=list, description="sites whose pages may ask it: https://viewer.example"
    )
    tls: WebTlsSection | None = None


class ListenersSection(Section):
    """What `retention serve` answers on."""

    dimse: DimseSection | None = None
    web: WebSection | None = None


class GrantSection(Section):
    """What a token of a provider is worth whose `claim` has this value."""

    claim: Label = Field(description="its name; dots lead inside: realm_access.roles")
    value: Label
    institution: Name
    roles: list[Role] = Field(min_length=1)


class ProviderSection(Section):
    """An OpenID Connect provider whose access tokens are taken."""

    issuer: HttpsUrl = Field(description="exactly as its tokens name it (iss)")
    audience: Label = Field(description="what its tokens say that they are for (aud)")
    keys: Label | None = Field(
        None, description="its public keys, a file (JWKS); without it, asked for over https"
    )
    authorities: Label | None = Field(
        None, description="who signs its web certificate (PEM), if not the system knows"
    )
    grants: list[GrantSection] = Field(min_length=1)


class AccessSection(Section):
    """Who may: names in client certificates, and providers of tokens. Accounts and API tokens are no settings."""

    certificates: dict[Name, dict[CertificateName, Annotated[list[Role], Field(min_length=1)]]] = Field(
        default_factory=dict, description="by institution: names in certificates, and their roles"
    )
    providers: dict[Name, ProviderSection] = Field(default_factory=dict)


class PeerTlsSection(Section):
    """TLS towards a peer: PEM files, relative to the archive's folder."""

    authorities: Label = Field(description="who signs the peer's certificate")
    certificate: Label | None = Field(None, description="the archive's own, for a peer that asks for one")
    key: Label | None = None
    name: Label | None = Field(None, description="whom the peer's certificate is for, if not for its host")


class PeerSection(Section):
    """A DICOM node that the archive may call: where moves, reports of commitment and notifications go."""

    ae_title: AeTitle
    host: Label
    port: Port
    institution: Name | None = Field(None, description="for this institution's callers alone")
    tls: PeerTlsSection | None = None
    notify: bool = Field(default=False, description="whether it is told when a recalled study can be read")


class ArchiveDocument(Section):
    """archive.yaml: the archive's volumes, tiers and institutions, and how it behaves."""

    api_version: Literal["retention/v1"] = Field(alias="apiVersion")
    name: ArchiveName
    catalog: CatalogUrl = "sqlite:///catalog.db"
    volumes: dict[Name, VolumeSection] = Field(min_length=1)
    tiers: dict[Name, TierSection] = Field(min_length=1)
    institutions: Annotated[dict[Name, InstitutionSection], BeforeValidator(_none_yet)] = Field(
        default_factory=dict
    )
    journal: JournalSection = Field(default_factory=JournalSection)
    schedule: ScheduleSection = Field(default_factory=ScheduleSection)
    staging: StagingSection = Field(default_factory=StagingSection)
    audit: AuditSection = Field(default_factory=AuditSection)
    listeners: ListenersSection = Field(default_factory=ListenersSection)
    access: AccessSection = Field(default_factory=AccessSection)
    peers: Annotated[dict[Name, PeerSection], BeforeValidator(_none_yet)] = Field(default_factory=dict)
