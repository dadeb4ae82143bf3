"""How an archive is laid out: volumes, tiers, protection. `archive.yaml` is the editable form of these words."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Protection:
    """How a package is made redundant: `data` + `parity` shards, any `data` of which suffice.

    Copies are the case `data == 1`: every shard is a whole copy, `parity` of them are spare.
    """

    data: int
    parity: int

    @classmethod
    def copies(cls, count: int) -> Protection:
        return cls(data=1, parity=count - 1)

    @property
    def is_copies(self) -> bool:
        return self.data == 1

    @property
    def shards(self) -> int:
        return self.data + self.parity

    def __str__(self) -> str:
        return f"{self.shards} copies" if self.is_copies else f"{self.data}+{self.parity}"


@dataclass(frozen=True, slots=True)
class ObjectLockSpec:
    """S3 Object Lock on what is written: COMPLIANCE or GOVERNANCE, renewed so that `window` is always ahead."""

    mode: str
    window: timedelta


@dataclass(frozen=True, slots=True)
class S3Spec:
    """What an S3 volume has besides its URL; None is the service's own default.

    `checksums` is `when_supported` (what AWS wants) or `when_required` (what older services bear); None: by endpoint.
    """

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    storage_class: str | None = None
    object_lock: ObjectLockSpec | None = None
    checksums: str | None = None


@dataclass(frozen=True, slots=True)
class RecallSpec:
    """How soon a slow tier answers, and how long what it brought back stays readable."""

    delay: timedelta
    keep: timedelta


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A place that fails as one. `domain` names what fails together with it; `site` groups domains.

    `recall` is its tier's: objects below `packages/` are archived there as soon as they are written.
    """

    name: str
    url: str
    site: str
    domain: str
    s3: S3Spec = S3Spec()
    recall: RecallSpec | None = None


@dataclass(frozen=True, slots=True)
class TierSpec:
    """A tier: its volumes, protection, the packing background work aims at, how soon it answers.

    `takes_from_bytes`: studies of fewer bytes are not worth its requests and minimum sizes, and stay where they are.
    """

    name: str
    volumes: tuple[str, ...]
    protection: Protection
    packing: str
    availability: str
    accept_single_domain: bool
    recall: RecallSpec | None = None
    takes_from_bytes: int | None = None

    @property
    def is_slow(self) -> bool:
        """Whether what lies there has to be recalled before it is read."""
        return self.recall is not None or self.availability != "ONLINE"


@dataclass(frozen=True, slots=True)
class InstitutionSpec:
    """One hospital or practice: owner of studies, keys and policies."""

    name: str
    title: str | None = None
    entity: str | None = None
    timezone: str = "UTC"
    ae_titles: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class StagingSpec:
    """How long a received study may still grow before it is packed: until nothing came for `quiet`, or `max_bytes`."""

    quiet: timedelta = timedelta(minutes=10)
    max_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class AuditSpec:
    """How audits work where no plan says otherwise, and how fast.

    `full`: the longest time between two readings of a package on a tier that no plan speaks of. `presence`: how often
    it is looked whether all objects of slow tiers are there. `recall_bytes`: how much may be recalled at a time, for
    samples. `stop_at`: the share of bad shards from which on nothing is repaired any more. Rates: None is no limit.
    """

    full: timedelta = timedelta(days=180)
    presence: timedelta = timedelta(days=30)
    rate_mb_s: float | None = None
    recall_bytes: int = 100 << 30
    repair_rate_mb_s: float | None = None
    stop_at: float = 0.1


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """TLS of a listener: PEM files below the archive's folder.

    `clients`: who signs callers' certificates; None: nobody is asked for one. Without `requires_clients` a caller may
    have none.
    """

    certificate: str
    key: str
    clients: str | None = None
    requires_clients: bool = True


@dataclass(frozen=True, slots=True)
class DimseSpec:
    """The DICOM network listener."""

    host: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "RETENTION"
    tls: TlsSpec | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class WebSpec:
    """The web listener. `hosts`: names that it is asked by, beside those of this machine and of its certificate;
    `origins`: sites whose pages may ask it."""

    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    tls: TlsSpec | None = None
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimGrant:
    """The roles at an institution that a token brings whose claim has a value."""

    claim: str
    value: str
    institution: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """An OpenID Connect provider. `keys` and `authorities` are files below the archive's folder."""

    name: str
    issuer: str
    audience: str
    grants: tuple[ClaimGrant, ...]
    keys: str | None = None
    authorities: str | None = None


@dataclass(frozen=True, slots=True)
class AccessSpec:
    """Who may, as far as archive.yaml says: roles by institution and by name in a certificate, and providers."""

    certificates: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    providers: dict[str, ProviderSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerTlsSpec:
    """TLS towards a peer: PEM files below the archive's folder. `authorities` sign the peer's certificate, which must
    be for `name` (None: for the host that is called); certificate and key are ours, for a peer that asks for them.
    """

    authorities: str
    certificate: str | None = None
    key: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """A DICOM node that we may call: a destination of C-MOVE. `institution`: for that one's callers alone.

    `is_notified`: it is told when a study that was recalled can be read again (PS3.4 Annex R).
    """

    name: str
    ae_title: str
    host: str
    port: int
    institution: str | None = None
    tls: PeerTlsSpec | None = None
    is_notified: bool = False


NEVER = "never"
"""The trigger of what does not run by itself."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When what runs by itself runs. `triggers`: a duration, five cron fields or NEVER, by the job's name; what is not
    named runs as usual. `blackout`: when heavy work rests. `timezone`: None: that of the institutions."""

    triggers: Mapping[str, str] = field(default_factory=dict)
    blackout: tuple[str, ...] = ()
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """The effective content of archive.yaml. Volumes and tiers keep the order of the file."""

    name: str
    catalog: str
    volumes: dict[str, VolumeSpec]
    tiers: dict[str, TierSpec]
    institutions: dict[str, InstitutionSpec]
    timestamp_url: str | None = None
    """The RFC 3161 authority asked at every seal; None: seals are not timestamped."""
    seal_every: timedelta = timedelta(days=1)
    """How old the last seal of the journal may become."""
    staging: StagingSpec = field(default_factory=StagingSpec)
    audit: AuditSpec = field(default_factory=AuditSpec)
    dimse: DimseSpec = field(default_factory=DimseSpec)
    web: WebSpec | None = None
    """None: not served, unless it is asked for by name."""
    peers: dict[str, PeerSpec] = field(default_factory=dict)
    access: AccessSpec = field(default_factory=AccessSpec)
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
