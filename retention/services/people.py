"""Who acts, and whether he or she may.

How to use it, in a service that changes something:

    actor = people.require_role(stores, institution_id, "archivist", "administrator")
    by = people.proof(stores, actor, Claim("hold.place", institution_id, subject, digest), at)
    NewEntry(at, stores.actor, "hold.place", …, data={…, "by": by})

The invariants: an identity that somebody merely declares counts on a rehearsal archive alone; on a production archive a
person signs with the registered key, or came through a door that authenticated him or her. Without anybody registered,
everything that one person may do is allowed (design §10: one machine works out of the box); what needs two is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from retention.catalog.people import PersonRecord
from retention.journal.envelope import Envelope
from retention.model.canonical import JsonValue
from retention.model.errors import RoleMissingError, SignatureMissingError
from retention.model.identifiers import InstitutionId
from retention.services.entries.acting import Deed
from retention.services.events import PERSON_PREFIX, Names
from retention.services.stores import Stores
from retention.signatures.deed import Deed as Signed
from retention.signatures.deed import Signature, holds
from retention.signatures.keys import PublicKey
from retention.signatures.signer import Signer

READER, INGEST, ARCHIVIST, OPERATOR, AUDITOR, ADMINISTRATOR = ROLES = (
    "reader",
    "ingest",
    "archivist",
    "operator",
    "auditor",
    "administrator",
)


class Method(StrEnum):
    """How it is known who acts."""

    NOBODY = "nobody"
    DECLARED = "declared"
    SESSION = "session"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `person_id` is None when nobody said so, `record` is None for somebody who is not registered."""

    person_id: str | None
    name: str | None
    record: PersonRecord | None
    method: Method

    def roles_at(self, institution: InstitutionId | None) -> frozenset[str]:
        return frozenset() if self.record is None else self.record.roles_at(institution)


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody is about to do: `what` is the journal's action, `subject` an id, `digest` what it is now."""

    what: str
    institution: InstitutionId | None
    subject: str
    digest: str
    role: str = ""


def acting(stores: Stores) -> Actor:
    """Return who acts; a key alone says whose it is.

    Raises SignatureMissingError when the key that was given is not that person's or nobody's, KeyUnavailableError when
    it cannot be opened.
    """
    if stores.person is None and stores.signer is not None:
        stores.person = _owner_of(stores, stores.signer).name
    if stores.person is None:
        return Actor(None, None, None, Method.NOBODY)
    person_id = Names(stores.keyring.index_key.secret).person(stores.person).removeprefix(PERSON_PREFIX)
    record = stores.catalog.people.get(person_id)
    if stores.signer is not None:
        if record is None or record.public_key != stores.signer.public.raw:
            raise SignatureMissingError(
                f"the key {stores.signer.public.fingerprint} is not the registered key of {stores.person}",
                hint="name that person's own key with --key, or look who is registered: retention person list",
            )
        return Actor(person_id, stores.person, record, Method.SIGNATURE)
    method = Method.SESSION if stores.is_authenticated else Method.DECLARED
    return Actor(person_id, stores.person, record, method)


def require_role(stores: Stores, institution: InstitutionId | None, *roles: str) -> Actor:
    """Return who acts, who has one of these roles there.

    Raises RoleMissingError, SignatureMissingError (exit 12), each saying what is missing. As long as nobody is
    registered, everybody may.
    """
    actor = acting(stores)
    if stores.catalog.people.count() == 0:
        return actor
    wanted = " or ".join(roles)
    where = place_name(stores, institution)
    if actor.person_id is None:
        raise RoleMissingError(
            f"nobody acts: this needs the role {wanted} {where}",
            hint="say who acts with --as PERSON, and --key FILE to sign",
        )
    if not actor.roles_at(institution) & set(roles):
        hint = f"somebody with that role can do it, or: retention person role NAME --add {roles[0]}"
        if actor.record is None:
            raise RoleMissingError(f"{actor.name} is not registered", hint=hint)
        raise RoleMissingError(f"{actor.name} does not have the role {wanted} {where}", hint=hint)
    require_proof(stores, actor)
    return actor


def require_proof(stores: Stores, actor: Actor) -> None:
    """Raise SignatureMissingError for an identity that is merely declared, except on a rehearsal archive."""
    if not is_proven(stores, actor):
        has_key = actor.record is not None and actor.record.public_key is not None
        raise SignatureMissingError(
            f"{actor.name or 'nobody'} is only declared to act, and this is a production archive",
            hint="sign with that person's key: --key FILE"
            if has_key
            else "register that person's key first: retention person key NAME --public-key FILE",
        )


def is_proven(stores: Stores, actor: Actor) -> bool:
    """Whether it is known for sure who acts; on a rehearsal archive it is enough to say so."""
    if actor.method in (Method.SIGNATURE, Method.SESSION):
        return True
    from retention.services import initialise  # it makes archives, and loads policies: doors do without

    return actor.method is Method.DECLARED and initialise.is_rehearsal(stores)


def proof(stores: Stores, actor: Actor, claim: Claim, at: datetime) -> dict[str, JsonValue]:
    """Return what an entry's data says, as `by`, of who did it: person, role, how it is known, the signature.

    Raises KeyUnavailableError when the key cannot sign.
    """
    signature = None
    if stores.signer is not None and actor.method is Method.SIGNATURE:
        signature = stores.signer.sign(_deed(stores.archive_id, claim, actor.person_id or "", at)).to_json()
    return {
        "person": actor.person_id,
        "role": claim.role,
        "method": actor.method.value,
        "subject": claim.subject,
        "digest": claim.digest,
        "signature": signature,
    }


def deed_of(stores: Stores, what: str, institution: InstitutionId | None, subject: str, digest: str) -> Deed:
    """Return what an entry says of what whoever acts does now, signed. Raises as `acting` and `proof`."""
    at, claim = stores.clock.now(), Claim(what, institution, subject, digest)
    return Deed(at, stores.actor, proof(stores, acting(stores), claim, at))


def is_signed(envelope: Envelope, archive: str, key: bytes) -> bool:
    """Whether an entry's signature is by this public key (32 bytes), over exactly what the entry says."""
    by = envelope.data.get("by")
    if not isinstance(by, dict) or by.get("signature") is None:
        return False
    words = [by.get(name) for name in ("subject", "digest", "role", "person")]
    if not all(isinstance(word, str) for word in words):
        return False
    subject, digest, role, person = map(str, words)
    claim = Claim(envelope.action, envelope.institution, subject, digest, role)
    try:
        signature = Signature.from_json(by["signature"])
    except ValueError:
        return False
    return holds(signature, _deed(archive, claim, person, envelope.at), PublicKey(key))


def place_name(stores: Stores, institution: InstitutionId | None) -> str:
    """Return where a role counts, as it is said."""
    if institution is None:
        return "in the whole archive"
    known = stores.catalog.institutions()
    return f"at {next((each.spec.name for each in known if each.institution_id == institution), institution)}"


def _deed(archive: str, claim: Claim, person: str, at: datetime) -> Signed:
    return Signed(archive, claim.what, claim.institution, claim.subject, claim.digest, claim.role, person, at)


def _owner_of(stores: Stores, signer: Signer) -> PersonRecord:
    for each in stores.catalog.people.all():
        if each.public_key == signer.public.raw:
            return each
    raise SignatureMissingError(
        f"the key {signer.public.fingerprint} belongs to nobody who is registered",
        hint="look who is registered: retention person list",
    )
