"""Identifiers come from one place, and the operating system is the only source of chance.

What is secret or must not repeat (keys, nonces, salts) asks it in the modules named here; everything else is
deterministic, so that a test or a rehearsal can be run again.
"""

import pytest

from tests.architecture.sources import Source, parse, sources, uses

FORBIDDEN = ("random.", "secrets.", "uuid.uuid", "numpy.random.", "tempfile.")
SYSTEM = ("os.urandom", "os.getrandom")
MAY_ASK_THE_SYSTEM = {
    "retention/model/identifiers.py",  # new identifiers
    "retention/journal/envelope.py",  # the salt of a payload's digest
    "retention/keyring/rootkey.py",  # the root and recovery secrets
    "retention/keyring/wrapping.py",  # nonces of wrapped keys and sealed payloads
    "retention/package/sealing.py",  # a package's data key
    "retention/storage/directory.py",  # names of unfinished uploads
    "retention/storage/s3_service.py",  # how long to wait before asking again: not all at the same moment
    "retention/services/audit/chance.py",  # nonces of challenges, seeds of samples, cells to be read
    "retention/storage/memory.py",  # names of unfinished uploads
}


def chances(source: Source) -> list[str]:
    allowed = source.path in MAY_ASK_THE_SYSTEM
    return [
        f"{source.path}:{line}: {name}"
        for line, name in uses(source)
        if f"{name}.".startswith(FORBIDDEN)
        or name.startswith("uuid.uuid")
        or (name in SYSTEM and not allowed)
        or (name.endswith((".generate_key", ".generate_private_key")) and not allowed)
    ]


def test_chance_has_its_places():
    assert [chance for source in sources() for chance in chances(source)] == []


@pytest.mark.parametrize("path", sorted(MAY_ASK_THE_SYSTEM))
def test_every_place_named_here_still_needs_to_be(path):
    (source,) = (source for source in sources() if source.path == path)
    assert any(name in SYSTEM for _, name in uses(source))


@pytest.mark.parametrize(
    "code",
    [
        "import random\nrandom.random()",
        "from random import shuffle\nshuffle([])",
        "import uuid\nuuid.uuid4()",
        "from secrets import token_bytes\ntoken_bytes(16)",
        "from os import urandom\nurandom(16)",
        "import numpy as np\nnp.random.default_rng()",
        "import tempfile\ntempfile.mkdtemp()",
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM\nAESGCM.generate_key(256)",
    ],
)
def test_every_other_source_of_chance_is_seen(code):
    assert chances(parse(code)) != []
