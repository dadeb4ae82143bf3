"""archive.yaml as text becomes the archive's settings, or one error that shows everything wrong with it.

Nothing is guessed, converted or ignored: an unknown key is as wrong as a missing one. ruamel and pydantic are imported
when a file is read, not when the program starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retention.model.errors import ArchiveNotFoundError, SettingsError, UsageError
from retention.model.layout import (
    AccessSpec,
    ArchiveSettings,
    AuditSpec,
    ClaimGrant,
    DimseSpec,
    InstitutionSpec,
    ObjectLockSpec,
    PeerSpec,
    PeerTlsSpec,
    Protection,
    ProviderSpec,
    RecallSpec,
    S3Spec,
    ScheduleSpec,
    StagingSpec,
    TierSpec,
    TlsSpec,
    VolumeSpec,
    WebSpec,
)
from retention.settings.terms import duration_of, percent_of

if TYPE_CHECKING:
    from retention.settings.document import (
        AccessSection,
        ArchiveDocument,
        AuditSection,
        DimseSection,
        PeerSection,
        RecallSection,
        ScheduleSection,
        TierSection,
        VolumeSection,
        WebSection,
    )

FILE_NAME = "archive.yaml"


def load_settings(path: Path) -> ArchiveSettings:
    """Read archive.yaml at `path`. Raises ArchiveNotFoundError, or SettingsError with every fault."""
    return settings_of(load_document(path))


def load_document(path: Path) -> ArchiveDocument:
    """Read archive.yaml at `path` with every key it has. Raises ArchiveNotFoundError, SettingsError."""
    return parse_document(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """Return the file's bytes, one more than is allowed at most. Raises ArchiveNotFoundError."""
    from retention.markup.yaml_text import SIZE_BYTES

    try:
        if path.is_fifo():  # to open one is to wait for ever
            raise ArchiveNotFoundError(f"{path} is no file", hint="put archive.yaml back in its place")
        with path.open("rb") as file:
            return file.read(SIZE_BYTES + 1)
    except FileNotFoundError as error:
        raise ArchiveNotFoundError(
            f"there is no archive here: {path} does not exist",
            hint="name it with --archive DIR or RETENTION_ARCHIVE, or make one: retention init DIR",
        ) from error
    except OSError as error:
        raise ArchiveNotFoundError(
            f"{path} cannot be read: {error.strerror}",
            hint="look at the permissions of the archive's folder, and at whether its disk is there",
        ) from error


def parse_settings(data: bytes | str, file_name: str = FILE_NAME) -> ArchiveSettings:
    """Return the settings that `data` writes down. Raises SettingsError with every fault."""
    return settings_of(parse_document(data, file_name))


def parse_document(data: bytes | str, file_name: str = FILE_NAME) -> ArchiveDocument:
    """Return the typed document. Raises SettingsError with every fault: of YAML, shape, values and agreement."""
    from retention.markup.faults import in_order, report
    from retention.markup.yaml_text import read_yaml
    from retention.settings.explain import explain

    text = read_yaml(data)
    document, faults = explain(text)
    if document is None:
        raise SettingsError(
            report(file_name, text.text, faults),
            hint="correct the file, then run the command again",
            file=file_name,
            faults=in_order(faults),
            source=text.text,
        )
    return document


def require_institution_section(spec: InstitutionSpec) -> None:
    """Raise UsageError, with everything that is wrong, unless archive.yaml could say this of an institution."""
    from pydantic import ValidationError

    from retention.settings.document import InstitutionSection

    said = {
        "title": spec.title,
        "entity": spec.entity,
        "timezone": spec.timezone,
        "ae_titles": list(spec.ae_titles),
        "policies": list(spec.policies),
        "plan": spec.plan,
    }
    try:
        InstitutionSection.model_validate(said)
    except ValidationError as error:
        wrong = [f"{found['loc'][0]}: {found['msg']}" for found in error.errors(include_url=False)]
        raise UsageError("; ".join(wrong), hint="retention institution set --help") from None


