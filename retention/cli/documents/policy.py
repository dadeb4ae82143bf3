"""`policy new|schema|validate|test`."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class LibraryPolicy(TypedDict):
    name: str
    kind: str
    """`RetentionPolicy` or `StoragePlan`."""
    title: str
    """In the language asked for."""
    text: str | None
    """The file, comments included; null in a list."""
    file: str | None
    """Where it was written; null when nowhere."""


class PolicyNew(TypedDict):
    """The policy asked for; without one, what the library has."""

    policies: list[LibraryPolicy]


class PolicySchema(TypedDict):
    """For editors."""

    schema: dict[str, Any]
    """JSON Schema draft 7 of one document of a policy file."""


class PolicyDocument(TypedDict):
    kind: str
    name: str
    version: Count
    title: str
    """In the language asked for."""
    examples: Count


class PolicyFileRow(TypedDict):
    file: str
    valid: bool
    documents: list[PolicyDocument]
    """Those without a fault."""


class PolicyProblem(TypedDict):
    """One fault. `line` and `column` count from 1, in characters; `length` is how many are meant."""

    file: str
    line: Count
    column: Count
    length: Count
    where: str
    """The path of keys: `rules[0].keep`. Empty when the file cannot be read as YAML."""
    message: str
    """In the language asked for."""
    suggestion: str | None
    """The word that was probably meant."""


class PolicyValidate(TypedDict):
    """What is wrong in policy files: everything, in every file."""

    valid: bool
    """Whether nothing is."""
    files: list[PolicyFileRow]
    problems: list[PolicyProblem]


class PolicyDifference(TypedDict):
    """One expectation that did not hold."""

    key: str
    """`keep_until`, `state`, `winner` …"""
    expected: Any
    """As the example has it; null: that there is none."""
    actual: Any
    line: Count
    column: Count


class PolicyExample(TypedDict):
    """One example that was run."""

    file: str
    policy: str
    example: str
    """Its name."""
    holds: bool
    differences: list[PolicyDifference]
    """Empty when it holds."""
    sentences: list[str]
    """What was decided and why, in the language asked for."""


class PolicyTest(TypedDict):
    """The examples in policy files, run. Those in a file with faults are not."""

    valid: bool
    """Whether no file has faults."""
    held: Count
    """Examples that came out as expected."""
    wrong: Count
    """Examples that did not."""
    files: list[PolicyFileRow]
    problems: list[PolicyProblem]
    examples: list[PolicyExample]
