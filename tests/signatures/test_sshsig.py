"""SSH signatures by the real `ssh-keygen -Y sign`, and what becomes of one that was changed."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from retention.model.errors import KeyUnavailableError
from retention.signatures.deed import Deed, Signature, holds
from retention.signatures.keys import read_public_key
from retention.signatures.signer import AgentSigner, open_signer
from retention.signatures.sshsig import read_sshsig

DEED = Deed(
    "a" * 32,
    "approval.give",
    None,
    "b" * 32,
    "c" * 64,
    "director",
    "d" * 32,
    datetime(2026, 11, 24, tzinfo=UTC),
)

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


def sign(key, namespace="retention", text=None, option=()):
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), *option],
        input=DEED.text() if text is None else text,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_what_ssh_keygen_signs_holds(key, hash_name):
    made = read_sshsig(sign(key, option=["-O", f"hashalg={hash_name}"]))
    public = read_public_key(key.with_suffix(".pub").read_bytes())
    assert made.key == public
    assert holds(Signature.ssh(made.hash_name, made.value), DEED, public)
    assert made.hash_name == hash_name


def test_it_holds_for_this_deed_and_this_key_alone(key):
    made = read_sshsig(sign(key))
    signature = Signature.ssh(made.hash_name, made.value)
    for other in (
        replace(DEED, role="auditor"),
        replace(DEED, subject="e" * 32),
        replace(DEED, archive="f" * 32),
    ):
        assert not holds(signature, other, made.key)
    assert not holds(Signature("ed25519", made.value), DEED, made.key)
    assert not holds(replace(signature, value=bytes(64)), DEED, made.key)


def test_one_made_for_another_purpose_is_refused(key):
    with pytest.raises(ValueError, match="another purpose"):
        read_sshsig(sign(key, namespace="file"))


def test_whatever_is_cut_or_added_is_refused(key):
    whole = sign(key)
    lines = whole.splitlines()
    for broken in (
        "",
        whole[:40],
        "\n".join([*lines[:2], lines[-1]]),
        "\n".join([*lines[:1], "!!", *lines[2:]]),
    ):
        with pytest.raises(ValueError, match=r"signature|cut short"):
            read_sshsig(broken)


def test_an_agent_signs_for_a_public_key(key, tmp_path, monkeypatch):
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent here")
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        while subprocess.run(["ssh-add", "-q", str(key)], capture_output=True, check=False).returncode:
            assert agent.poll() is None
        key.unlink()
        signer = open_signer(key.with_suffix(".pub"), lambda: b"")
        assert isinstance(signer, AgentSigner)
        assert holds(signer.sign(DEED), DEED, signer.public)
    finally:
        agent.terminate()
        agent.wait()


def test_without_an_agent_it_says_what_to_do(key, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key.unlink()
    with pytest.raises(KeyUnavailableError, match="agent did not sign"):
        open_signer(key.with_suffix(".pub"), lambda: b"").sign(DEED)
