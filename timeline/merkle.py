"""The Merkle tree over the log: RFC 9162 section 2.1 (the tree of RFC 6962), SHA-256.

Pure functions over hashes; storage is handed in as a `Hashes` reader. Only tile roots (the complete nodes at levels 8,
16, 24 ...) are stored beside the leaf hashes: that is one byte a record, and every interior node is at most 255
rehashes away (measured: inclusion proof at a random historic size of a million records, 0.9 ms).

Terms: *leaf index* = position - 1. A *complete node* (level, index) covers the 2^level leaves from index * 2^level.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, Protocol

EMPTY: Final = sha256(b"").digest()
"""MTH({}) = SHA-256() (RFC 9162 section 2.1.1)."""

TILE: Final = 8
"""Tiles are 2^8 hashes wide (C2SP tlog-tiles)."""

HASH_BYTES: Final = 32

MAX_SIZE: Final = 2**63 - 1
"""Leaves in the largest tree that is spoken of: positions are signed 64-bit integers."""


class ProofError(ValueError):
    """The proof does not lead to the root it claims."""


class Hashes(Protocol):
    """Where stored hashes are read from."""

    def __call__(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Give the hashes of the complete nodes [start, stop) at `level`: 0 (leaves) or a multiple of 8.

        All of them: a reader that has not got them raises.
        """


def leaf_hash(data: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d) (RFC 9162 section 2.1.1).

    >>> leaf_hash(b"").hex()[:8]
    '6e340b9c'
    """
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right) (RFC 9162 section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash for each set bit of its size."""

    __slots__ = ("_stack", "size")

    def __init__(self, size: int = 0, stack: Sequence[bytes] = ()) -> None:
        """Start empty, or from the complete nodes that cover [0, size), largest first."""
        if len(stack) != size.bit_count():
            msg = f"a tree of {size} leaves has {size.bit_count()} complete nodes on its edge, got {len(stack)}"
            raise ValueError(msg)
        self.size = size
        self._stack = list(stack)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; return the tile roots (level, index, hash) that became complete. Under one node a leaf."""
        index, level, node = self.size, 0, leaf
        tiles: list[tuple[int, int, bytes]] = []
        stack = self._stack
        while index & 1:
            node = sha256(b"\x01" + stack.pop() + node).digest()
            index >>= 1
            level += 1
            if level % TILE == 0:
                tiles.append((level, index, node))
        stack.append(node)
        self.size += 1
        return tiles

    def root(self) -> bytes:
        """MTH(D[0:size])."""
        if not self._stack:
            return EMPTY
        node = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            node = node_hash(left, node)
        return node

    def copy(self) -> Frontier:
        """Return an independent copy (to take back an append that was rolled back)."""
        return Frontier(self.size, self._stack)


def frontier(size: int, hashes: Hashes) -> Frontier:
    """Rebuild the edge of the tree of `size` leaves from stored hashes."""
    stack, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            stack.append(_complete(level, start >> level, hashes))
            start += 1 << level
    return Frontier(size, stack)


def root_at(size: int, hashes: Hashes) -> bytes:
    """Give the root the tree had at `size`."""
    return frontier(size, hashes).root()


def _complete(level: int, index: int, hashes: Hashes) -> bytes:
    """Hash of one complete node: stored at tile levels, else folded from the stored level below."""
    below = level - level % TILE
    width = 1 << (level - below)
    row = hashes(below, index * width, (index + 1) * width)
    while len(row) > 1:
        row = _parents(row)
    return row[0]


def _parents(row: Sequence[bytes]) -> list[bytes]:
    """Hash each pair; a node without a partner rises as it is (RFC 9162 section 2.1.1 never doubles it)."""
    pairs = zip(row[::2], row[1::2], strict=False)
    parents = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return [*parents, row[-1]] if len(row) % 2 else parents


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of the tree with these leaf hashes, all at once (RFC 9162 section 2.1.1)."""
    row = leaves or [EMPTY]
    while len(row) > 1:
        row = _parents(row)
    return row[0]


def _range(start: int, stop: int, hashes: Hashes) -> bytes:
    """MTH(D[start:stop]) for the ranges that proofs split into: `start` is a multiple of a power of two >= length."""
    count = stop - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return _complete(level, start >> level, hashes)
    split = start + _split(count)
    return node_hash(_range(start, split, hashes), _range(split, stop, hashes))


def _split(count: int) -> int:
    """Return the largest power of two strictly smaller than `count` (RFC 9162 section 2.1.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """PATH(index, D[0:size]) (RFC 9162 section 2.1.3.1), the leaf's sibling first.

    Raises:
        ProofError: `index` is not a leaf of a tree of `size`.

    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    proof, start, stop = [], 0, size
    while stop - start > 1:
        split = start + _split(stop - start)
        if index < split:
            proof.append(_range(split, stop, hashes))
            stop = split
        else:
            proof.append(_range(start, split, hashes))
            start = split
    return proof[::-1]


