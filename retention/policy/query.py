"""A match on its own: what a hold placed by query covers, in the words policies use.

The invariant: a study of which something is unknown is covered; a hold never misses what it may mean.
"""

from __future__ import annotations

from retention.markup.faults import report
from retention.markup.text import Language
from retention.markup.yaml_text import read_yaml
from retention.model.errors import PolicyError
from retention.policy.case import Case
from retention.policy.checks import query_disagreements
from retention.policy.documents import Match
from retention.policy.facts import Facts
from retention.policy.matching import compile_match
from retention.policy.subject import Study
from retention.policy.validation import validate_part


class Query:
    """A compiled query; `text` is how it was written."""

    __slots__ = ("_compiled", "match", "text")

    def __init__(self, match: Match, text: str) -> None:
        self.match = match
        self.text = text
        self._compiled = compile_match(match)

    def may_cover(self, study: Study, facts: Facts) -> bool:
        """Whether the query matches a study, or may, as far as anybody knows."""
        return self._compiled.ask(Case(study, (), facts)) is not False


def read_query(text: str, language: Language = "en") -> Query:
    """Read `modality: CT, study_date: {before: 2000-01-01}`; braces around it may be left out.

    Raises PolicyError that shows every fault.
    """
    written = text.strip()
    read = read_yaml(written if written.startswith("{") else f"{{{written}}}")
    match, faults = (
        (None, read.faults) if read.value is None else validate_part(read, Match, query_disagreements)
    )
    if match is None:
        raise PolicyError(report("query", read.text, faults, language), faults=faults)
    return Query(match, written)
