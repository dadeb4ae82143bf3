"""What a verification found, and what whoever verifies knew before."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from retention.reports.standalone.cms import Certificate
from retention.reports.standalone.notes import parse_key, read_small
from retention.reports.standalone.stamps import Stamp, read_pem


@dataclass
class Trusted:
    """A trust file: public keys of archives, and certificates of authorities."""

    keys: list[str] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)


@dataclass
class Verdict:
    """What was found. `valid`: all is as one key signed it; `trusted`: that key is one the verifier was given.

    `timestamps` counts those that are right; `stamped_by_trusted` those of them whose authority is in the trust file.
    """

    problems: list[str] = field(default_factory=list)
    signer: str | None = None
    trusted: bool = False
    files: int = 0
    entries: int = 0
    timestamps: int = 0
    stamped_by_trusted: int = 0
    seals: int = 0
    about: str = "compliance"
    failed_checks: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return not self.problems

    def count_stamp(self, name: str, stamp: Stamp) -> None:
        self.timestamps += stamp.is_judged
        self.stamped_by_trusted += stamp.is_trusted
        if not stamp.is_judged:
            self.not_checked.append(f"the timestamp of {name}: its algorithm is not known here")
        elif not stamp.is_trusted:
            self.not_checked.append(
                f"who made the timestamp of {name}: that authority is not in the trust file"
            )


def read_trust(path: Path) -> Trusted:
    """Read a trust file. Raises NotValidError for a line that is neither key, comment, nor part of a block."""
    text = read_small(path).decode("utf-8", "replace")
    keys, in_block = [], False
    for line in text.splitlines():
        in_block = in_block or line.startswith("-----BEGIN ")
        if in_block:  # certificates, and checkpoints that were kept, may stand in the same file
            in_block = not line.startswith("-----END ")
        elif line.strip() and not line.startswith("#"):
            parse_key(line.strip())
            keys.append(line.strip())
    return Trusted(keys, read_pem(text))
