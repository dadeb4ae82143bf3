"""The report as a PDF: typeset by typst from the JSON document, PDF/A-2b, the same bytes for the same document.

The template shows the document and nothing else; text of the document never becomes markup.
"""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from importlib import resources
from typing import Any, Final

from retention.model.errors import UsageError

STANDARD: Final = "a-2b"
_FILES = resources.files("retention.reports")


def words(language: str) -> dict[str, Any]:
    """Return the report's words in a language (`en`, `fr`)."""
    return tomllib.loads(_FILES.joinpath("wording", f"{language}.toml").read_text("utf-8"))


def typeset(document: bytes, language: str, made_at: datetime) -> bytes:
    """Return the PDF of a report, given as its JSON. Raises UsageError when typst is not installed."""
    try:
        import typst
    except ImportError as error:
        raise UsageError(
            "the PDF needs the library typst",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    inputs = {
        "report": document.decode("utf-8"),
        "words": json.dumps(words(language), ensure_ascii=False),
    }
    with resources.as_file(_FILES.joinpath("template.typ")) as template:
        return typst.compile(
            str(template),
            root=str(template.parent),
            sys_inputs=inputs,
            pdf_standards=STANDARD,
            timestamp=int(made_at.timestamp()),
            ignore_system_fonts=True,
        )
