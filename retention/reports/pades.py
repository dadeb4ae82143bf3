"""Signing a PDF inside (PAdES, ETSI EN 319 142-1), by pyHanko: with the operator's certificate or the archive's key.

Where no certificate is configured the archive makes one for its own Ed25519 key: it says nothing beyond that key, which
a verifier has in the trust file. What was typeset stays as it is, byte for byte; the signature is appended.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from retention.model.errors import UsageError

if TYPE_CHECKING:
    from pyhanko.sign.signers import PdfSigner

FIELD = "Signature"
BEGINS_AT = datetime(2000, 1, 1, tzinfo=UTC)
NEVER_ENDS_AT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280 section 4.1.2.5: no well-defined end."""

Stamper = Callable[[bytes], bytes]
"""Sends a request to an authority and returns its answer (RFC 3161). Raises OSError."""


@dataclass(frozen=True, slots=True, repr=False)
class PdfKey:
    """A private key and the certificates that go with it, the signer's own first."""

    private: PrivateKeyTypes
    certificates: tuple[x509.Certificate, ...]


def own_certificate(name: str, private: Ed25519PrivateKey) -> PdfKey:
    """Return the archive's key with a certificate made for it: the same bytes every time."""
    public = private.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    serial = int.from_bytes(b"\x01" + public.public_bytes_raw()[:15], "big")
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(BEGINS_AT)
        .not_valid_after(NEVER_ENDS_AT)
        .add_extension(usage, critical=True)
        .sign(private, None)
    )
    return PdfKey(private, (certificate,))


def sign_pdf(pdf: bytes, key: PdfKey, at: datetime, stamper: Stamper | None = None) -> bytes:
    """Return the PDF, signed; with a timestamp over the signature when there is a `stamper`.

    Raises UsageError when pyHanko is not installed or cannot sign with this key, OSError from the stamper.
    """
    try:
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    except ImportError as error:
        raise UsageError(
            "the signature inside the PDF needs the library pyHanko",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    writer.document_meta.last_modified = at
    try:
        signed: bytes = _signer(key, at, stamper).sign_pdf(writer).getvalue()
    except ValueError as error:
        raise UsageError(
            f"the PDF cannot be signed with this key: {error}", hint="an RSA, ECDSA or Ed25519 key in PEM"
        ) from error
    return signed


def _signer(key: PdfKey, at: datetime, stamper: Stamper | None) -> PdfSigner:
    from asn1crypto import keys, tsp
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign import signers
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.timestamps import TimeStamper
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    class Authority(TimeStamper):
        async def async_request_tsa_response(self, req: Any) -> Any:  # noqa: ANN401  # asn1crypto has no types
            return tsp.TimeStampResp.load((stamper or _nobody)(req.dump()))

    class AtThatTime(signers.PdfSigner):
        def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # pyHanko's own
            session = super().init_signing_session(*args, **kwargs)
            session.system_time = at
            return session

    certificates = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in key.certificates]
    registry = SimpleCertificateStore()
    registry.register_multiple(certificates[1:])
    private = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=certificates[0],
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=registry,
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD, md_algorithm="sha512", subfilter=SigSeedSubFilter.PADES
    )
    return AtThatTime(metadata, signer, timestamper=None if stamper is None else Authority())


def _nobody(_: bytes) -> bytes:
    raise OSError("no timestamp authority is named")
