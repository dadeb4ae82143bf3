"""What a verification found, and what whoever verifies knew before."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from retention.reports.standalone.cms import Certificate
from retention.reports.standalone.notes import NotValidError, parse_key, read_small, unbase64
from retention.reports.standalone.stamps import Stamp, read_pem


@dataclass
class Trusted:
    """A trust file: public keys of archives, certificates of authorities, checkpoints that were kept (size, root)."""

    keys: list[str] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    kept: list[tuple[int, bytes]] = field(default_factory=list)


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
        if in_block:
            in_block = not line.startswith("-----END ")
        elif line.strip() and not line.startswith("#"):
            parse_key(line.strip())
            keys.append(line.strip())
    return Trusted(keys, read_pem(text), read_kept(text))


def read_kept(text: str) -> list[tuple[int, bytes]]:
    """Return size and root of the checkpoints in a trust file: nobody's word for them is needed, they were kept."""
    found = []
    for block in re.findall(r"-----BEGIN CHECKPOINT-----\n(.*?)-----END CHECKPOINT-----", text, re.DOTALL):
        lines = block.split("\n")
        if len(lines) < 4 or not (lines[1].isascii() and lines[1].isdigit()):
            raise NotValidError("a checkpoint in the trust file cannot be read")
        found.append((int(lines[1]), unbase64(lines[2], "a checkpoint in the trust file")))
    return found
