"""What whoever runs a server looks at: figures at ``/metrics``, one id for each request, lines in the log.

Nothing here names a reader or what was asked: figures have the template of an address, never the address; log lines
have its path, without the question, and no network address. ``/metrics`` takes what reading takes: nothing on a public
server, a token with the scope read on a private one. Where the client is says nothing behind a proxy.
"""

from __future__ import annotations

import json
import logging
import platform
import re
import secrets
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from typing import Any, Final

from litestar import Request, Response

from timeline import __version__
from timeline.chronicle import Timeline
from timeline.metrics import CONTENT_TYPE, SECONDS, CacheFigures, Histogram, histogram, several, single

SLOW: Final = 1.0
"""Seconds until the answer begins, from which on a request gets a line in the log."""

NOWHERE: Final = "none"
"""Stands for the template of an address that there is not; others are those of the route table."""

BEGUN: Final = "timeline_begun"
"""Where a request notes when its handler began (seconds of `time.perf_counter`)."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_ID: Final = b"x-request-id"
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_OURS: Final = secrets.token_hex(6)
_numbers: Final = count(1)
_access: Final = logging.getLogger("timeline.access")


def request_id(scope: Any, given: Mapping[bytes, bytes] | None = None) -> str:  # noqa: ANN401 - as ASGI has it
    """Give the id of a request: the one it came with (``X-Request-Id``) if that is well-formed, else one made here.

    Well-formed: 1 to 64 ASCII letters, digits and ``._:-``. Anything else could be no more than a forged line.
    """
    known: str | None = scope.get("timeline_id")
    if known is None:
        sent = (dict(scope["headers"]) if given is None else given).get(REQUEST_ID)
        known = sent.decode() if sent and _WELL_FORMED.fullmatch(sent) else f"{_OURS}-{next(_numbers):010x}"
        scope["timeline_id"] = known
    return known


class Operations:
    """Counts what a server does, and tells. The event loop counts; scraping reads."""

    def __init__(self, timeline: Timeline, clients: Callable[[], int]) -> None:
        """Tell of this timeline; `clients` counts who listens to the live stream."""
        self.cache = CacheFigures()
        self._timeline, self._clients = timeline, clients
        self._answers: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._every = _access.isEnabledFor(logging.INFO)
        self._seconds = Histogram(SECONDS)
        self._started = time.time()

    def answering(self, message: Any, scope: Any, given: Mapping[bytes, bytes]) -> None:  # noqa: ANN401 - as ASGI has it
        """Hear that an answer begins: count it, name it, and write a line where it was slow or failed here.

        `given` are the headers of the request. An answer is named where it is an error, was slow, or the request had a
        name: an answer that many share is the same for all of them.
        """
        status, now = message["status"], time.perf_counter()
        route, seconds = scope.get("path_template") or NOWHERE, now - scope.get(BEGUN, now)
        self._answers[scope["method"], route, status // 100] += 1
        self._seconds.observe(seconds)
        named, slow = status >= 400 or REQUEST_ID in given, seconds >= SLOW
        if named or slow:
            message["headers"].append((REQUEST_ID, request_id(scope, given).encode()))
        if slow or status >= 500 or self._every:
            _tell(scope, route, status, seconds)

    async def metrics(self, _: Request[Any, Any, Any]) -> Response[bytes]:
        """Give every figure in the text format of Prometheus (version 0.0.4)."""
        content = "".join(f"{line}\n" for line in chain(self._of_log(), self._of_answers(), self._of_process()))
        return Response(content.encode(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    def _of_log(self) -> Iterator[str]:
        timeline, appends = self._timeline, self._timeline.appends
        seen = timeline.position  # before the head: the views never seem to be ahead
        head = timeline.head().size
        yield from single("timeline_log_position", "gauge", "Last position of the log.", head)
        yield from single("timeline_views_lag_positions", "gauge", "Positions that the views have not folded yet.",
                          max(0, head - seen))
        yield from single("timeline_writer_up", "gauge", "Whether appends are taken.", int(timeline.is_writing))
        yield from histogram("timeline_append_seconds", "Seconds from asking for an append to its being durable.",
                             appends.seconds)
        yield from histogram("timeline_append_group_requests", "Requests that shared a commit.", appends.groups)
        yield from single("timeline_appends_refused_total", "counter", "Appends that were refused or failed.",
                          appends.refused)

    def _of_answers(self) -> Iterator[str]:
        yield from several("timeline_http_requests_total", "counter", "Answers by method, template of the address and "
                           "class of status.", self._counted())
        yield from histogram("timeline_http_seconds", "Seconds until an answer began.", self._seconds)
        yield from several("timeline_answer_cache_total", "counter", "Questions about events by whether the answer was "
                           "at hand.", [({"result": "hit"}, self.cache.hits), ({"result": "miss"}, self.cache.misses)])
        yield from single("timeline_stream_clients", "gauge", "Live streams that are open.", self._clients())

    def _counted(self) -> Iterator[tuple[dict[str, str], int]]:
        """Give answers by labels; methods nobody knows are one, so that nobody can make labels without end."""
        known: dict[tuple[str, str, int], int] = {}
        for (method, route, class_), number in self._answers.items():
            key = (method if method in METHODS else "other", route, class_)
            known[key] = known.get(key, 0) + number
        for (method, route, class_), number in sorted(known.items()):
            yield {"method": method, "route": route, "status": f"{class_}xx"}, number

    def _of_process(self) -> Iterator[str]:
        yield from single("timeline_uptime_seconds", "gauge", "Seconds since the server began.",
                          round(time.time() - self._started, 3))
        about = {"version": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        yield from single("timeline_build_info", "gauge", "What runs here.", 1, about)


def _tell(scope: Any, route: str, status: int, seconds: float) -> None:  # noqa: ANN401 - see `request_id`
    """Write a line about an answer: method, path without the question, status, milliseconds, the token's name."""
    told = {"method": scope["method"], "route": route, "path": scope["path"][:200], "status": status,
            "ms": round(seconds * 1000, 1)}
    if isinstance(scope.get("auth"), str):
        told["token"] = scope["auth"]
    level = logging.WARNING if status >= 500 or seconds >= SLOW else logging.INFO
    _access.log(level, "answered", extra={"request_id": request_id(scope), "told": told})


