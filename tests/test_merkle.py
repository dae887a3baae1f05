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
