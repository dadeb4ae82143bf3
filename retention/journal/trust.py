"""The trust file: what a verifier knew before, by another way than the archive that is to be verified.

Text: one public key a line (`name+hash+key`), lines that begin with # are comments; certificates of timestamp
authorities in PEM; checkpoints that were kept, each between BEGIN CHECKPOINT and END CHECKPOINT as it was signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from retention.journal.checkpoint import Note, VerifierKey
from retention.journal.seals import Seal

BEGIN, END = "-----BEGIN ", "-----END "
CHECKPOINT = "CHECKPOINT"
CERTIFICATE = "CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys, certificates (PEM), and seals that were kept outside."""

    keys: list[VerifierKey] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Trust:
        """Read a trust file. Raises ValueError for what is neither key, comment, certificate nor checkpoint."""
        trust, kind, block = cls(), "", list[str]()
        for line in text.splitlines():
            if not kind and line.startswith(BEGIN):
                kind, block = line.removeprefix(BEGIN).rstrip("-"), [line]
            elif kind and line == f"{END}{kind}-----":
                trust._take(kind, [*block, line])
                kind = ""
            elif kind:
                block.append(line)
            elif line.strip() and not line.startswith("#"):
                trust.keys.append(VerifierKey.parse(line.strip()))
        if kind:
            raise ValueError(f"a {kind.lower()} has no end")
        return trust

    def _take(self, kind: str, lines: list[str]) -> None:
        if kind == CERTIFICATE:
            self.certificates.append(("\n".join(lines) + "\n").encode())
        elif kind == CHECKPOINT:
            self.seals.append(Seal.parse("\n".join(lines[1:-1]) + "\n"))
        else:
            raise ValueError(f"what is a {kind.lower()}?")


def checkpoint_block(note: Note) -> str:
    """Return a checkpoint as a trust file has it."""
    return f"{BEGIN}{CHECKPOINT}-----\n{note.encode()}{END}{CHECKPOINT}-----\n"
