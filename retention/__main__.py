"""`python -m retention`: the twin of the `retention` command."""

from retention.cli.main import run

run()
