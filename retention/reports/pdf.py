"""Documents as PDF: typeset by typst from their JSON, PDF/A-2b (PDF/A-3b with attachments), the same bytes every time.

A template shows the document and nothing else; text of the document never becomes markup.
"""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from importlib import resources
from typing import Any, Final

from retention.model.errors import UsageError

STANDARD: Final = "a-2b"
STANDARD_WITH_ATTACHMENTS: Final = "a-3b"
_FILES = resources.files("retention.reports")


def words(language: str) -> dict[str, Any]:
    """Return the report's words in a language (`en`, `fr`)."""
    return tomllib.loads(_FILES.joinpath("wording", f"{language}.toml").read_text("utf-8"))


def typeset(
    document: bytes,
    language: str,
    made_at: datetime,
    template: str = "template",
    attached: bytes | None = None,
) -> bytes:
    """Return the PDF of a document, given as its JSON; `attached` becomes its one attachment.

    Raises UsageError when typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise UsageError(
            "the PDF needs the library typst",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    inputs = {
        "document": document.decode("utf-8"),
        "attached": "" if attached is None else attached.decode("utf-8"),
        "words": json.dumps(words(language), ensure_ascii=False),
    }
    with resources.as_file(_FILES) as folder:
        return typst.compile(
            str(folder / f"{template}.typ"),
            root=str(folder),
            sys_inputs=inputs,
            pdf_standards=STANDARD if attached is None else STANDARD_WITH_ATTACHMENTS,
            timestamp=int(made_at.timestamp()),
            ignore_system_fonts=True,
        )
