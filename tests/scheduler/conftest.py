"""Archives for the tests of the scheduler: those of the services."""

from tests.services.conftest import (  # noqa: F401  # fixtures
    empty,
    empty_template,
    folder,
    held,
    held_template,
    templates,
    unsynced,
)
