"""API tokens as text: 256 bits of chance, shown once; the archive keeps the SHA-256, which suffices for that much.

rtk_<16 hexadecimal digits: which>_<64: the secret>
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256

from retention.catalog.credentials import CredentialRecord
from retention.model.identifiers import new_id

PREFIX = "rtk_"
_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_([0-9a-f]{{64}})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token that was just made, or was shown."""

    token_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        return f"{PREFIX}{self.token_id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        return sha256(self.secret.encode()).digest()

    def is_proven_by(self, record: CredentialRecord | None) -> bool:
        """Whether this is the token that was recorded; compared in the same time whatever it is."""
        kept = bytes(32) if record is None or record.secret is None else record.secret
        return hmac.compare_digest(kept, self.digest)


def new_token() -> ApiToken:
    return ApiToken(new_id()[:16], new_id() + new_id())


def token_of(text: str) -> ApiToken | None:
    """Return the token that a text is, None if it is none."""
    found = _TOKEN.match(text)
    return None if found is None else ApiToken(found[1], found[2])
