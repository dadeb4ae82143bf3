"""HL7 v2 ADT messages from files: what a hospital's own system says of its patients.

What is read of which event is written out in docs/archivists.md; everything else is passed over. Whatever a file holds,
the outcome is sayings, merges, or a reason with the line its message begins at; a message that was read before (MSH-10,
by its sender) says nothing again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from retention.model.errors import InputLimitError, UsageError
from retention.model.identifiers import InstitutionId
from retention.model.patient import PatientIdentity
from retention.policy.words import Assurance
from retention.services.events import Names
from retention.services.facts.reading import FILE_BYTES, Checker, ReadFile, Refused
from retention.services.facts.saying import Objection, Saying, read_day, shown
from retention.services.stores import Stores

MESSAGES = 100_000
MESSAGE_CHARACTERS = 64 * 1024
SEGMENTS = ("MSH", "EVN", "PID", "PV1", "MRG")
VISITS = ("A01", "A04")
UPDATES = ("A08", "A28", "A31")

_FRAMING = re.compile(r"[\x0b\x1c]")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")


@dataclass(slots=True)
class ReadMessages(ReadFile):
    """What a file of messages says. `merges` are patients that are the same as others; `seen` the digests of messages
    that were not read before; `ignored` counts those that say nothing kept here, or were read before."""

    merges: list[tuple[PatientIdentity, PatientIdentity]] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Wording:
    """How messages are understood: whose they are, how well they are known, and whether issuers are left out."""

    institution: str
    institution_id: InstitutionId
    assurance: Assurance
    has_issuers: bool


def is_messages(path: Path) -> bool:
    """Whether a file looks like one of HL7 messages."""
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\x0b\r\n\xef\xbb\xbf ")[:4] in (b"MSH|", b"FHS|", b"BHS|")


def read_messages(stores: Stores, path: Path, wording: Wording) -> ReadMessages:
    """Read a file of messages. Raises InputLimitError, UsageError when the library is not installed, OSError."""
    try:
        import hl7  # noqa: F401  # the extra `hl7`; told here, before anything is read
    except ImportError as error:
        raise UsageError("reading HL7 needs a library", hint="pip install 'retention[hl7]'") from error
    checker, found = Checker(stores), ReadMessages()
    names = Names(stores.keyring.index_key.secret)
    for number, (line, text) in enumerate(_messages(path)):
        if number >= MESSAGES:
            raise InputLimitError(f"{path.name} has more than {MESSAGES} messages", hint="import it in parts")
        if len(text) > MESSAGE_CHARACTERS:
            found.refused.append(Refused(line, Objection.of("long_message", characters=MESSAGE_CHARACTERS)))
            continue
        message = _Message.of(text)
        if message is None:
            found.refused.append(Refused(line, Objection.of("no_message")))
            continue
        digest = names.message(wording.institution_id, message.sender, message.control_id)
        if digest in found.seen or stores.catalog.facts.messages_read(wording.institution_id, [digest]):
            found.ignored += 1
        elif _take(found, checker, wording, line, message):
            found.seen.append(digest)
    return found


class _Message:
    """The fields of one message that are read, as texts; what is absent is empty."""

    def __init__(self, fields: dict[str, dict[int, str]], separators: str) -> None:
        self._fields = fields
        self._component, self._repetition, self._sub = separators[0], separators[1], separators[3]

    @classmethod
    def of(cls, text: str) -> _Message | None:
        """Read a message; None when it is none."""
        import hl7

        try:
            parsed = hl7.parse(text)
            fields = {
                str(segment[0][0]): {place: str(value) for place, value in enumerate(segment)}
                for segment in reversed(parsed)
                if str(segment[0][0]) in SEGMENTS
            }
            message = cls(fields, text[4:8])
        except (hl7.HL7Exception, LookupError, ValueError, TypeError, AttributeError, RecursionError):
            return None
        return message if message.control_id and "PID" in fields else None

    def field(self, segment: str, place: int) -> str:
        return self._fields.get(segment, {}).get(place, "").strip()

    @property
    def sender(self) -> str:
        return self.field("MSH", 4)

    @property
    def control_id(self) -> str:
        return self.field("MSH", 10)

    @property
    def event(self) -> str:
        """The trigger event: MSH-9.2, or EVN-1 in older messages."""
        parts = self.field("MSH", 9).split(self._component)
        return parts[1] if len(parts) > 1 else self.field("EVN", 1)

    def patient(self, segment: str, place: int, wording: Wording) -> PatientIdentity:
        """Return who the first identifier of a field names (CX: ID, and the namespace of who assigned it)."""
        parts = self.field(segment, place).split(self._repetition)[0].split(self._component)
        issuer = parts[3].split(self._sub)[0].strip() if wording.has_issuers and len(parts) > 3 else ""
        return PatientIdentity(wording.institution_id, parts[0].strip(), issuer)

    def day(self, *places: tuple[str, int]) -> date | Objection | None:
        """Return the day of the first field that has one, as it is written there."""
        text = next((self.field(*place) for place in places if self.field(*place)), "")
        if not text or text == '""':
            return None
        digits = _DIGITS.match(text)
        return read_day("-".join(digits.groups())) if digits else Objection.of("no_day", text=shown(text))


def _take(found: ReadMessages, checker: Checker, wording: Wording, line: int, message: _Message) -> bool:
    """Add what a message says; return whether it says anything kept here."""
    patient, event = message.patient("PID", 3, wording), message.event
    if event == "A40":
        gone = message.patient("MRG", 1, wording)
        if not patient.patient_id or not gone.patient_id:
            found.refused.append(Refused(line, Objection.of("no_patient")))
        else:
            found.merges.append((gone, patient))
        return True
    days = dict(_days(message, event))
    source = f"HL7 {message.sender or '?'} {event}"
    for kind, day in days.items():
        if isinstance(day, Objection):
            found.refused.append(Refused(line, day))
        elif day is not None:
            saying = Saying(patient, kind, day, None, source, wording.assurance)
            wrong = checker.check(wording.institution, saying)
            found.refused += [Refused(line, each) for each in wrong]
            if not wrong:
                found.sayings.append(saying)
    if not any(days.values()):
        found.ignored += 1
        return False
    return True


def _days(message: _Message, event: str) -> Iterator[tuple[str, date | Objection | None]]:
    if event in VISITS:
        yield "last_visit", message.day(("PV1", 44), ("EVN", 6), ("EVN", 2))
    if event == "A03":
        left = message.day(("PV1", 45), ("EVN", 6), ("EVN", 2))
        yield "discharge", left
        yield "last_visit", left
    if event in UPDATES:
        yield "birth", message.day(("PID", 7))
    if event in (*UPDATES, "A03") and message.field("PID", 30) == "Y":
        yield "death", message.day(("PID", 29)) or Objection.of("undated", kind="death")


def _messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each message with the line it begins at: framed (MLLP) or not, in a batch or not, whatever ends lines."""
    with path.open("rb") as file:
        data = file.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise InputLimitError(f"{path.name} has more than {FILE_BYTES} bytes", hint="import it in parts")
    text = _FRAMING.sub("\r", data.decode("utf-8-sig", "replace")).replace("\r\n", "\r").replace("\n", "\r")
    began, lines = 0, list[str]()
    for number, line in enumerate(text.split("\r"), 1):
        if line.startswith("MSH"):
            if lines:
                yield began, "\r".join(lines)
            began, lines = number, [line]
        elif lines and line[:3] in SEGMENTS:
            lines.append(line)
    if lines:
        yield began, "\r".join(lines)
