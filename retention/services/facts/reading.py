"""Reading files of facts: CSV and JSON Lines, whatever is in them, in bounded memory and without surprise.

The invariant: either every row can be recorded, or every row that cannot is told with its line and its reason, and
nothing is recorded at all.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from retention.catalog.records import InstitutionRecord
from retention.model.canonical import parse_json
from retention.model.errors import InputLimitError, UsageError
from retention.model.patient import PatientIdentity
from retention.policy.words import Assurance
from retention.services import decisions
from retention.services.facts.saying import Objection, Saying, kinds_of, objections, read_day, shown
from retention.services.in_force import Bound
from retention.services.stores import Stores

FILE_BYTES = 64 * 1024 * 1024
ROWS = 100_000
LINE_CHARACTERS = 4096
COLUMNS = ("institution", "patient_id", "issuer", "kind", "from", "to", "source", "assurance")
OPTIONAL = ("issuer", "from", "to", "assurance")

Numbered = tuple[int, Mapping[str, str] | Objection]
"""A row with the number of its line; or why it is none."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that can be no fact, and why."""

    line: int
    objection: Objection


@dataclass(slots=True)
class ReadFile:
    """What a file says. With anything `refused`, none of it is to be recorded."""

    sayings: list[Saying] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def read_rows(stores: Stores, path: Path) -> ReadFile:
    """Read a file of facts. Raises InputLimitError when it is too large, UsageError when it is no such file at all,
    OSError when it cannot be read."""
    text = text_of(path)
    first = text.lstrip()[:1]
    rows = _json_rows(text) if first == "{" else _csv_rows(text)
    checker = Checker(stores)
    found = ReadFile()
    for number, (line, row) in enumerate(rows):
        if number >= ROWS:
            raise InputLimitError(
                f"{path.name} has more than {ROWS} rows", hint="import it in several parts", limit=ROWS
            )
        checker.take(found, line, row)
    return found


def text_of(path: Path) -> str:
    """Return a file's text. Raises InputLimitError, UsageError."""
    with path.open("rb") as file:
        data = file.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise InputLimitError(
            f"{path.name} has more than {FILE_BYTES} bytes",
            hint="import it in several parts",
            limit=FILE_BYTES,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path.name} is not UTF-8 (byte {error.start})", hint="save it as UTF-8, and import it again"
        ) from error


class Checker:
    """Makes rows into sayings, or says what is wrong with them."""

    def __init__(self, stores: Stores) -> None:
        self._kinds = kinds_of(stores)
        self._now = stores.clock.now()
        with stores.catalog.deciding() as view:
            bounds = decisions.governed(view)
        self._bounds: dict[str, Bound] = {bound.institution.spec.name: bound for bound in bounds.values()}

    def institution(self, name: str) -> InstitutionRecord | None:
        bound = self._bounds.get(name)
        return None if bound is None else bound.institution

    def today(self, institution: str) -> date:
        """Return the day it is at an institution."""
        return self._bounds[institution].day(self._now)

    def check(self, institution: str, saying: Saying) -> list[Objection]:
        """Return what is wrong with a saying about a patient of that institution."""
        return list(objections(saying, self._kinds, self.today(institution)))

    def take(self, found: ReadFile, line: int, row: Mapping[str, str] | Objection) -> None:
        """Add what a row says, or why it says nothing."""
        if isinstance(row, Objection):
            found.refused.append(Refused(line, row))
            return
        wrong, saying = self._saying(row)
        found.refused += [Refused(line, each) for each in wrong]
        if saying is not None and not wrong:
            found.sayings.append(saying)

    def _saying(self, row: Mapping[str, str]) -> tuple[list[Objection], Saying | None]:
        wrong: list[Objection] = []
        institution = self.institution(row["institution"])
        if institution is None:
            wrong.append(Objection.of("unknown_institution", name=shown(row["institution"])))
        days = [read_day(row.get(name, "")) for name in ("from", "to")]
        wrong += [day for day in days if isinstance(day, Objection)]
        assurance = row.get("assurance", "") or Assurance.DECLARED.value
        if assurance not in list(Assurance):
            wrong.append(Objection.of("no_assurance", text=shown(assurance)))
        from_on, to_on = (None if isinstance(day, Objection) else day for day in days)
        if institution is None or wrong:
            return wrong, None
        patient = PatientIdentity(institution.institution_id, row["patient_id"], row.get("issuer", ""))
        saying = Saying(patient, row["kind"], from_on, to_on, row["source"], Assurance(assurance))
        wrong += self.check(institution.spec.name, saying)
        return wrong, saying


def _lines(text: str) -> Iterator[str]:
    """Yield lines with their ends; one that is too long is cut, so that what reads it refuses it."""
    for line in text.splitlines(keepends=True):
        yield line if len(line) <= LINE_CHARACTERS else line[: LINE_CHARACTERS + 1]


def _csv_rows(text: str) -> Iterator[Numbered]:
    reader = csv.reader(_lines(text), strict=True)
    columns: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield reader.line_num, Objection.of("no_csv", why=str(error))
            continue
        if not cells:
            continue
        if columns is None:
            columns = [cell.strip() for cell in cells]
            _require_columns(columns)
        elif sum(map(len, cells)) >= LINE_CHARACTERS:
            yield reader.line_num, Objection.of("long_line", characters=LINE_CHARACTERS)
        elif len(cells) != len(columns):
            yield reader.line_num, Objection.of("cells", found=len(cells), wanted=len(columns))
        else:
            yield reader.line_num, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    if columns is None:
        _require_columns([])


def _require_columns(columns: list[str]) -> None:
    if sorted(columns) != sorted(COLUMNS):
        raise UsageError(
            f"the first line names {shown(','.join(columns)) or 'nothing'}, not the columns of a file of facts",
            hint=f"it has to be: {','.join(COLUMNS)}",
        )


def _json_rows(text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(line) > LINE_CHARACTERS:
            yield number, Objection.of("long_line", characters=LINE_CHARACTERS)
            continue
        yield number, _json_row(line)


def _json_row(line: str) -> Mapping[str, str] | Objection:
    try:
        value = parse_json(line.encode("utf-8", "surrogatepass"))
    except ValueError:
        return Objection.of("no_json")
    if not isinstance(value, dict):
        return Objection.of("no_json")
    unknown = sorted(set(value) - set(COLUMNS))
    if unknown:
        return Objection.of("unknown_name", name=shown(unknown[0]), known=", ".join(COLUMNS))
    row = {name: member for name, member in value.items() if member is not None}
    missing = [name for name in COLUMNS if name not in row and name not in OPTIONAL]
    if missing:
        return Objection.of("missing_name", name=missing[0])
    if not all(isinstance(member, str) for member in row.values()):
        return Objection.of("no_words")
    return {name: str(member).strip() for name, member in row.items()}
