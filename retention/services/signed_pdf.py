"""The signature inside a PDF: with the operator's own certificate where one is named, else with the archive's key.

The operator's key and certificates are files (PEM) that the environment names, like every other secret. A timestamp of
an authority is added where one is named and answers; where it does not, the PDF is signed without, and that is said.
"""

from __future__ import annotations

import os
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from retention.model.errors import KeyUnavailableError
from retention.reports.pades import PdfKey, own_certificate, sign_pdf
from retention.services.seal import send_query
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.settings.environment import pdf_key_paths


def signed_pdf(stores: Stores, pdf: bytes, at: datetime, *, with_stamp: bool = True) -> tuple[bytes, bool]:
    """Return a PDF signed inside, and whether the signature is timestamped.

    Raises KeyUnavailableError when a key or certificate cannot be read, UsageError without pyHanko.
    """
    key, url = pdf_key(stores), stores.settings.timestamp_url
    if with_stamp and url is not None:
        try:
            return sign_pdf(pdf, key, at, lambda query: send_query(url, query)), True
        except OSError:
            pass  # it answered a moment ago; a report without this timestamp is better than none
    return sign_pdf(pdf, key, at), False


def pdf_key(stores: Stores) -> PdfKey:
    """Return the key that PDF files are signed with. Raises KeyUnavailableError."""
    named = pdf_key_paths(os.environ)
    if named is None:
        signer = archive_signer(stores)
        return own_certificate(signer.name, signer.private)
    key_path, certificate_path = named
    hint = "RETENTION_PDF_KEY_FILE and RETENTION_PDF_CERTIFICATE_FILE name a key and its certificates, both in PEM"
    try:
        key = load_pem_private_key(key_path.read_bytes(), password=None)
        certificates = tuple(x509.load_pem_x509_certificates(certificate_path.read_bytes()))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailableError(f"the key for PDF files cannot be used: {error}", hint=hint) from error
    if certificates[0].public_key() != key.public_key():
        raise KeyUnavailableError("the first certificate for PDF files is not that of their key", hint=hint)
    return PdfKey(key, certificates)
