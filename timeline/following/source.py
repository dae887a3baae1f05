"""A log asked by HTTP: `GET /checkpoint` and `GET /v1/proofs/consistency`. Whatever it answers is not trusted."""

from __future__ import annotations

import time
from base64 import b64decode
from binascii import Error as Base64Error
from types import TracebackType
from typing import Final, Self

import httpx
import msgspec

from timeline.errors import Busy, Conflict, Malformed
from timeline.following.waiting import Waiting, in_words

MAX_BYTES: Final = 128 * 1024
"""A checkpoint with many signatures, or 63 hashes, is far smaller."""

SECONDS: Final = 10.0
DEADLINE: Final = 60.0
"""Seconds for a whole answer: one that drips is not waited for."""

MAX_HASHES: Final = 63
"""A consistency proof of a tree under 2^63 leaves is not longer (C2SP tlog-witness)."""


class _Proof(msgspec.Struct):
    proof: list[str]


class Source:
    """One server. Use it in a `with`."""

    def __init__(
        self, url: str, transport: httpx.BaseTransport | None = None, waiting: Waiting | None = None
    ) -> None:
        """Ask the server at `url`, and wait where it asks to. `transport` replaces the network (tests use it)."""
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            parts = httpx.URL()
        if parts.scheme not in {"http", "https"} or not parts.host or "%" in parts.host:
            raise Malformed(f"url: expected http://HOST/ or https://HOST/, got {url!r}")
        if parts.query or parts.fragment:
            raise Malformed(f"url: expected only the address of the server, without ? or #, got {url!r}")
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=SECONDS, trust_env=False, transport=transport)
        self._waiting = waiting or Waiting()

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._client.close()

    def checkpoint(self) -> bytes:
        """Give the latest checkpoint, as it came.

        Raises:
            Busy: the server cannot be reached or cannot answer now.
            Conflict: it answers something else.

        """
        return self._get("/checkpoint")

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Give the proof that the tree of size `new` extends that of size `old`; it is not checked here.

        Raises:
            Busy: the server cannot be reached or cannot answer now.
            Conflict: it gives no proof between these sizes.

        """
        try:
            answer = msgspec.json.decode(self._get(f"/v1/proofs/consistency?old={old}&new={new}"), type=_Proof)
            proof = [b64decode(hash_, validate=True) for hash_ in answer.proof]
        except (msgspec.MsgspecError, UnicodeDecodeError, Base64Error, ValueError):
            raise Conflict(f"{self._url} answered something that is not a consistency proof") from None
        if len(proof) > MAX_HASHES:
            raise Conflict(f"{self._url} gave {len(proof)} hashes: a consistency proof has at most {MAX_HASHES}")
        return proof

    def _get(self, path: str) -> bytes:
        """Ask, and again when the server says when: reading twice is harmless."""
        times = 0
        while True:
            answer, times = self._asked(path), times + 1
            if isinstance(answer, bytes):
                return answer
            if not self._waiting.again(times, self._url, answer.status_code, answer.headers):
                raise self._refusal(path, answer)

    def _asked(self, path: str) -> bytes | httpx.Response:
        """Give what is answered; where it is a refusal, the response, its body unread."""
        started = time.monotonic()
        content = bytearray()
        try:
            with self._client.stream("GET", self._url + path) as response:
                if response.status_code != httpx.codes.OK:
                    return response
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise Conflict(f"{self._url}{path} answered more than {MAX_BYTES} bytes")
                    if time.monotonic() - started > DEADLINE:
                        raise Busy(f"{self._url}{path} did not finish its answer within {DEADLINE:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Busy(f"cannot reach {self._url}: {type(error).__name__}; is the server running?") from None
        return bytes(content)

    def _refusal(self, path: str, response: httpx.Response) -> Busy | Conflict:
        status = response.status_code
        sentence = f"{self._url}{path} answered {status}"
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            return Busy(f"{sentence}: {in_words(status, response.headers) or 'try again later'}")
        return Conflict(f"{sentence}: expected a Timeline server, and 200")
