"""Encryption (format §6): what it is, and that nothing sealed for one place opens at another."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from retention.model.digests import blake3_digest
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import InstitutionId, PackageId
from retention.package.sealing import KEY_BYTES, Sealer, block_number, new_data_key
from tests.package.conftest import DATA_KEY, INSTITUTION, PACKAGE, examples

SEALER = Sealer.of(DATA_KEY, PACKAGE, INSTITUTION)
OTHERS = {
    "key": Sealer.of(bytes(32), PACKAGE, INSTITUTION),
    "package": Sealer.of(DATA_KEY, PackageId("c3" * 16), INSTITUTION),
    "institution": Sealer.of(DATA_KEY, PACKAGE, InstitutionId("b2" * 16)),
    "package and institution exchanged": Sealer.of(DATA_KEY, PackageId(INSTITUTION), InstitutionId(PACKAGE)),
}
numbers = st.builds(block_number, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))


def test_a_block_is_sealed_as_the_format_says() -> None:
    number = 5 * 2**32 + 7
    nonce = number.to_bytes(12, "big")
    associated = b"retention/1/block" + b"\xc2" * 16 + b"\xb1" * 16 + number.to_bytes(8, "big") + b"\x02"
    assert block_number(5, 7) == number
    assert SEALER.seal_block(number, 2, b"packed") == AESGCM(DATA_KEY).encrypt(nonce, b"packed", associated)


def test_a_manifest_is_sealed_as_the_format_says() -> None:
    associated = b"retention/1/manifest" + b"\xc2" * 16 + b"\xb1" * 16 + blake3_digest(b"public")
    expected = AESGCM(DATA_KEY).encrypt(b"\xff" * 12, b"private", associated)
    assert SEALER.seal_manifest(b"public", b"private") == expected


@examples
@given(numbers, st.integers(0, 255), st.binary(max_size=100))
def test_what_was_sealed_opens_and_is_16_bytes_longer(number: int, packing: int, packed: bytes) -> None:
    sealed = SEALER.seal_block(number, packing, packed)
    assert len(sealed) == len(packed) + 16
    assert SEALER.open_block(number, packing, sealed) == packed


@pytest.mark.parametrize("swapped", OTHERS)
def test_nothing_opens_with_another_key_package_or_institution(swapped: str) -> None:
    with pytest.raises(KeyUnavailableError):
        OTHERS[swapped].open_block(1, 1, SEALER.seal_block(1, 1, b"packed"))
    with pytest.raises(KeyUnavailableError):
        OTHERS[swapped].open_manifest(b"public", SEALER.seal_manifest(b"public", b"private"))


@examples
@given(numbers, numbers, st.integers(0, 255), st.integers(0, 255))
def test_a_block_opens_at_no_other_number_and_as_no_other_packing(
    number: int, other_number: int, packing: int, other_packing: int
) -> None:
    sealed = SEALER.seal_block(number, packing, b"packed")
    if (number, packing) != (other_number, other_packing):
        with pytest.raises(KeyUnavailableError):
            SEALER.open_block(other_number, other_packing, sealed)


def test_blocks_of_one_package_cannot_be_exchanged() -> None:
    first, second = (SEALER.seal_block(block_number(0, part), 0, b"same bytes") for part in (0, 1))
    assert first != second
    with pytest.raises(KeyUnavailableError):
        SEALER.open_block(block_number(0, 0), 0, second)


def test_the_sealed_part_of_a_manifest_is_bound_to_its_public_part() -> None:
    sealed = SEALER.seal_manifest(b'{"supersedes":[]}', b"private")
    with pytest.raises(KeyUnavailableError):
        SEALER.open_manifest(b'{"supersedes":["c2"]}', sealed)


@pytest.mark.parametrize("position", range(22))
def test_any_flipped_bit_is_noticed(position: int) -> None:
    sealed = bytearray(SEALER.seal_block(1, 0, b"packed"))
    sealed[position] ^= 1 << (position % 8)
    with pytest.raises(KeyUnavailableError):
        SEALER.open_block(1, 0, bytes(sealed))


@pytest.mark.parametrize("length", [0, 15, 16, 21])
def test_a_block_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(KeyUnavailableError):
        SEALER.open_block(1, 0, SEALER.seal_block(1, 0, b"packed")[:length])


@examples
@given(numbers, numbers)
def test_every_block_has_a_nonce_of_its_own_and_none_is_the_manifests(one: int, other: int) -> None:
    nonces = {number.to_bytes(12, "big") for number in (one, other)}
    assert len(nonces) == len({one, other})
    assert b"\xff" * 12 not in nonces


@examples
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_block_number_tells_instance_and_part(ordinal: int, part: int) -> None:
    assert divmod(block_number(ordinal, part), 2**32) == (ordinal, part)


@pytest.mark.parametrize(("ordinal", "part"), [(-1, 0), (0, -1), (0, 2**32), (2**32, 0)])
def test_no_two_blocks_share_a_number(ordinal: int, part: int) -> None:
    with pytest.raises(ValueError, match="block number"):
        block_number(ordinal, part)


def test_data_keys_are_256_bits_and_new_each_time() -> None:
    assert KEY_BYTES == 32
    assert len({new_data_key() for _ in range(50)}) == 50
    assert all(len(new_data_key()) == 32 for _ in range(5))


def test_a_sealer_does_not_show_its_key() -> None:
    shown = repr(SEALER) + str(SEALER)
    assert DATA_KEY.hex() not in shown
    assert repr(DATA_KEY) not in shown
