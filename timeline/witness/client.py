"""How a log asks a witness for its cosignature (C2SP tlog-witness, add-checkpoint)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from timeline.errors import Busy, Conflict, Forbidden, Invalid, Malformed, NotFound, TimelineError
from timeline.tlog import (
    AddCheckpoint,
    Checkpoint,
    CosignatureVerifier,
    Note,
    NoteError,
    cosigned_at,
    open_note,
    parse_note,
)

SECONDS: Final = 10.0
DEADLINE: Final = 30.0
"""Seconds for a whole answer: one that drips is not waited for."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer: a few signature lines, or a number."""

ProofSource = Callable[[int, int], Sequence[bytes]]
"""Gives the consistency proof from one size of the log to a larger one."""

_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_REFUSALS: Final[dict[int, tuple[type[TimelineError], str]]] = {
    400: (Malformed, "it cannot read the request"),
    403: (Forbidden, "it finds no good signature of the key it knows for this log"),
    404: (NotFound, "it does not know this log: its operator adds the log's verifier key first"),
    409: (Conflict, "it holds another state of this log, and does not say which"),
    422: (Conflict, "the checkpoint does not extend the one it cosigned before: it and this log saw two histories"),
}


def cosign(
    note: str, proof_source: ProofSource, witness_url: str, witness_verifier: CosignatureVerifier, *, known: int = 0,
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Have a witness cosign a signed checkpoint; give the note with the cosignature added, verified.

    `known` is the size the witness is thought to hold; if it holds another, it says so and is asked once more.
    `transport` replaces the network (tests use it).

    Raises:
        Busy: the witness cannot be reached or cannot answer now, or another submission overtook this one.
        Malformed, Forbidden, NotFound: the witness refuses the request.
        Conflict: the witness holds a larger log, or one this checkpoint does not extend.
        Invalid: it answered without a good cosignature of its key.

    """
    if not witness_url.startswith(("http://", "https://")):
        raise Malformed(f"witness: expected http://... or https://..., got {witness_url!r}")
    checkpoint, opened = _read(note)
    with httpx.Client(timeout=SECONDS, trust_env=False, transport=transport) as client:
        witness = _Remote(client, f"{witness_url.rstrip('/')}/add-checkpoint")
        old = min(known, checkpoint.size)
        answer = witness.add(note, old, checkpoint.size, proof_source)
        if isinstance(answer, int):
            _check_smaller(answer, old, checkpoint.size, witness.url)
            answer = witness.add(note, answer, checkpoint.size, proof_source)
        if isinstance(answer, int):
            raise Busy(f"{witness.url}: somebody else has it cosign this log at the same time: try again")
    return _joined(opened, answer, witness_verifier, witness.url)


def _read(note: str) -> tuple[Checkpoint, Note]:
    try:
        opened = parse_note(note)
        return Checkpoint.parse(opened.text, extensions=True), opened
    except NoteError as error:
        raise Malformed(f"checkpoint: {error}") from None


def _check_smaller(held: int, old: int, size: int, url: str) -> None:
    if held > size:
        raise Conflict(f"{url} has cosigned {held:,} records of this log, which has {size:,}: this log was cut short, "
                       "or is an older file")
    if held == old:
        raise Conflict(f"{url} has cosigned another root of size {held:,}: this log and its witness saw two histories")


def _joined(opened: Note, lines: str, verifier: CosignatureVerifier, url: str) -> str:
    """Add the cosignature to the note, in the place of an older one of the same witness. Lines of others are ignored.

    C2SP tlog-witness: the answer put after the text is a note, which the witness's key has to verify.
    """
    try:
        answered = open_note(f"{opened.text}\n{lines}", [verifier])
        good = answered.verified[0]
        if answered.text != opened.text or not cosigned_at(good):  # an answer may not bring a text of its own
            raise NoteError("it is for another text, or names no time")
    except NoteError as error:
        raise Invalid(f"{url} answered without a good cosignature of {verifier.vkey}: {error}") from None
    others = "".join(each.line for each in opened.unverified if (each.name, each.key_id) != (good.name, good.key_id))
    return f"{opened.text}\n{others}{good.line}"


class _Remote:
    """One witness, asked by HTTP. Whatever it answers is not trusted."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self.url = url

    def add(self, note: str, old: int, size: int, proof_source: ProofSource) -> str | int:
        """Send a checkpoint; give the signature lines, or the size the witness holds."""
        proof = tuple(proof_source(old, size)) if 0 < old < size else ()
        status, kind, content = self._post(AddCheckpoint(old, proof, note).body().encode())
        if status == httpx.codes.OK:
            return content.decode(errors="replace")
        found = _SIZE.fullmatch(content)
        if status == httpx.codes.CONFLICT and kind == "text/x.tlog.size" and found is not None:
            return int(found[1])
        raise self._refused(status)

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        started, content = time.monotonic(), bytearray()
        try:
            with self._client.stream("POST", self.url, content=body, headers={"Content-Type": "text/plain"}) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise Invalid(f"{self.url} answered more than {MAX_ANSWER} bytes")
                    if time.monotonic() - started > DEADLINE:
                        raise Busy(f"{self.url} did not finish its answer within {DEADLINE:g} seconds")
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return answer.status_code, kind, bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Busy(f"cannot reach {self.url}: {type(error).__name__}; is the witness running?") from None

    def _refused(self, status: int) -> TimelineError:
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            return Busy(f"{self.url} answered {status}: try again later")
        kind, reason = _REFUSALS.get(status, (Conflict, "that is not what a witness answers"))
        return kind(f"{self.url} answered {status}: {reason}")
