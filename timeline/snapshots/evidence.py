"""What a bundle proves before anything is asked of it: checkpoint, tree and parts, each built on those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timeline import merkle
from timeline.log import Header, Part, Record, commitment, decode_header, encode_header
from timeline.merkle import ProofError, leaf_hash
from timeline.parts import BODY, QUOTES, TEXT
from timeline.records import PartErased, restore
from timeline.snapshots.bundle import Bundle
from timeline.snapshots.report import Check
from timeline.tlog import Checkpoint, NoteError, Verifier, open_note, parse_note
from timeline.tlog.text import parse_hash


class Refused(Exception):
    """A check failed; the sentence says how."""


class Evidence:
    """The records of a bundle, proved to be in the log of its checkpoint, with parts that open their commitments."""

    def __init__(self, bundle: Bundle, vkey: str | None) -> None:
        """Look at this bundle; `vkey` is the log's public key as known from elsewhere."""
        self._bundle = bundle
        self._vkey = vkey
        self._snapshot = bundle.snapshot
        self._checkpoint: Checkpoint | None = None
        self._headers: dict[int, Header] = {}
        self._records: dict[int, Record] = {}

    # ------------------------------------------------------------------ the log's word

    def _check_checkpoint(self) -> Check:
        text = self._bundle.checkpoint
        try:
            note = parse_note(text, unsigned=True)
            self._checkpoint = found = Checkpoint.parse(note.text)
        except NoteError as error:
            raise Refused(f"the checkpoint cannot be read: {error}") from None
        if found.origin != self._snapshot.log.origin:
            raise Refused(f"the checkpoint is of {found.origin}, the snapshot of {self._snapshot.log.origin}")
        told = f"size {found.size}, root {found.root.hex()[:16]}…"
        if self._vkey is not None:
            _signed(text, self._vkey)
            return Check("checkpoint", "ok", f"{told}, signed by the key given")
        if not note.unverified:
            return Check("checkpoint", "unknown", f"{told}: not signed, the log has no key; compare the root with one "
                                                  "kept elsewhere")
        if self._bundle.key is None:
            return Check("checkpoint", "unknown", f"{told}: signed, but the key was not given (--key)")
        _signed(text, self._bundle.key)
        return Check("checkpoint", "unknown", f"{told}: signed by the key in the bundle; give the key you know (--key) "
                                              "to be sure whose it is")

    def _check_tree(self) -> Check:
        checkpoint = self._checkpoint
        if checkpoint is None:
            raise Refused("without a checkpoint nothing can be proved")
        if self._bundle.evidence == "headers":
            return self._whole_tree(checkpoint)
        return self._proved(checkpoint)

    def _whole_tree(self, checkpoint: Checkpoint) -> Check:
        """Compute both roots from all the headers."""
        headers, size = self._bundle.headers, self._snapshot.log.size
        if len(headers) != checkpoint.size:
            raise Refused(f"{len(headers)} headers for a log of {checkpoint.size}: one was left out or added")
        edge = merkle.Frontier()
        root = edge.root() if size == 0 else b""
        for position, text in enumerate(headers, 1):
            self._take_header(position, text)
            edge.append(leaf_hash(text.encode()))
            if position == size:
                root = edge.root()
        if edge.root() != checkpoint.root:
            raise Refused("the headers do not give the checkpoint's root: one was altered, left out, added or moved")
        self._compare_root(root)
        for line in self._bundle.records:
            if line.header is not None:
                raise Refused(f"the header of position {line.position} is there twice")
        return Check("tree", "ok", f"all {len(headers)} headers give the root")

    def _proved(self, checkpoint: Checkpoint) -> Check:
        """Prove the headers that are there, and that the checkpoint's log extends the snapshot's."""
        leaves = {}
        for line in self._bundle.records:
            if line.header is None:
                raise Refused(f"the header of position {line.position} is not there")
            self._take_header(line.position, line.header)
            leaves[line.position - 1] = leaf_hash(line.header.encode())
        try:
            if leaves and merkle.root_from_multiproof(leaves, checkpoint.size, _hashes(self._bundle.proof)) != (
                    checkpoint.root):
                raise Refused("the records do not lead to the checkpoint's root: one was altered, left out or added")
        except ProofError as error:
            raise Refused(f"the proof does not fit the records: {error}") from None
        self._check_extends(checkpoint)
        return Check("tree", "ok", f"{len(leaves)} records are proved to be in the log of {checkpoint.size}")

    def _check_extends(self, checkpoint: Checkpoint) -> None:
        log = self._snapshot.log
        if log.size == checkpoint.size:
            self._compare_root(checkpoint.root)
        elif not log.size:
            self._compare_root(merkle.EMPTY)
        else:
            proof = _hashes(self._bundle.consistency)
            try:
                merkle.verify_consistency(log.size, checkpoint.size, proof, bytes.fromhex(log.root), checkpoint.root)
            except ProofError as error:
                raise Refused(f"the checkpoint's log does not extend the snapshot's: {error}") from None

    def _compare_root(self, root: bytes) -> None:
        if root.hex() != self._snapshot.log.root:
            raise Refused("the snapshot names another root than the log had at its size")

    def _take_header(self, position: int, text: str) -> None:
        header = decode_header(text.encode())
        if header.position != position or encode_header(header) != text.encode():
            raise Refused(f"the header at position {position} is not the one of that position, or not canonical")
        self._headers[position] = header

    def _check_parts(self) -> Check:
        count = 0
        for line in self._bundle.records:
            header = self._headers.get(line.position)
            if header is None or line.position in self._records:
                raise Refused(f"the record at position {line.position} has no header, or is there twice")
            parts = tuple(Part(part.name, _salt(part.salt), part.data.encode()) for part in line.parts)
            promised = dict(header.parts)
            for part in parts:
                if promised.pop(part.name, None) != commitment(part.salt, part.data):
                    raise Refused(f"part {part.name} at position {line.position} is not what was committed to")
                count += 1
            self._records[line.position] = Record(line.position, b"", parts, tuple(line.erased), header)
        self._check_missing()
        return Check("parts", "ok", f"{count} parts open the commitments in their headers")

    def _check_missing(self) -> None:
        """Tell what was erased, which a record of the log declares, from what is merely gone."""
        declared = set(self._declared())
        for position, record in self._records.items():
            there = {part.name for part in record.parts}
            absent = {name for name, _ in record.header.parts} - there
            gone = absent - {TEXT}
            undeclared = {name for name in gone if (position, name) not in declared}
            if undeclared and self._needed(position):
                raise Refused(f"part {min(undeclared)} at position {position} is missing; no erasure is declared")
            if set(record.erased) - absent or set(record.erased) & undeclared:
                raise Refused(f"a part at position {position} is called erased, and is there, or no record declares it")

    def _declared(self) -> Iterator[tuple[int, str]]:
        """Give what the records of erasure that are here declare erased: (position, part)."""
        for record in self._records.values():
            if record.header.type == "part.erased":
                change = restore(record.header.type, record.header.v, record.part(BODY))
                if isinstance(change, PartErased):
                    names = (change.part, QUOTES) if change.part == BODY else (change.part,)
                    yield from ((position, name) for position in change.records for name in names)

    def _needed(self, position: int) -> bool:
        return position <= self._snapshot.log.size or position == self._bundle.published


def _signed(note: str, vkey: str) -> None:
    """Check the signature, or refuse."""
    try:
        open_note(note, [Verifier.parse(vkey)])
    except NoteError as error:
        raise Refused(f"the signature does not hold: {error}") from None


def _hashes(texts: Sequence[str]) -> list[bytes]:
    return [parse_hash(text, "a hash of a proof") for text in texts]


def _salt(text: str) -> bytes:
    """Read a salt in its one form: lower-case hexadecimal."""
    salt = bytes.fromhex(text)
    if salt.hex() != text:
        raise Refused("a salt is not in lower-case hexadecimal")
    return salt


__all__ = ["Evidence", "Refused"]
