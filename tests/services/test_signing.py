"""The archive's signature: made once, known to the journal, found again."""

from __future__ import annotations

import pytest

from retention.journal.checkpoint import Checkpoint
from retention.model.errors import KeyUnavailableError
from retention.services.signing import archive_signer, known_key, signed_checkpoint
from retention.settings.environment import signing_key_path


@pytest.fixture
def stores(empty):
    with empty.opened() as opened:
        yield opened


def test_the_first_signature_makes_the_key_and_tells_the_journal(stores):
    assert known_key(stores) is None
    signer = archive_signer(stores)
    assert known_key(stores) == signer.verifier
    size = stores.journal.size
    assert archive_signer(stores).verifier == signer.verifier
    assert stores.journal.size == size
    assert signing_key_path(stores.root, {}).stat().st_mode & 0o777 == 0o600


def test_a_checkpoint_says_what_the_journal_is(stores):
    note = signed_checkpoint(stores)
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.size, checkpoint.root) == (stores.journal.size, stores.journal.root())
    assert note.signers([archive_signer(stores).verifier]) == [known_key(stores)]


def test_another_file_in_its_place_is_refused(stores):
    archive_signer(stores)
    signing_key_path(stores.root, {}).write_text("no key")
    with pytest.raises(KeyUnavailableError, match="not a signing key"):
        archive_signer(stores)
