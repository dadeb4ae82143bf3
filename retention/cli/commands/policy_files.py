"""What commands about policy files share: reading them, and the language their sentences are in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import current

if TYPE_CHECKING:
    from retention.markup.text import Language
    from retention.policy.loading import PolicyFile

Paths = Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help="Policy files, or folders of them.")]


def read_files(paths: Iterable[Path]) -> list[PolicyFile]:
    """Read what was named. Raises NotFoundError for a path that is not there, and for a folder without a policy."""
    from retention.model.errors import NotFoundError
    from retention.services import policies

    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise NotFoundError(
                current.say("policy.absent", path=path), hint=current.say("policy.absent_hint")
            )
        below = policies.files_below(path)
        if not below:
            raise NotFoundError(current.say("policy.empty", path=path), hint=current.say("policy.empty_hint"))
        found += below
    return policies.read_files(found)


def said(what: object) -> str:
    """Return a sentence in the language of this call."""
    from retention.markup.text import say

    return say(what, language())


def language() -> Language:
    """Return the language of this call, as sentences about policies know it."""
    return "fr" if current.language == "fr" else "en"
