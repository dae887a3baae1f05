"""JSON and NDJSON: stored bodies are spliced, not decoded and encoded again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from timeline.formats.sheet import Sheet


def page(sheet: Sheet) -> Iterator[bytes]:
    """Write ``{"items": [...], "position": n, "next": "/v1/events?..."}``; `next` is left out on the last page."""
    yield b'{"items":['
    yield from _joined(sheet.bodies, ",")
    tail: dict[str, object] = {"position": sheet.position}
    if sheet.next is not None:
        tail["next"] = sheet.next
    yield b"]," + msgspec.json.encode(tail)[1:]


def lines(sheet: Sheet) -> Iterator[bytes]:
    """Write one event a line."""
    for body in sheet.bodies:
        yield body.encode() + b"\n"


def _joined(bodies: Iterable[str], separator: str) -> Iterator[bytes]:
    if isinstance(bodies, list):
        yield separator.join(bodies).encode()
        return
    first = True
    for body in bodies:
        yield (body if first else separator + body).encode()
        first = False