# ---------------------------------------------------------------------------------------------- lines

class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and what else is known. Nothing can begin a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        found = {"time": _moment(record), "level": record.levelname.lower(), "logger": record.name,
                 "message": record.getMessage(), **_known(record)}
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)  # ASCII: control characters and line separators are escapes


class TextLines(logging.Formatter):
    """The same for people: what comes from outside stands in quotes and escapes, and a traceback is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        message = "".join(each if each.isprintable() else each.encode("unicode_escape").decode()
                          for each in record.getMessage())
        known = "".join(f" {name}={_word(value)}" for name, value in _known(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name} {message}{known}"
        if record.exc_info:
            line += "".join(f"\n    {each}" for each in self.formatException(record.exc_info).splitlines())
        return line


def _known(record: logging.LogRecord) -> dict[str, Any]:
    id_ = getattr(record, "request_id", None)
    return {**({} if id_ is None else {"request_id": id_}), **getattr(record, "told", {})}


def _word(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9._:/{}+-]+", text) else json.dumps(text)


def _moment(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"


def set_up_logging(form: str = "text", *, every: bool = False) -> None:
    """Write the log to standard error, as `text` or `json`, a line for `every` request or not. The first call wins."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    _access.setLevel(logging.INFO if every else logging.WARNING)


__all__ = ["BEGUN", "SLOW", "JsonLines", "Operations", "TextLines", "request_id", "set_up_logging"]
