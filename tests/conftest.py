"""What all tests share: how hypothesis searches, and the services they are run against.

No deadline, since no test measures time; fixed seeds in CI.
"""

import os

import pytest
from hypothesis import settings

# The tests that every driver runs lie in modules of their own, whose assertions explain themselves as others do.
pytest.register_assert_rewrite(
    "tests.storage.conformance",
    "tests.storage.conformance_documents",
    "tests.storage.conformance_identity",
    "tests.storage.conformance_recall",
)

from tests import ceph as service  # noqa: E402  (after what it may import is told apart)
from tests import postgresql  # noqa: E402

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        service.prepare()


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        service.clear_away()


def pytest_terminal_summary(terminalreporter):
    """What was not tried is no detail: say it last, and in red."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = [str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)]
    untried = service.NOT_TESTED, postgresql.NOT_TESTED
    missed = [r.removeprefix("Skipped: ") for r in reasons if any(each in r for each in untried)]
    for reason in dict.fromkeys(missed):
        terminalreporter.write_line(f"{missed.count(reason)} tests {reason}", red=True, bold=True)


@pytest.fixture(scope="session")
def ceph():
    """A real S3 service, with its credentials in the environment as the driver looks for them."""
    found = service.ceph()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment(found).items():
            patch.setenv(name, value)
        yield found
