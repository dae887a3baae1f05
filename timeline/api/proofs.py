"""Proofs over HTTP: our own answers below ``/v1``, and the log as C2SP tlog-tiles 0.1.0 has it at the root.

A proof reads some hundreds of stored hashes and computes as many: little, but not on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import Response

from timeline.api import proof_bodies
from timeline.api.answers import respond
from timeline.api.asking import AnyRequest, negotiate, no_parameters, number, query_pairs, take
from timeline.chronicle import Timeline
from timeline.errors import Fault, Malformed, NotFound
from timeline.query import MAX_POSITION, Parameter, parse_query
from timeline.tlog import Tile, TileError, entry_bundle, parse_tile_path, tile_bytes, width_at
from timeline.tlog.tiles import WIDTH

TEXT: Final = "text/plain"
CHECKPOINT_TYPES: Final = {"json": "application/json", "text": TEXT}
INCLUSION_TYPES: Final = {"json": "application/json", "tlog-proof": TEXT}
BRIEFLY: Final = "public, max-age=5"
"""The newest checkpoint may be that old: it is one that holds, whenever it was fetched."""

_FORMAT: Final = "Format of the answer; without it the Accept header decides"
CHECKPOINT_PARAMETERS: Final = (
    Parameter("size", "Number of records; without it, all there are", "59", number=True),
    Parameter("f", _FORMAT, choices=tuple(CHECKPOINT_TYPES)),
)
INCLUSION_PARAMETERS: Final = (
    Parameter("position", "Position of the record to prove, required; several are proved at once: `proof` then holds "
              "the roots of the largest subtrees without any of them, from left to right", "59", repeatable=True,
              number=True),
    Parameter("size", "Number of records of the log it is proved in; without it, all there are", "120", number=True),
    Parameter("f", f"{_FORMAT}. tlog-proof is c2sp.org/tlog-proof@v1, of one record, signed",
              choices=tuple(INCLUSION_TYPES)),
)
CONSISTENCY_PARAMETERS: Final = (
    Parameter("old", "Number of records the log had, required", "59", number=True),
    Parameter("new", "Number of records it has; without it, all there are", "120", number=True),
)


class ProofReads:
    """Handlers of checkpoints, proofs and tiles."""

    def __init__(self, timeline: Timeline) -> None:
        """Prove from this timeline's log."""
        self._timeline = timeline

    # ------------------------------------------------------------------ /v1

    async def checkpoint(self, request: AnyRequest) -> Response[bytes]:
        """Give origin, size, root and the note that says so, of the whole log or of an earlier size."""
        own = _own(query_pairs(request), ("size", "f"))
        size = _size("size", own)
        format_ = negotiate(request, CHECKPOINT_TYPES)
        body = await asyncio.to_thread(proof_bodies.checkpoint, self._timeline, size)
        content = msgspec.json.encode(body) if format_ == "json" else body.note.encode()
        return await respond(request, content, position=body.size, final=self._is_final(size),
                             media_type=CHECKPOINT_TYPES[format_])

    async def inclusion(self, request: AnyRequest) -> Response[bytes]:
        """Prove that one record, or several, are in the log of a size."""
        pairs = query_pairs(request)
        own = _own([pair for pair in pairs if pair[0] != "position"], ("size", "f"))
        asked = [value for name, value in pairs if name == "position"]
        size = _size("size", own)
        positions = _positions(asked, size)
        format_ = negotiate(request, INCLUSION_TYPES)
        if format_ == "tlog-proof" and len(asked) > 1:
            detail = "tlog-proof proves one record: ask for one position, or for f=json"
            raise Malformed(f"f: {detail}", faults=(Fault("?f", detail),))
        content, reached = await asyncio.to_thread(self._inclusion, positions, size, format_, alone=len(asked) == 1)
        return await respond(request, content, position=reached, final=self._is_final(size),
                             media_type=INCLUSION_TYPES[format_])

    def _inclusion(self, positions: list[int], size: int | None, format_: str, *, alone: bool) -> tuple[bytes, int]:
        timeline = self._timeline
        if size is None:
            size = timeline.log_size
            self._reached("position", positions[-1], size)
        if format_ == "tlog-proof":
            return proof_bodies.tlog_proof(timeline, positions[0], size).encode(), size
        if alone:
            return msgspec.json.encode(proof_bodies.inclusion(timeline, positions[0], size)), size
        return msgspec.json.encode(proof_bodies.inclusions(timeline, positions, size)), size

    async def consistency(self, request: AnyRequest) -> Response[bytes]:
        """Prove that the log of one size extends that of another."""
        own = _own(query_pairs(request), ("old", "new"))
        old, new = _size("old", own), _size("new", own)
        if old is None:
            detail = "say from which size: the number of records the log had"
            raise Malformed(f"old: {detail}", faults=(Fault("?old", detail),))
        if new is not None and old > new:
            detail = f"expected at most {new}, the new size: a smaller log cannot extend a larger one"
            raise Malformed(f"old: {detail}", faults=(Fault("?old", detail),))
        body = await asyncio.to_thread(self._consistency, old, new)
        return await respond(request, msgspec.json.encode(body), position=body.new, final=new is not None)

    def _consistency(self, old: int, new: int | None) -> proof_bodies.Consistency:
        head = self._timeline.log_size
        if new is None:
            self._reached("old", old, head)
        return proof_bodies.consistency(self._timeline, old, head if new is None else new)

    def _reached(self, name: str, wanted: int, head: int) -> None:
        """Refuse what the log has not got yet, where the newest size is meant: it may get there."""
        if wanted > head:
            raise NotFound(f"{name}: the log has {head} records; it has not reached {wanted} yet", position=head)

    def _is_final(self, size: int | None) -> bool:
        """Whether an answer with a note in it never changes: without a key, one may come, and the note is signed."""
        return size is not None and self._timeline.signer is not None

    # ------------------------------------------------------------------ C2SP tlog-tiles

    async def note(self, request: AnyRequest) -> Response[bytes]:
        """Give the newest signed checkpoint (C2SP tlog-tiles, "Checkpoints")."""
        no_parameters(request)
        if self._timeline.signer is None:
            raise NotFound(proof_bodies.NO_KEY)
        size = self._timeline.log_size
        text = await asyncio.to_thread(self._timeline.checkpoint_text, size)
        return await respond(request, text.encode(), position=size, media_type=TEXT,
                             headers={"Cache-Control": BRIEFLY, "Vary": "Accept-Encoding"})

    async def tile(self, request: AnyRequest) -> Response[bytes]:
        """Give a tile of hashes or a bundle of entries (C2SP tlog-tiles, "Merkle Tree" and "Log entries")."""
        no_parameters(request)
        content = await asyncio.to_thread(self._tile, f"tile{request.path_params['tile']}")
        return await respond(request, content, final=True, media_type="application/octet-stream",
                             headers={"Vary": "Accept-Encoding"})

    def _tile(self, path: str) -> bytes:
        try:
            tile = parse_tile_path(path)
        except TileError as error:
            raise NotFound(str(error)) from None
        size = self._timeline.log_size
        if width_at(tile.level, tile.index, size) < tile.width:
            raise NotFound(f"the log has {size} records, too few for {tile.path}", position=size)
        return self._entries(tile) if tile.level is None else tile_bytes(tile, self._timeline.hashes)

    def _entries(self, tile: Tile) -> bytes:
        """Give the headers of the records behind a tile: the bytes whose hashes are in the tree."""
        records = self._timeline.records(tile.index * WIDTH, tile.width)
        return entry_bundle(record.header_bytes for record in records)


def _own(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Take the parameters there are; any other is refused."""
    own, rest = take(pairs, names)
    parse_query(rest, known=())
    return own


def _size(name: str, own: dict[str, str]) -> int | None:
    return number(name, own[name], 0, MAX_POSITION) if name in own else None


def _positions(asked: Sequence[str], size: int | None) -> list[int]:
    """Read the positions, in order; beyond a size that was named there is nothing to prove."""
    if not asked:
        detail = "say which record, by its position; repeat it for several at once"
        raise Malformed(f"position: {detail}", faults=(Fault("?position", detail),))
    if size == 0:
        detail = "the log of size 0 has no records to prove"
        raise Malformed(f"size: {detail}", faults=(Fault("?size", detail),))
    return sorted({number("position", text, 1, MAX_POSITION if size is None else size) for text in asked})


__all__ = ["CHECKPOINT_PARAMETERS", "CHECKPOINT_TYPES", "CONSISTENCY_PARAMETERS", "INCLUSION_PARAMETERS",
           "INCLUSION_TYPES", "ProofReads"]
