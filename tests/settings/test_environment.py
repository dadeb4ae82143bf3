"""Where secrets lie is the environment's to say."""

from pathlib import Path

from retention.settings.environment import root_key_path


def test_the_root_key_lies_in_the_archive_unless_the_environment_says_otherwise():
    archive = Path("/srv/archive")
    assert root_key_path(archive, {}) == Path("/srv/archive/secrets/root.key")
    assert root_key_path(archive, {"RETENTION_ROOT_KEY_FILE": ""}) == Path("/srv/archive/secrets/root.key")
    assert root_key_path(archive, {"RETENTION_ROOT_KEY_FILE": "/run/keys/root"}) == Path("/run/keys/root")
