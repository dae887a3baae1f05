"""The Merkle tree against foreign vectors and against the definition, written out."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from timeline import merkle

VECTORS = Path(__file__).parents[2] / "shared" / "vectors"


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 9162 section 2.1.1 defines it, with no storage and no cleverness."""
    if not leaves:
        return merkle.EMPTY
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(mth(leaves[:k]), mth(leaves[k:]))


class Tree:
    """Leaf hashes and tile roots, as the log stores them."""

    def __init__(self, count: int) -> None:
        self.levels: dict[int, list[bytes]] = {0: []}
        self.edge = merkle.Frontier()
        for number in range(count):
            leaf = merkle.leaf_hash(str(number).encode())
            self.levels[0].append(leaf)
            for level, index, node in self.edge.append(leaf):
                row = self.levels.setdefault(level, [])
                assert index == len(row)
                row.append(node)

    def __call__(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Read stored hashes."""
        return self.levels[level][start:stop]


def load(name: str) -> list[dict[str, Any]]:
    """Read one file of foreign vectors."""
    if not VECTORS.is_dir():
        pytest.skip("the folder shared/vectors is not beside this checkout: foreign vectors not run")
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


def raw(text: str | None) -> bytes:
    """Decode base64, null meaning nothing."""
    return base64.b64decode(text or "")


def test_foreign_inclusion_vectors() -> None:
    """Every inclusion vector of transparency-dev/merkle gets its verdict, 92 negative ones included."""
    for case in load("merkle-inclusion.jsonl"):
        proof = [raw(item) for item in case["proof"] or []]
        arguments = (case["leafIdx"], case["treeSize"], raw(case["leafHash"]), proof, raw(case["root"]))
        if case["wantErr"]:
            with pytest.raises(merkle.ProofError):
                merkle.verify_inclusion(*arguments)
        else:
            merkle.verify_inclusion(*arguments)


def test_foreign_consistency_vectors() -> None:
    """Every consistency vector of transparency-dev/merkle gets its verdict, 92 negative ones included."""
    for case in load("merkle-consistency.jsonl"):
        proof = [raw(item) for item in case["proof"] or []]
        arguments = (case["size1"], case["size2"], proof, raw(case["root1"]), raw(case["root2"]))
        if case["wantErr"]:
            with pytest.raises(merkle.ProofError):
                merkle.verify_consistency(*arguments)
        else:
            merkle.verify_consistency(*arguments)


def test_known_hashes() -> None:
    """The constants of RFC 6962 implementations: the empty tree and the empty leaf."""
    assert merkle.EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_roots_equal_the_definition() -> None:
    """The frontier, and the root at every earlier size, are MTH as the RFC writes it."""
    tree = Tree(600)
    for size in [*range(70), 255, 256, 257, 511, 512, 513, 600]:
        assert merkle.root_at(size, tree) == mth(tree.levels[0][:size])
        assert merkle.root_of(tree.levels[0][:size]) == mth(tree.levels[0][:size])
    assert tree.edge.root() == mth(tree.levels[0])


def test_proofs_of_every_small_tree_verify_and_break_when_touched() -> None:
    """All proofs up to 40 leaves hold; each fails when any hash loses a bit, is dropped or is added."""
    tree = Tree(40)
    leaves = tree.levels[0]
    for size in range(1, 41):
        root = mth(leaves[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, tree)
            merkle.verify_inclusion(index, size, leaves[index], proof, root)
            for bad in mangled(proof):
                with pytest.raises(merkle.ProofError):
                    merkle.verify_inclusion(index, size, leaves[index], bad, root)
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, tree)
            merkle.verify_consistency(old, size, proof, mth(leaves[:old]), root)
            for bad in mangled(proof):
                with pytest.raises(merkle.ProofError):
                    merkle.verify_consistency(old, size, bad, mth(leaves[:old]), root)


def mangled(proof: list[bytes]) -> list[list[bytes]]:
    """Each way to spoil a proof a little."""
    flipped = [[*proof[:i], bytes([proof[i][0] ^ 1]) + proof[i][1:], *proof[i + 1 :]] for i in range(len(proof))]
    shortened = [proof[:-1], proof[1:]] if proof else []
    return [*flipped, *shortened, [*proof, merkle.EMPTY], [merkle.EMPTY, *proof]]


def test_proofs_across_tile_borders() -> None:
    """Proofs at random historic sizes around 256 and 65,536 leaves verify from tile roots alone."""
    tree = Tree(66_000)
    chance = random.Random(7)
    sizes = [255, 256, 257, 65_535, 65_536, 65_537, 66_000, *(chance.randrange(1, 66_000) for _ in range(20))]
    for size in sizes:
        root = merkle.root_at(size, tree)
        index, old = chance.randrange(size), chance.randrange(1, size + 1)
        merkle.verify_inclusion(
            index, size, tree.levels[0][index], merkle.inclusion_proof(index, size, tree), root
        )
        merkle.verify_consistency(
            old, size, merkle.consistency_proof(old, size, tree), merkle.root_at(old, tree), root
        )


def test_impossible_requests_are_refused() -> None:
    """A leaf beyond the tree and a tree that shrinks have no proof."""
    tree = Tree(3)
    with pytest.raises(merkle.ProofError):
        merkle.inclusion_proof(3, 3, tree)
    with pytest.raises(merkle.ProofError):
        merkle.consistency_proof(4, 3, tree)
    with pytest.raises(ValueError, match="complete nodes"):
        merkle.Frontier(3, [merkle.EMPTY])


def multiproof_of(indices: Sequence[int], size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The recursion of the docstring with no storage: over D[0:size], what holds none of the leaves gives its hash."""
    if not indices:
        return [mth(leaves[:size])]
    if size == 1:
        return []
    k = 1 << ((size - 1).bit_length() - 1)
    left = [index for index in indices if index < k]
    right = [index - k for index in indices if index >= k]
    return multiproof_of(left, k, leaves) + multiproof_of(right, size - k, leaves[k:])


def test_multiproofs_of_every_set_of_a_small_tree_lead_to_its_root() -> None:
    """All 2^n sets of leaves of the trees up to 9, against the recursion written out."""
    tree = Tree(9)
    leaves = tree.levels[0]
    for size in range(1, 10):
        for chosen in range(1 << size):
            indices = [index for index in range(size) if chosen >> index & 1]
            proof = merkle.multiproof(indices, size, tree)
            assert proof == multiproof_of(indices, size, leaves)
            assert merkle.root_from_multiproof({i: leaves[i] for i in indices}, size, proof) == mth(leaves[:size])


def test_multiproofs_of_random_sets_break_when_touched() -> None:
    """Any hash or leaf flipped, any dropped, added, moved or renumbered: refused, or another root."""
    tree, chance = Tree(700), random.Random(11)
    for _ in range(60):
        size = chance.choice([chance.randrange(1, 40), chance.randrange(1, 701), 256, 512])
        indices = chance.sample(range(size), chance.randint(1, min(size, 12)))
        leaves = {index: tree.levels[0][index] for index in indices}
        root = merkle.root_at(size, tree)
        proof = merkle.multiproof(iter(indices), size, tree)
        assert merkle.root_from_multiproof(leaves, size, proof) == root
        for bad in mangled(proof):
            assert leads_elsewhere(leaves, size, bad, root)
        for index in indices:
            spoilt = bytes([leaves[index][0] ^ 1]) + leaves[index][1:]
            assert leads_elsewhere(leaves | {index: spoilt}, size, proof, root)
            fewer = {other: leaf for other, leaf in leaves.items() if other != index}
            assert leads_elsewhere(fewer, size, proof, root)
            moved = (index + 1) % size
            if moved not in leaves:
                assert leads_elsewhere(fewer | {moved: leaves[index]}, size, proof, root)


def leads_elsewhere(leaves: dict[int, bytes], size: int, proof: list[bytes], root: bytes) -> bool:
    """Whether a spoilt multiproof does not prove what the good one did."""
    try:
        return merkle.root_from_multiproof(leaves, size, proof) != root
    except merkle.ProofError:
        return True


@pytest.mark.parametrize("spoil", ["short", "long", "empty", "half a hash"])
def test_a_multiproof_of_another_length_is_refused_outright(spoil: str) -> None:
    """Not only another root: every hash must be there and be used."""
    tree = Tree(300)
    leaves = {index: tree.levels[0][index] for index in (0, 7, 299)}
    proof = merkle.multiproof(leaves, 300, tree)
    bad = {
        "short": proof[:-1],
        "long": [*proof, merkle.EMPTY],
        "empty": [],
        "half a hash": [*proof[:-1], proof[-1][:16]],
    }[spoil]
    with pytest.raises(merkle.ProofError):
        merkle.root_from_multiproof(leaves, 300, bad)


def test_a_multiproof_of_one_leaf_has_the_hashes_of_its_inclusion_proof() -> None:
    """In another order: from left to right, not from the leaf up."""
    tree = Tree(600)
    for size in (1, 2, 3, 255, 256, 257, 600):
        for index in {0, size // 3, size - 1}:
            proof = merkle.inclusion_proof(index, size, tree)
            one = merkle.multiproof([index], size, tree)
            assert sorted(one) == sorted(proof)
            root = merkle.root_from_multiproof({index: tree.levels[0][index]}, size, one)
            merkle.verify_inclusion(index, size, tree.levels[0][index], proof, root)


def test_multiproofs_at_the_edges_of_their_domain() -> None:
    """All leaves need no hash, none needs the root, an empty tree needs nothing; doubles count once."""
    tree = Tree(300)
    everything = dict(enumerate(tree.levels[0]))
    root = tree.edge.root()
    assert merkle.multiproof(everything, 300, tree) == []
    assert merkle.root_from_multiproof(everything, 300, []) == root
    assert merkle.multiproof([], 300, tree) == [root]
    assert merkle.multiproof([], 0, tree) == []
    assert merkle.root_from_multiproof({}, 0, []) == merkle.EMPTY
    assert merkle.multiproof([5, 5, 5], 300, tree) == merkle.multiproof([5], 300, tree)


def test_a_multiproof_of_an_impossible_leaf_or_tree_is_refused() -> None:
    """Beyond the tree, before it, and a size that would recurse without end."""
    tree = Tree(3)
    for indices, size in (([3], 3), ([-1], 3), ([0, 4], 3), ([0], 0), ([0], 2**63), ([0], 1 << 5000), ([], -1)):
        with pytest.raises(merkle.ProofError):
            merkle.multiproof(indices, size, tree)
        with pytest.raises(merkle.ProofError):
            merkle.root_from_multiproof(dict.fromkeys(indices, merkle.EMPTY), size, [])
    with pytest.raises(merkle.ProofError):
        merkle.root_from_multiproof({}, 0, [merkle.EMPTY])


def test_one_leaf_is_proven_without_reading_the_whole_tree() -> None:
    """Of 66,000 stored leaf hashes, a proof of one reads its own tile, the last one and roots of tiles."""
    tree, read = Tree(66_000), 0

    def counting(level: int, start: int, stop: int) -> Sequence[bytes]:
        nonlocal read
        read += stop - start
        return tree(level, start, stop)

    for prove in (
        lambda: merkle.multiproof([12_345], 66_000, counting),
        lambda: merkle.inclusion_proof(12_345, 66_000, counting),
    ):
        read = 0
        prove()
        assert 0 < read <= 4 * 256
