"""The door as it was opened: by which names it is asked, who knows its callers, whether it is encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from retention.model.errors import SettingsError
from retention.model.layout import WebSpec, is_loopback
from retention.services.identity.doorkeeper import Doorkeeper
from retention.services.identity.witness import Witness
from retention.services.stores import Stores

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Door:
    """What an application knows of where it listens."""

    keeper: Doorkeeper
    witness: Witness
    hosts: frozenset[str]
    origins: tuple[str, ...] = ()
    is_encrypted: bool = False


def door_of(stores: Stores, spec: WebSpec) -> Door:
    """Return the door that archive.yaml describes. Raises SettingsError for what cannot be used.

    Who asks it by another name than this machine's was let in by something before it: then nobody is let in unproven.
    """
    witness = Witness(stores)
    is_local = is_loopback(spec.host) and not spec.hosts and spec.tls is None
    named = frozenset(spec.hosts) if spec.tls is None else frozenset({*spec.hosts, *_certified(stores, spec)})
    keeper = Doorkeeper(stores, witness, is_local=is_local)
    return Door(keeper, witness, LOOPBACK | named, spec.origins, spec.tls is not None)


def name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _certified(stores: Stores, spec: WebSpec) -> Iterator[str]:
    """Yield the names that the door's certificate is for."""
    path = stores.root / ("" if spec.tls is None else spec.tls.certificate)
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is no certificate: {error}", hint="a PEM file") from error
    yield from (name.lower() for name in names.get_values_for_type(x509.DNSName))
    for address in names.get_values_for_type(x509.IPAddress):
        yield f"[{address}]" if ":" in str(address) else str(address)
