"""Keyrings for the keyring's tests."""

from retention.keyring.keyring import Keyring
from retention.keyring.records import parse_record
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId
from tests.model.replicas import replicas

ARCHIVE = ArchiveId("a" * 32)
NECKER = InstitutionId("b" * 32)
COCHIN = InstitutionId("c" * 32)
ROOT, RECOVERY = b"r" * 32, b"p" * 32


def new_keyring(of, records_per_file=4):
    """A keyring with one institution and small files."""
    keyring = Keyring.create(of, ARCHIVE, ROOT, RECOVERY)
    keyring.add_institution(NECKER)
    return small_files(keyring, records_per_file)


def small_files(keyring, records_per_file=4):
    keyring._packages.records_per_file = records_per_file
    keyring._patients.records_per_file = records_per_file
    return keyring


def add_keys(keyring, count, institution=NECKER):
    """Commit new package keys, one at a time; return them and where they are."""
    keys = [keyring.new_package_key(institution) for _ in range(count)]
    segments: dict[KeyId, int] = {}
    for key in keys:
        segments |= keyring.commit([key])
    return keys, segments


def record_in(content):
    """The first record of a file."""
    record = parse_record(content.split(b"\n")[0])
    assert record is not None
    return record


def keyring_of_three():
    three = replicas(3)
    return three, new_keyring(three)
