"""A follower: one log, the last checkpoint of it that held, and whether the next one extends that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from timeline.connections import WriterLock
from timeline.errors import Busy, Conflict, Invalid, NotFound, TimelineError
from timeline.following.evidence import Evidence, Fork
from timeline.following.memory import load, save
from timeline.following.reading import Shown, read, read_key
from timeline.following.source import Source
from timeline.following.waiting import Waiting
from timeline.merkle import ProofError, verify_consistency
from timeline.tlog import Verifier

Consistency = Callable[[int, int], Sequence[bytes]]
"""Gives the consistency proof from one size to a larger one; `ProofError` or `TimelineError` where there is none."""

Kind = Literal["first", "advanced", "unchanged", "older"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found, where nothing was wrong."""

    kind: Kind
    origin: str
    size: int
    """The size of the checkpoint that was shown."""
    root: bytes
    before: int | None
    """The size remembered before."""
    signed: bool
    """Whether the signature was verified; without a key, it is not."""


class Follower:
    """Follows one log. Its file remembers the log's latest checkpoint that held."""

    def __init__(self, state: Path, vkey: str | None = None) -> None:
        """Remember in the file `state`. With `vkey`, only what this key has signed counts, now and later.

        Raises:
            Malformed: the key is not one.

        """
        self._path = state
        self._vkey = vkey
        self._verifier = None if vkey is None else read_key(vkey)

    def follow(
        self, url: str, transport: httpx.BaseTransport | None = None, waiting: Waiting | None = None
    ) -> Outcome:
        """Ask the server at `url` for its checkpoint and check it; see `check`. A busy server is waited for."""
        with Source(url, transport, waiting) as source:
            return self.check(source.checkpoint(), source.consistency)

    def check(self, note: str | bytes, consistency: Consistency) -> Outcome:
        """Check a checkpoint against the one remembered, and remember it instead if it extends that.

        Raises:
            Malformed: it is not a checkpoint.
            Invalid: its signature is not good, or what is remembered cannot be read or is for another key.
            Conflict: it is a checkpoint of another log, or no proof was given.
            Fork: it does not belong to the history of the one remembered.
            Busy: another follower uses the file, or the proof cannot be had now.

        """
        with self._alone():
            key, last = self._recall()
            shown = read(note, key)
            if last is None:
                return self._advance("first", shown, key)
            if shown.checkpoint.origin != last.checkpoint.origin:
                raise Conflict(f"this is another log: {last.checkpoint.origin!r} was followed so far, "
                               f"{shown.checkpoint.origin!r} is what came")
            return self._compared(last, shown, key, consistency)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process check at a time: two could overtake each other and remember the older checkpoint."""
        try:
            lock = WriterLock(self._path.with_name(self._path.name + ".lock"))
        except FileNotFoundError:
            raise NotFound(f"there is no directory to keep {self._path.name} in: make it first") from None
        try:
            yield
        finally:
            lock.release()

    def _recall(self) -> tuple[Verifier | None, Shown | None]:
        """Give the key that counts and what is remembered. A key once pinned is not replaced by another."""
        remembered = load(self._path)
        if remembered is None:
            return self._verifier, None
        if self._verifier is not None and remembered.vkey not in {None, self._verifier.vkey}:
            raise Invalid(f"vkey: {self._path.name} remembers another key of this log, {remembered.vkey}: remove the "
                          "file to begin anew with this one")
        try:
            key = self._verifier if remembered.vkey is None else read_key(remembered.vkey)
            return key, read(remembered.note, key)
        except TimelineError as error:
            raise Invalid(f"what {self._path.name} remembers does not hold: {error.detail}") from None

    def _compared(self, last: Shown, shown: Shown, key: Verifier | None, consistency: Consistency) -> Outcome:
        old, new = last.checkpoint, shown.checkpoint
        if new.size > old.size:
            _prove_growth(last, shown, consistency)
            return self._advance("advanced", shown, key, old.size)
        if new.size < old.size:
            _prove_past(last, shown, consistency)
            return _outcome("older", shown, old.size)
        if new.root != old.root:
            raise Fork(f"two histories of {old.origin!r}: two roots at size {old.size:,}",
                       evidence=Evidence(last.note, shown.note, None))
        return self._advance("unchanged", shown, key, old.size)

    def _advance(self, kind: Kind, shown: Shown, key: Verifier | None, before: int | None = None) -> Outcome:
        """Remember a checkpoint that holds, then say so. One that is unchanged may have more signatures now."""
        save(self._path, shown.note, None if key is None else key.vkey)
        return _outcome(kind, shown, before)


def _outcome(kind: Kind, shown: Shown, before: int | None) -> Outcome:
    return Outcome(kind, shown.checkpoint.origin, shown.checkpoint.size, shown.checkpoint.root, before, shown.signed)


def _prove_growth(last: Shown, shown: Shown, consistency: Consistency) -> None:
    """Check that what is shown extends what is remembered. Every tree extends the empty one."""
    old, new = last.checkpoint, shown.checkpoint
    if old.size == 0:
        return
    try:
        proof = tuple(consistency(old.size, new.size))
    except Busy:
        raise
    except (ProofError, TimelineError) as error:
        raise Conflict(f"no proof was given that size {new.size:,} extends size {old.size:,}: {error}; the checkpoint "
                       "of the smaller size stays the one remembered") from None
    try:
        verify_consistency(old.size, new.size, proof, old.root, new.root)
    except ProofError as error:
        raise Fork(f"two histories of {old.origin!r}: size {new.size:,} does not extend size {old.size:,}: {error}",
                   evidence=Evidence(last.note, shown.note, proof)) from None


def _prove_past(last: Shown, shown: Shown, consistency: Consistency) -> None:
    """Check that a smaller tree lies in the past of the one remembered, and so is only an older answer.

    A log that was cut short cannot prove it. The empty tree needs no proof, so it shows nothing and is refused.
    """
    old, new = shown.checkpoint, last.checkpoint
    proof: tuple[bytes, ...] | None = None
    reason = "no proof was given that it lies in the past"
    try:
        if old.size:
            proof = tuple(consistency(old.size, new.size))
            verify_consistency(old.size, new.size, proof, old.root, new.root)
            return
    except Busy:
        raise
    except (ProofError, TimelineError) as error:
        reason = f"{reason if proof is None else 'it does not lie in the past'}: {error}"
    raise Fork(f"{new.origin!r} had {new.size:,} records and now shows {old.size:,}: {reason}; it was cut short, "
               "rewritten, or an older file was put in its place", evidence=Evidence(last.note, shown.note, proof))
