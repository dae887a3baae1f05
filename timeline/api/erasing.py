"""Erasing over HTTP: an administrator's act, recorded like everything else, of which only the content is lost."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from litestar import Response

from timeline.api.asking import AnyRequest, no_parameters
from timeline.api.auth import author_of
from timeline.api.writes import JSON, body_of
from timeline.chronicle import Timeline
from timeline.model import Slug, Value
from timeline.records import Ground, Reason, decode


class Erasure(Value, frozen=True, kw_only=True):
    """What is to be erased, and why. The reason is shown to readers."""

    id: Slug
    of: Literal["event", "actor", "source"] = "event"
    part: Slug
    reason: Reason
    ground: Ground | None = None


class Erasing:
    """The handler of ``POST /v1/erasures``; it needs the scope `admin`."""

    def __init__(self, timeline: Timeline) -> None:
        """Erase from this timeline."""
        self._timeline = timeline

    async def erase(self, request: AnyRequest) -> Response[bytes]:
        """Erase a part of an event, actor or source in all its revisions."""
        wanted = decode(await body_of(request, JSON), Erasure)
        no_parameters(request)
        done = await asyncio.to_thread(
            self._timeline.erase, wanted.id, wanted.part, reason=wanted.reason, of=wanted.of, ground=wanted.ground,
            author=author_of(request),
        )
        content = msgspec.json.encode({
            "id": wanted.id, "of": wanted.of, "part": wanted.part, "position": done.position, "new": done.new,
            "purged": self._timeline.is_purged,
        })
        headers = {"Cache-Control": "no-store", "Timeline-Position": str(done.position)}
        return Response(content, status_code=201 if done.new else 200, media_type="application/json", headers=headers)


__all__ = ["Erasing", "Erasure"]
