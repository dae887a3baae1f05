"""JSON and NDJSON: stored bodies are spliced, not decoded and encoded again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec


def page(bodies: Iterable[str], position: int, next_: str | None) -> Iterator[bytes]:
    """Write ``{"items": [...], "position": n, "next": "/v1/events?..."}``; `next` is left out on the last page."""
    yield b'{"items":['
    yield from _joined(bodies, ",")
    tail: dict[str, object] = {"position": position}
    if next_ is not None:
        tail["next"] = next_
    yield b"]," + msgspec.json.encode(tail)[1:]


def lines(bodies: Iterable[str], _position: int, _next: str | None) -> Iterator[bytes]:
    """Write one event a line."""
    for body in bodies:
        yield body.encode() + b"\n"


def _joined(bodies: Iterable[str], separator: str) -> Iterator[bytes]:
    if isinstance(bodies, list):
        yield separator.join(bodies).encode()
        return
    first = True
    for body in bodies:
        yield (body if first else separator + body).encode()
        first = False
