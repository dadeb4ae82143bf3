"""Syncs, where nobody cuts the power."""

import os

import pytest


@pytest.fixture
def unsynced(monkeypatch):
    """Let syncs cost nothing where nobody cuts the power: what is synced, and when, is for test_durability."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
