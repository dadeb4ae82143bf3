"""Making a compliance report: gather, write down, typeset, sign, and tell the journal.

The invariant: the document is a function of what was gathered, PDF and tables are functions of the document, and only
signatures are added; the journal's entry names the bundle by its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from retention.journal.checkpoint import sign
from retention.journal.envelope import NewEntry
from retention.model.canonical import JsonValue, canonical_json
from retention.model.errors import UsageError
from retention.reports.bundle import VERIFIER, write_bundle
from retention.reports.pdf import typeset, words
from retention.reports.single_file import verifier_text
from retention.reports.standalone.verify_report import PDF, REPORT
from retention.reports.tables import tables
from retention.services import commit
from retention.services.compliance.contents import Gathered, contents
from retention.services.compliance.gather import gather
from retention.services.signed_pdf import signed_pdf
from retention.services.signing import archive_signer
from retention.services.stores import Stores

REPORT_MADE = "report.compliance"
README = "README.txt"


@dataclass(frozen=True, slots=True)
class MadeReport:
    """A bundle that was written: its files, what it concludes, and what it did not check (the document's own words)."""

    folder: Path
    files: tuple[str, ...]
    conclusion: str
    exceptions: tuple[str, ...]
    not_checked: tuple[str, ...]
    digest: str
    signing_key: str
    is_timestamped: bool


def make_report(
    stores: Stores, from_on: date, until_on: date, out: Path, *, institution: str | None = None, language: str
) -> MadeReport:
    """Write the report of a period (both days included) into a new folder.

    Raises UsageError (period, folder, institution, libraries), JournalBrokenError, KeyUnavailableError (signing key).
    """
    if until_on < from_on:
        raise UsageError(
            f"the period ends on {until_on}, before it begins on {from_on}", hint="--from D --until D"
        )
    gathered = gather(stores, from_on, until_on, institution, language)
    signer = archive_signer(stores)
    document = contents(gathered)
    files = bundle_files(document, gathered)
    at, why_not = gathered.identity.made_at, gathered.sealing.why_not
    files[PDF], is_stamped = signed_pdf(stores, files[PDF], at, with_stamp=why_not is None)
    about: dict[str, JsonValue] = {"kind": "compliance", "report": gathered.identity.report_id}
    made = write_bundle(out, files, str(signer.verifier), lambda text: sign(text, signer).encode(), **about)
    digest = hashlib.sha256(made).hexdigest()
    _tell(stores, gathered, digest)
    listed = words(language)
    return MadeReport(
        folder=out,
        files=tuple(sorted(files)),
        conclusion=str(document["conclusion"]),
        exceptions=tuple(_sentences(document["exceptions"], listed["exception"])),
        not_checked=tuple(listed["limit"][str(one)] for one in _list(document["not_checked"])),
        digest=digest,
        signing_key=str(signer.verifier),
        is_timestamped=is_stamped,
    )


def bundle_files(document: Mapping[str, JsonValue], gathered: Gathered) -> dict[str, bytes]:
    """Return every file of a bundle but for its manifest and signature, and with the PDF not yet signed."""
    text = canonical_json(dict(document))
    identity = gathered.identity
    listed = words(identity.language)
    return {
        REPORT: text,
        PDF: typeset(text, identity.language, identity.made_at),
        README: "\n\n".join((listed["title"], listed["verify_text"], f"{gathered.signing_key}\n")).encode(),
        VERIFIER: verifier_text(),
        **gathered.sealing.files(),
        **{f"tables/{name}.parquet": data for name, data in tables(document).items()},
    }


def _tell(stores: Stores, gathered: Gathered, digest: str) -> None:
    identity = gathered.identity
    data: dict[str, JsonValue] = {
        "bundle": digest,
        "from": identity.from_on.isoformat(),
        "until": identity.until_on.isoformat(),
        "size": gathered.history.size,
    }
    at = stores.clock.now()
    entry = NewEntry(at, stores.actor, REPORT_MADE, objects={"report": identity.report_id}, data=data)
    commit.append(stores, [entry])


def _sentences(exceptions: JsonValue, said: Mapping[str, str]) -> list[str]:
    found = [one for one in _list(exceptions) if isinstance(one, Mapping)]
    return [
        said[str(one["what"])] if one["flag"] else f"{one['number']} {said[str(one['what'])]}"
        for one in found
    ]


def _list(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list | tuple) else []