def settings_of(document: ArchiveDocument) -> ArchiveSettings:
    """Return what the rest of the program works with."""
    recall_of = {name: tier.recall for tier in document.tiers.values() for name in tier.volumes}
    return ArchiveSettings(
        name=document.name,
        catalog=document.catalog,
        volumes={
            name: _volume(name, section, recall_of.get(name)) for name, section in document.volumes.items()
        },
        tiers={name: _tier(name, section) for name, section in document.tiers.items()},
        institutions={
            name: InstitutionSpec(
                name=name,
                title=section.title,
                entity=section.entity,
                timezone=section.timezone,
                ae_titles=tuple(section.ae_titles),
                policies=tuple(section.policies),
                plan=section.plan,
            )
            for name, section in document.institutions.items()
        },
        timestamp_url=None if (timestamp := document.journal.timestamp) is None else timestamp.url,
        seal_every=duration_of(document.journal.seal_every),
        audit=_audit(document.audit),
        staging=StagingSpec(duration_of(document.staging.quiet), document.staging.max_bytes),
        schedule=_schedule(document.schedule),
        peers={name: _peer(name, section) for name, section in document.peers.items()},
        dimse=DimseSpec() if (dimse := document.listeners.dimse) is None else _dimse(dimse),
        web=None if (web := document.listeners.web) is None else _web(web),
        access=_access(document.access),
    )


def _schedule(section: ScheduleSection) -> ScheduleSpec:
    triggers = section.model_dump(exclude_none=True, exclude={"blackout", "timezone"})
    return ScheduleSpec(triggers, tuple(section.blackout), section.timezone)


def _audit(section: AuditSection) -> AuditSpec:
    repair = section.repair
    return AuditSpec(
        duration_of(section.full),
        duration_of(section.presence),
        None if section.rate is None else section.rate / 1e6,
        section.recall,
        None if repair.rate is None else repair.rate / 1e6,
        percent_of(repair.stop_at),
    )


def _dimse(section: DimseSection) -> DimseSpec:
    tls = section.tls
    spec = None if tls is None else TlsSpec(tls.certificate, tls.key, tls.clients)
    return DimseSpec(section.host, section.port, section.ae_title, spec)


def _web(section: WebSection) -> WebSpec:
    tls = section.tls
    spec = None if tls is None else TlsSpec(tls.certificate, tls.key, tls.clients, tls.require_clients)
    return WebSpec(section.host, section.port, tuple(section.hosts), spec, tuple(section.origins))


def _access(section: AccessSection) -> AccessSpec:
    return AccessSpec(
        {
            institution: {name: tuple(roles) for name, roles in names.items()}
            for institution, names in section.certificates.items()
        },
        {
            name: ProviderSpec(
                name,
                provider.issuer,
                provider.audience,
                tuple(
                    ClaimGrant(each.claim, each.value, each.institution, tuple(each.roles))
                    for each in provider.grants
                ),
                provider.keys,
                provider.authorities,
            )
            for name, provider in section.providers.items()
        },
    )


def _peer(name: str, section: PeerSection) -> PeerSpec:
    tls = section.tls
    return PeerSpec(
        name,
        section.ae_title,
        section.host,
        section.port,
        section.institution,
        None if tls is None else PeerTlsSpec(tls.authorities, tls.certificate, tls.key, tls.name),
        is_notified=section.notify,
    )


def _volume(name: str, section: VolumeSection, recall: RecallSection | None) -> VolumeSpec:
    from retention.settings.checks import domain_of

    domain = domain_of(name, section.model_dump(exclude_none=True))
    lock = section.object_lock
    s3 = S3Spec(
        endpoint=section.endpoint,
        region=section.region,
        profile=section.profile,
        storage_class=section.storage_class,
        object_lock=None if lock is None else ObjectLockSpec(lock.mode, duration_of(lock.window)),
        checksums=section.checksums,
    )
    return VolumeSpec(name, section.url, section.site or domain, domain, s3, _recall(recall))


def _recall(section: RecallSection | None) -> RecallSpec | None:
    return None if section is None else RecallSpec(duration_of(section.delay), duration_of(section.keep))


def _tier(name: str, section: TierSection) -> TierSpec:
    written = section.protection
    protection = (
        Protection.copies(written.copies)
        if written.copies is not None
        else Protection(data=written.data or 0, parity=written.parity or 0)
    )
    return TierSpec(
        name=name,
        volumes=tuple(section.volumes),
        protection=protection,
        packing=section.packing,
        availability=section.availability,
        accept_single_domain=section.accept_single_domain,
        recall=_recall(section.recall),
        takes_from_bytes=None if section.takes_from is None else section.takes_from.bytes,
    )