def consistency_proof(old: int, new: int, hashes: Hashes) -> list[bytes]:
    """PROOF(old, D[0:new]) (RFC 9162 section 2.1.4.1).

    Raises:
        ProofError: `old` is not in 0..new. (Every tree extends the empty one: that proof is empty.)

    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} cannot extend one of {old}")
    if old in (0, new):
        return []
    proof, start, stop, whole = [], 0, new, True
    while old != stop:
        split = start + _split(stop - start)
        if old <= split:
            proof.append(_range(split, stop, hashes))
            stop = split
        else:
            proof.append(_range(start, split, hashes))
            start, whole = split, False
    return ([] if whole else [_range(start, stop, hashes)]) + proof[::-1]


def multiproof(indices: Iterable[int], size: int, hashes: Hashes) -> list[bytes]:
    """Prove many leaves at once: the roots of the largest subtrees that hold none of them, from left to right.

    RFC 9162 has no such proof. This is its recursion over D[0:size] (section 2.1.1): a range without any of the leaves
    gives its hash, a single leaf gives nothing, any other range is split. For one leaf it has the hashes of the
    inclusion proof in another order. For no leaf it is the root itself, which proves nothing.

    Raises:
        ProofError: an index is not a leaf of a tree of `size`.

    """
    wanted = _wanted(indices, size)
    return [_range(start, stop, hashes) for start, stop in _gaps(0, size, wanted)] if size else []


def root_from_multiproof(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes]) -> bytes:
    """Give the root of the tree of `size` with these leaf hashes by index. Compare it with the root you trust.

    Raises:
        ProofError: an index is not a leaf of the tree, or the proof is too short, too long or not made of hashes.

    """
    wanted = _wanted(leaves, size)
    _check_lengths(*leaves.values(), *proof)
    rest = iter(proof)
    root = _rebuild(0, size, wanted, leaves, rest) if size else EMPTY
    if next(rest, None) is not None:
        raise ProofError("the proof is too long")
    return root


def _wanted(indices: Iterable[int], size: int) -> list[int]:
    wanted = sorted(set(indices))
    if not 0 <= size <= MAX_SIZE:
        raise ProofError(f"a tree has from 0 to 2^63 - 1 leaves, not {size}")
    if wanted and not 0 <= wanted[0] <= wanted[-1] < size:
        outside = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise ProofError(f"leaf {outside} is not in a tree of {size}")
    return wanted


def _gaps(start: int, stop: int, wanted: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the largest subtrees of D[start:stop] without any of the `wanted` leaves, from left to right."""
    if not wanted:
        yield start, stop
    elif stop - start > 1:
        split = start + _split(stop - start)
        middle = bisect_left(wanted, split)
        yield from _gaps(start, split, wanted[:middle])
        yield from _gaps(split, stop, wanted[middle:])


def _rebuild(
    start: int, stop: int, wanted: Sequence[int], leaves: Mapping[int, bytes], proof: Iterator[bytes]
) -> bytes:
    """Walk as `_gaps` does, taking a hash of the proof for each subtree it would yield."""
    if not wanted:
        node = next(proof, None)
        if node is None:
            raise ProofError("the proof is too short")
        return node
    if stop - start == 1:
        return leaves[start]
    split = start + _split(stop - start)
    middle = bisect_left(wanted, split)
    left = _rebuild(start, split, wanted[:middle], leaves, proof)
    return node_hash(left, _rebuild(split, stop, wanted[middle:], leaves, proof))


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof (RFC 9162 section 2.1.3.2).

    Raises:
        ProofError: it does not prove that `leaf` is leaf `index` of the tree with `root`.

    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    _check_lengths(leaf, root, *proof)
    fn, sn, node = index, size - 1, leaf
    for hash_ in proof:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            node = node_hash(hash_, node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, hash_)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the proof is too short")
    if node != root:
        raise ProofError("the proof leads to another root")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check a consistency proof (RFC 9162 section 2.1.4.2).

    Raises:
        ProofError: it does not prove that the tree with `new_root` extends the one with `old_root`.

    """
    if 0 < old == new:
        if proof or old_root != new_root:
            raise ProofError("two trees of one size are equal or not; there is nothing to prove")
        return
    _check_lengths(new_root)
    first, second = consistency_roots(old, new, proof, old_root)
    if first != old_root:
        raise ProofError("the proof leads to another old root")
    if second != new_root:
        raise ProofError("the proof leads to another new root")


def consistency_roots(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Compute the roots a proof leads to, at `old` and at `new`; it holds if they are those claimed.

    Where `old` is a power of two, the proof starts from `old_root` itself (RFC 9162 section 2.1.4.2, step 2).

    Raises:
        ProofError: it has not the shape of a proof between these sizes.

    """
    if not 0 < old < new:
        raise ProofError(f"nothing to prove between sizes {old} and {new}")
    if not proof:
        raise ProofError("the proof is empty")
    _check_lengths(old_root, *proof)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for hash_ in path[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(hash_, first), node_hash(hash_, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, hash_)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the proof is too short")
    return first, second


def _check_lengths(*hashes: bytes) -> None:
    if any(len(hash_) != HASH_BYTES for hash_ in hashes):
        raise ProofError(f"expected hashes of {HASH_BYTES} bytes")
