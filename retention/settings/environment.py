"""What the environment may say instead of the archive's directory. Secrets never stand in archive.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT_KEY_FILE = "RETENTION_ROOT_KEY_FILE"
SIGNING_KEY_FILE = "RETENTION_SIGNING_KEY_FILE"

PDF_KEY_FILE = "RETENTION_PDF_KEY_FILE"
PDF_CERTIFICATE_FILE = "RETENTION_PDF_CERTIFICATE_FILE"


def root_key_path(archive: Path, environment: Mapping[str, str]) -> Path:
    """Return where the root key lies: `$RETENTION_ROOT_KEY_FILE`, else `secrets/root.key` in the archive."""
    named = environment.get(ROOT_KEY_FILE)
    return Path(named) if named else archive / "secrets" / "root.key"


def signing_key_path(archive: Path, environment: Mapping[str, str]) -> Path:
    """Return where the signing key lies: `$RETENTION_SIGNING_KEY_FILE`, else `secrets/signing.key` in the archive."""
    named = environment.get(SIGNING_KEY_FILE)
    return Path(named) if named else archive / "secrets" / "signing.key"


def pdf_key_paths(environment: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Return where the operator's key and certificates for PDF files lie (PEM); None where neither is named."""
    key, certificate = environment.get(PDF_KEY_FILE), environment.get(PDF_CERTIFICATE_FILE)
    return (Path(key or ""), Path(certificate or "")) if key or certificate else None
