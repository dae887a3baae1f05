"""What a witness does with a checkpoint: C2SP tlog-witness, add-checkpoint, check by check in the order of its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from timeline.errors import Forbidden, Invalid, Malformed, NotFound, TimelineError
from timeline.merkle import EMPTY, ProofError, verify_consistency
from timeline.tlog import AddCheckpoint, Checkpoint, CosignatureSigner, NoteError, Verifier, open_note, parse_note
from timeline.witness.store import Cosigned, Store

MAX_BODY: Final = 128 * 1024
"""Bytes of a request: 63 proof lines and a checkpoint with sixteen signatures of any kind fit in."""


class Stale(TimelineError):
    """The old size is not that of the latest checkpoint cosigned; `size` says which it is."""

    code, status, title, exit_code = "stale", 409, "Another size is known", 4

    def __init__(self, size: int) -> None:
        """Remember the size the witness holds."""
        super().__init__(f"the latest checkpoint cosigned has the size {size}")
        self.size = size


class Witness:
    """One witness: its key, the logs it knows and what it signed last of each."""

    def __init__(
        self, store: Store, signer: CosignatureSigner, logs: Mapping[str, Verifier], clock: Callable[[], float]
    ) -> None:
        """Sign for the logs of these origins, each with the key it signs its checkpoints with."""
        self._store, self._signer, self._logs, self._clock = store, signer, dict(logs), clock

    def description(self) -> str:
        """Say in plain text what this is, with the key to check its cosignatures by."""
        logs = "".join(f"  {origin}\n" for origin in sorted(self._logs))
        return (
            "This is a witness (C2SP tlog-witness). It cosigns a checkpoint only if that extends the one it cosigned\n"
            "before: POST /add-checkpoint.\n\n"
            f"Its key:\n  {self._signer.verifier.vkey}\n\n"
            f"The logs it knows:\n{logs or '  none'}\n"
        )

    def add_checkpoint(self, body: bytes) -> str:
        """Check a request and give the signature line of the cosignature, which is durable by then.

        Raises:
            Malformed: the request cannot be read, or its old size is larger than the checkpoint's (400).
            NotFound: the origin is unknown (404).
            Forbidden: no valid signature of the log's key (403).
            Stale: the old size is not the one known; the error carries that (409).
            Invalid: the checkpoint does not extend the one known (422).

        """
        request, checkpoint = _read(body)
        text, signatures = self._verified(request.checkpoint_note, checkpoint.origin)
        if request.old_size > checkpoint.size:
            raise Malformed(f"old: {request.old_size} is larger than the size of the checkpoint, {checkpoint.size}")
        known = self._store.latest(checkpoint.origin)
        if request.old_size != (known.size if known else 0):
            raise Stale(known.size if known else 0)
        _check_extends(known, checkpoint, request.proof)
        moment = max(int(self._clock()), known.time if known else 0)  # two statements of a witness never cross in time
        line = self._signer.sign(text, moment)
        new = Cosigned(checkpoint.size, checkpoint.root, f"{text}\n{signatures}{line}", moment)
        if not self._store.advance(checkpoint.origin, known, new):
            latest = self._store.latest(checkpoint.origin)
            raise Stale(latest.size if latest else 0)
        return line

    def _verified(self, note: str, origin: str) -> tuple[str, str]:
        """Give the text of a note and the lines of the log's own signatures; others are not ours to hand on."""
        verifier = self._logs.get(origin)
        if verifier is None:
            raise NotFound(f"origin: this witness does not know a log {origin!r}")
        try:
            opened = open_note(note, [verifier])
        except NoteError as error:
            raise Forbidden(f"checkpoint: no valid signature of the key known for {origin!r}: {error}") from None
        return opened.text, "".join(signature.line for signature in opened.verified)


def _read(body: bytes) -> tuple[AddCheckpoint, Checkpoint]:
    try:
        request = AddCheckpoint.parse(body)
        checkpoint = Checkpoint.parse(parse_note(request.checkpoint_note).text, extensions=True)
    except NoteError as error:
        raise Malformed(f"the request is not one of tlog-witness add-checkpoint: {error}") from None
    return request, checkpoint


def _check_extends(known: Cosigned | None, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that a checkpoint extends the one known. Anything extends the empty tree, which needs no proof."""
    if new.size == 0 and new.root != EMPTY:
        raise Invalid("checkpoint: the root of size 0 is the hash of the empty string (RFC 6962 section 2.1)")
    if known is None or known.size == 0:
        if proof:
            raise Invalid("the consistency proof from size 0 is empty, got hashes")
        return
    if new.size == known.size and new.root != known.root:
        raise Invalid(f"checkpoint: this witness cosigned another root at size {known.size}: the log has two histories")
    try:
        verify_consistency(known.size, new.size, proof, known.root, new.root)
    except ProofError as error:
        raise Invalid(f"the consistency proof from {known.size} to {new.size} fails: {error}") from None
