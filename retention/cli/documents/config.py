"""`config show|check|apply`."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.policy_force import PolicyChange


class ConfigValue(TypedDict):
    """One value that counts."""

    key: str
    """`tiers.hot.protection.copies`"""
    value: str
    source: str
    """`file` or `default`."""


class ConfigShow(TypedDict):
    """The settings in force."""

    file: str
    digest: str
    """Of the text in force, as the journal has it."""
    in_force: bool
    """Whether archive.yaml is in force as it lies there."""
    values: list[ConfigValue]


class ConfigCheck(TypedDict):
    """archive.yaml against what is in force."""

    file: str
    in_force: bool
    loosening: bool
    """Whether it takes protection or control away: then it needs a reason and a second person."""
    changes: list[PolicyChange]


class ConfigApply(ConfigCheck):
    """What was put in force."""

    approval: str | None
    """The request that a second person has to approve before it is in force; null when it is."""
