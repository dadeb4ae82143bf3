"""One table from errors to exit codes."""

import pytest

from retention.cli import exit_codes
from retention.model import errors

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.RetentionError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code(kind):
    assert exit_codes.exit_code_of(kind("why")) in {1, 2, 5, 6, 10, 11, 12, 75}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.SettingsError, 5),
        (errors.PolicyError, 5),
        (errors.NotFoundError, 6),
        (errors.ArchiveNotFoundError, 10),
        (errors.CatalogMissingError, 10),
        (errors.LockedError, 11),
        (errors.ClockRefusedError, 12),
        (errors.WriteOnceError, 12),
        (errors.RecallPendingError, 75),
        (errors.NotReadyError, 75),
        (errors.ObjectLockedError, 12),
        (errors.VolumeFullError, 1),
        (errors.PackageLostError, 1),
        (errors.KeyUnavailableError, 1),
    ],
    ids=str,
)
def test_what_scripts_decide_by(kind, code):
    assert exit_codes.exit_code_of(kind("why")) == code
