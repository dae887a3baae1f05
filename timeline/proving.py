"""Questions to the log itself rather than to its views: records, streams, roots, proofs and checkpoints.

Everything here is answered from stored hashes and headers, at any size the log ever had. A checkpoint is signed where
a key is at hand; a log without one still has roots.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from timeline import merkle
from timeline.errors import Fault, Invalid, NotFound
from timeline.log import Record
from timeline.log.sqlite import read_erasures, read_record, read_records, stored_hashes, stream_head
from timeline.tlog import Checkpoint, Signer, sign_note


class Proving:
    """Proofs over one log: a mixin of what knows its origin and has a connection to its file."""

    signer: Signer | None = None
    """Who signs checkpoints; a key's name is the log's origin (C2SP tlog-checkpoint)."""

    @property
    def origin(self) -> str:
        """The log's own name."""
        raise NotImplementedError

    def log_connection(self) -> sqlite3.Connection:
        """Give this thread's read-only connection to the log."""
        raise NotImplementedError

    def sign_with(self, signer: Signer) -> None:
        """Sign checkpoints with this key from now on.

        Raises:
            Invalid: the key was made for another log.

        """
        if signer.name != self.origin:
            raise Invalid(f"this key is for {signer.name}, and the log is {self.origin}: make a key for this log with "
                          "`timeline key generate`")
        self.signer = signer

    # ------------------------------------------------------------------ records

    @property
    def log_size(self) -> int:
        """The last committed position."""
        size: int = self.log_connection().execute("SELECT coalesce(max(position), 0) FROM record").fetchone()[0]
        return size

    def records(self, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Yield records of the log after a position."""
        return read_records(self.log_connection(), after, limit)

    def record_at(self, position: int) -> Record:
        """Give one record; `NotFound` beyond the head."""
        record = read_record(self.log_connection(), position)
        if record is None:
            raise NotFound(f"the log ends at position {self.log_size}; there is no position {position} yet")
        return record

    def stream(self, name: str, until: int) -> list[int]:
        """Give the positions of a stream's records up to a position, oldest first.

        Every header names the position before it in each of its streams: the chain is walked back from its end.
        """
        connection = self.log_connection()
        _, position = stream_head(connection, name)
        found = []
        while position:
            record = read_record(connection, position)
            if record is None:
                raise NotFound(f"there is no record at position {position}")
            if position <= until:
                found.append(position)
            position = next(previous for stream, _, previous in record.header.streams if stream == name)
        return found[::-1]

    def erasures(self, positions: Iterable[int]) -> dict[tuple[int, str], int]:
        """Give which parts of some records were erased: (position, part) -> position of the record that says so."""
        return read_erasures(self.log_connection(), positions)

    # ------------------------------------------------------------------ proofs

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Give stored hashes (see `timeline.merkle.Hashes`)."""
        return stored_hashes(self.log_connection(), level, start, stop)

    def root_at(self, size: int) -> bytes:
        """Give the root the log had at a size."""
        self._reached(size, "size")
        return merkle.root_at(size, self.hashes)

    def prove_inclusion(self, position: int, size: int) -> list[bytes]:
        """Prove that a record is in the log of a size (RFC 9162 section 2.1.3)."""
        self._reached(size, "size")
        if not 1 <= position <= size:
            raise Invalid(f"position: expected 1..{size}, the records of a log of size {size}",
                          faults=(Fault("?position", f"expected 1..{size}"),))
        return merkle.inclusion_proof(position - 1, size, self.hashes)

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the log of size `new` extends that of size `old` (RFC 9162 section 2.1.4)."""
        self._reached(new, "new")
        if old > new:
            raise Invalid(f"old: expected at most {new}; a smaller log cannot extend a larger one",
                          faults=(Fault("?old", f"expected 0..{new}"),))
        return merkle.consistency_proof(old, new, self.hashes)

    def prove_all(self, positions: Iterable[int], size: int) -> list[bytes]:
        """Prove at once that scattered records are in the log of a size."""
        self._reached(size, "size")
        return merkle.multiproof((position - 1 for position in positions), size, self.hashes)

    def _reached(self, size: int, name: str) -> None:
        if size > (head := self.log_size):
            raise NotFound(f"{name}: the log has {head} records; it has not reached {size} yet", position=head)

    # ------------------------------------------------------------------ checkpoints

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """Give origin, size and root; of the whole log unless a size is given."""
        size = self.log_size if size is None else size
        return Checkpoint(self.origin, size, self.root_at(size))

    def checkpoint_text(self, size: int | None = None) -> str:
        """Give the checkpoint as a signed note, or its bare text where the log has no key.

        Ed25519 is deterministic (RFC 8032): the note of a size is the same bytes whenever it is asked for.
        """
        text = self.checkpoint(size).text
        return sign_note(text, self.signer) if self.signer else text


__all__ = ["Proving"]
