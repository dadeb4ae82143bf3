"""Argon2 at no cost: what is tested is who is let in, not how dear a guess is."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from retention.services.identity import accounts, credentials
from retention.services.identity.passwords import Passwords


class CheapPasswords(Passwords):
    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.checked = 0

    def is_right(self, secret, password):
        self.checked += 1
        return super().is_right(secret, password)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "Passwords", CheapPasswords)
    monkeypatch.setattr(credentials, "Passwords", CheapPasswords)
