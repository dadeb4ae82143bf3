"""The same archives as for the tests of services."""

from tests.services.conftest import empty, empty_template, folder, held, held_template, templates, unsynced

__all__ = ["empty", "empty_template", "folder", "held", "held_template", "templates", "unsynced"]
