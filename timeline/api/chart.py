"""The chart over HTTP: what `<timeline-view>` draws of a question's answer, whatever the size of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar import Response

from timeline.api.answers import respond
from timeline.api.asking import AnyRequest, check_actors, number, query_pairs, take
from timeline.api.ready import may_be_kept
from timeline.chronicle import Timeline
from timeline.edtf import EdtfError, parse_range
from timeline.errors import Fault, Malformed
from timeline.query import BY_NAME, Parameter, parse_query
from timeline.views.chart import LANES, Bounds, Frame
from timeline.web.chart import chart

FILTERS: Final = tuple(name for name in BY_NAME if name not in ("order", "limit", "cursor"))
MOST_LANES: Final = 50
SLOTS: Final = (24, 240)
OWN: Final = (
    Parameter("window", "Stretch of time that is looked at: EDTF, or two RFC 3339 instants a/b; one side may be .. ; "
              "without it, all there is", "2025-08-15/2025-08-20"),
    Parameter("lanes", "What the lanes are", "topic", choices=LANES, default="actor"),
    Parameter("max_lanes", f"Most lanes, 1..{MOST_LANES}: those with the most events", "12", default="12", number=True),
    Parameter("slots", f"Columns of the window that are told apart, {SLOTS[0]}..{SLOTS[1]}", "96", default="96",
              number=True),
)


class ChartReads:
    """The handler of `/v1/chart`."""

    def __init__(self, timeline: Timeline) -> None:
        """Read from this timeline."""
        self._timeline = timeline

    async def chart(self, request: AnyRequest) -> Response[bytes]:
        """Draw a window of the answer to a question."""
        own, rest = take(query_pairs(request), [parameter.name for parameter in OWN])
        query = parse_query(rest, known=FILTERS)
        window, frame = read_window(own.get("window"), rest), _frame(own)

        def draw() -> tuple[bytes, int, bool]:
            check_actors(self._timeline, query)
            drawn, final = chart(self._timeline, query, window, frame)
            return msgspec.json.encode(drawn), drawn["position"], final

        content, position, final = await asyncio.to_thread(draw)
        may_be_kept(request.scope, None if final else position)
        return await respond(request, content, position=position, final=final)


def read_window(text: str | None, pairs: Iterable[tuple[str, str]]) -> Bounds:
    """Read the window, in the zone that a question's parameters name.

    Raises:
        Malformed: it is no range, or ends before it starts.

    """
    if text is None:
        return None, None
    try:
        return parse_range(text, dict(pairs).get("tz") or "UTC")
    except EdtfError as error:
        raise Malformed(f"window: {error}", faults=(Fault("?window", str(error)),)) from None


def _frame(own: dict[str, Any]) -> Frame:
    by = own.get("lanes", "actor")
    if by not in LANES:
        detail = f"expected {', '.join(LANES[:-1])} or {LANES[-1]}"
        raise Malformed(f"lanes: {detail}", faults=(Fault("?lanes", detail),))
    return Frame(by, number("max_lanes", own.get("max_lanes", "12"), 1, MOST_LANES),
                 number("slots", own.get("slots", "96"), *SLOTS))


__all__ = ["FILTERS", "OWN", "ChartReads", "read_window"]
