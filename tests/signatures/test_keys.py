"""People's keys: read from the files people have, made encrypted, and nothing but Ed25519."""

import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from retention.model.errors import KeyUnavailableError
from retention.signatures.keys import (
    PublicKey,
    is_private,
    make_private_key,
    read_key_file,
    read_private_key,
    read_public_key,
)
from retention.signatures.signer import FileSigner, open_signer


def test_a_new_key_is_encrypted_its_owners_alone_and_never_over_another(tmp_path):
    file = tmp_path / "anne.key"
    public = make_private_key(file, b"a secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in file.read_bytes()
    signer = open_signer(file, lambda: b"a secret")
    assert isinstance(signer, FileSigner)
    assert signer.public == public
    with pytest.raises(FileExistsError):
        make_private_key(file, b"a secret")
    with pytest.raises(ValueError, match="passphrase"):
        make_private_key(tmp_path / "other", b"")


def test_a_wrong_passphrase_opens_nothing(tmp_path):
    file = tmp_path / "anne.key"
    make_private_key(file, b"a secret")
    with pytest.raises(KeyUnavailableError, match="passphrase"):
        open_signer(file, lambda: b"another")


@pytest.mark.parametrize("passphrase", ["", "a secret"])
def test_keys_of_openssh_are_read(tmp_path, passphrase):
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(file)], check=True)
    key = read_private_key(file.read_bytes(), passphrase.encode)
    public = read_public_key(file.with_suffix(".pub").read_bytes())
    assert key.public_key().public_bytes_raw() == public.raw
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(file)], capture_output=True, check=True
    ).stdout.decode()
    assert public.fingerprint in shown
    assert file.with_suffix(".pub").read_text().startswith(public.line)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert read_public_key(pem) == public


def test_other_algorithms_and_other_files_are_refused(tmp_path):
    other = generate_private_key(SECP256R1())
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert is_private(private)
    with pytest.raises(ValueError, match="Ed25519"):
        read_private_key(private, bytes)
    whole = PublicKey(bytes(32)).line
    for text in (public, b"", b"ssh-rsa AAAA", b"ssh-ed25519 !!", whole[:-6].encode(), b"-----BEGIN nothing"):
        with pytest.raises(ValueError, match="key"):
            read_public_key(text)
    large = tmp_path / "large"
    large.write_bytes(bytes(1 << 17))
    with pytest.raises(ValueError, match="too large"):
        read_key_file(large)
    with pytest.raises(KeyUnavailableError, match="cannot be read"):
        open_signer(tmp_path / "nowhere", bytes)
