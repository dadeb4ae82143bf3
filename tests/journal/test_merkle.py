"""The tree is that of RFC 9162: published vectors, and the RFC's recursive definitions beside our iterative ones."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.journal.merkle import (
    EMPTY_ROOT,
    Frontier,
    LeafRange,
    consistency_proof,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The test vectors of Certificate Transparency's reference implementation: eight leaves, the roots of the trees over the
# first n of them, inclusion proofs (leaf, size) and consistency proofs (first, second).
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CT_CONSISTENCY = {
    (1, 1): [],
    (1, 8): CT_INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def hexes(hashes):
    return [one.hex() for one in hashes]


def ct_leaves(size):
    return [leaf_hash(data) for data in CT_LEAVES[:size]]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size):
    assert root_of(ct_leaves(size)).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(("index", "size"), CT_INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index, size):
    proof = inclusion_proof(ct_leaves(size), index)
    assert hexes(proof) == CT_INCLUSION[index, size]
    assert verify_inclusion(leaf_hash(CT_LEAVES[index]), index, size, proof, bytes.fromhex(CT_ROOTS[size]))


@pytest.mark.parametrize(("first", "second"), CT_CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(first, second):
    proof = consistency_proof(ct_leaves(second), first)
    assert hexes(proof) == CT_CONSISTENCY[first, second]
    roots = bytes.fromhex(CT_ROOTS[first]), bytes.fromhex(CT_ROOTS[second])
    assert verify_consistency(first, second, proof, *roots)


# RFC 9162 §2.1.1, §2.1.3.1 and §2.1.4.1 word for word.
def split(size):
    return next(1 << k for k in range(size) if 1 << k < size <= 2 << k)


def mth(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, b):
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def some_leaves(size):
    return [leaf_hash(b"%d" % number) for number in range(size)]


@pytest.mark.parametrize("size", range(1, 40))
def test_proofs_are_those_of_the_rfc_for_every_leaf_and_size(size):
    leaves = some_leaves(size)
    root = mth(leaves)
    assert root_of(leaves) == root
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert proof == path(index, leaves)
        assert verify_inclusion(leaves[index], index, size, proof, root)
    for first in range(1, size + 1):
        proof = consistency_proof(leaves, first)
        assert proof == subproof(first, leaves, True)
        assert verify_consistency(first, size, proof, mth(leaves[:first]), root)


@st.composite
def a_tree_and_two_places(draw):
    size = draw(st.integers(2, 70))
    return some_leaves(size), draw(st.integers(0, size - 1)), draw(st.integers(1, size - 1))


def changes(proof):
    """Every proof that is one small change away."""
    yield [*proof, bytes(32)]
    for place, one in enumerate(proof):
        yield [*proof[:place], *proof[place + 1 :]]
        yield [*proof[:place], bytes([one[0] ^ 1]) + one[1:], *proof[place + 1 :]]


@given(a_tree_and_two_places())
def test_a_changed_inclusion_proof_proves_nothing(tree):
    leaves, index, _ = tree
    size, root, proof = len(leaves), root_of(leaves), inclusion_proof(leaves, index)
    for changed in changes(proof):
        assert not verify_inclusion(leaves[index], index, size, changed, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, proof, EMPTY_ROOT)
    for other in range(size):
        assert verify_inclusion(leaves[index], other, size, proof, root) == (other == index)
    assert not verify_inclusion(leaves[index], size, size, proof, root)
    assert not verify_inclusion(leaves[index], -1, size, proof, root)


@given(a_tree_and_two_places())
def test_a_changed_consistency_proof_proves_nothing(tree):
    leaves, _, first = tree
    second, proof = len(leaves), consistency_proof(leaves, first)
    roots = root_of(leaves[:first]), root_of(leaves)
    for changed in changes(proof):
        assert not verify_consistency(first, second, changed, *roots)
    assert not verify_consistency(first, second, proof, EMPTY_ROOT, roots[1])
    assert not verify_consistency(first, second, proof, roots[0], EMPTY_ROOT)
    assert not verify_consistency(second, first, proof, *roots)


@given(a_tree_and_two_places())
def test_a_rewritten_leaf_is_not_consistent_with_what_was_before(tree):
    leaves, index, first = tree
    rewritten = [*leaves]
    rewritten[index] = leaf_hash(b"rewritten")
    proof = consistency_proof(rewritten, first)
    is_later = index >= first
    assert (
        verify_consistency(first, len(leaves), proof, root_of(leaves[:first]), root_of(rewritten)) == is_later
    )


def test_trees_of_one_size_are_consistent_when_their_roots_are_equal():
    one, other = root_of(some_leaves(3)), root_of(some_leaves(4))
    assert verify_consistency(3, 3, [], one, one)
    assert not verify_consistency(3, 3, [], one, other)
    assert not verify_consistency(3, 3, [bytes(32)], one, one)


def test_every_tree_continues_the_empty_one():
    root = root_of(some_leaves(3))
    assert verify_consistency(0, 3, [], EMPTY_ROOT, root)
    assert not verify_consistency(0, 3, [], root, root)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_that_was_put_away_goes_on_as_if_it_had_not_been(before, after):
    leaves = some_leaves(before + after)
    frontier = Frontier()
    frontier.extend(leaves[:before])
    resumed = Frontier.from_bytes(frontier.to_bytes())
    resumed.extend(leaves[before:])
    assert (resumed.size, resumed.root()) == (len(leaves), mth(leaves))


def test_a_copied_frontier_grows_by_itself():
    frontier = Frontier()
    frontier.extend(some_leaves(3))
    frontier.copy().append(bytes(32))
    assert (frontier.size, frontier.root()) == (3, root_of(some_leaves(3)))


@pytest.mark.parametrize(
    "data", [b"", bytes(8) + bytes(32), (3).to_bytes(8, "little") + bytes(32), bytes(39)]
)
def test_bytes_that_are_no_frontier_are_refused(data):
    with pytest.raises(ValueError, match="not a frontier"):
        Frontier.from_bytes(data)


def test_proofs_name_the_ranges_they_are_made_of():
    assert inclusion_ranges(4, 7) == [LeafRange(5, 6), LeafRange(6, 7), LeafRange(0, 4)]
    assert consistency_ranges(6, 7) == [LeafRange(4, 6), LeafRange(6, 7), LeafRange(0, 4)]


def test_there_is_no_proof_of_what_is_not_there():
    with pytest.raises(ValueError, match="no leaf 3"):
        inclusion_ranges(3, 3)
    with pytest.raises(ValueError, match="from 0 to 3"):
        consistency_ranges(0, 3)
    with pytest.raises(ValueError, match="from 4 to 3"):
        consistency_ranges(4, 3)


def test_a_leaf_is_never_a_node():
    assert leaf_hash(bytes(64)) != node_hash(bytes(32), bytes(32))
