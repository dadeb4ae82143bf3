"""The tests that every driver runs lie in modules of their own, whose assertions explain themselves as others do."""

import os

import pytest

pytest.register_assert_rewrite(
    "tests.storage.conformance",
    "tests.storage.conformance_documents",
    "tests.storage.conformance_identity",
    "tests.storage.conformance_recall",
)


@pytest.fixture
def unsynced(monkeypatch):
    """Let syncs cost nothing where nobody cuts the power: what is synced, and when, is for test_durability."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
