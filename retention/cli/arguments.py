"""Global options may stand anywhere: `retention study list --json` is what people type.

They are moved to the front before the command line is read. What follows `--` is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

SWITCHES = frozenset({"--json", "--jsonl", "--quiet", "-q", "--debug"})
VALUED = frozenset({"--archive", "--as-of", "--as", "--key", "--lang"})

_TRUE = {"1", "t", "true", "on", "y", "yes"}


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options in front, in their order."""
    front: list[str] = []
    rest: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        name, equals, _ = argument.partition("=")
        if argument == "--":
            rest += [argument, *pending]
        elif argument in SWITCHES or (name in VALUED and equals):
            front.append(argument)
        elif argument in VALUED:
            front += [argument, *islice(pending, 1)]
        else:
            rest.append(argument)
    return front + rest


def is_asked(switch: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a switch is on, before the command line is understood: a mistake in it is told in the form asked for."""
    variable = f"RETENTION_{switch.strip('-').upper()}"
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return switch in ours or environment.get(variable, "").lower() in _TRUE
