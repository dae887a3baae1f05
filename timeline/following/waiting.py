"""Waiting as a server asks: Retry-After on 429 and 503 (RFC 9110 section 10.2.3, RFC 6585 section 4).

Whether a request may be sent twice is for its sender to know: reads are, and writes whose changes carry idempotency
keys. A refusal that names no time is final here: guessing one would put load on a server that has just refused it.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

REFUSALS: Final = frozenset({429, 503})
"""Too Many Requests, Service Unavailable: the statuses that may say when to come again."""

MOST: Final = 60.0
"""Seconds waited at a time. Where a server asks for more, the user is told and decides: nobody asks earlier."""

TIMES: Final = 5
"""How often one request is sent, altogether."""

JITTER: Final = 0.25
"""The part of a wait that is added at random, so that clients refused together do not come back together."""

Tell = Callable[[str], None]
_log = logging.getLogger("timeline")
_DELTA: Final = re.compile(r"[0-9]{1,9}")


class Waiting:
    """The waiting of one client. It tells its user once; `stop` ends it from any thread."""

    def __init__(self, tell: Tell = _log.warning, *, clock: Callable[[], float] = time.time) -> None:
        """Tell the user by `tell`; `clock` gives seconds since 1970."""
        self._tell, self._clock = tell, clock
        self._told = False
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Wake whoever waits; nobody is asked again."""
        self._stopped.set()

    def again(self, times: int, name: str, status: int, headers: Mapping[str, str]) -> bool:
        """Wait as a refusal asks. True where the request is to be sent again, False where the refusal is final.

        `times` is how often the request was sent so far, `name` what its user calls the server.
        """
        seconds = told(status, headers, self._clock())
        if seconds is None or seconds > MOST or times >= TIMES:
            return False
        if not self._told:
            self._told = True
            self._tell(f"{name} answered {status}: waiting {seconds:,.0f} s, as it asks, before asking again")
        spread = JITTER * max(seconds, 1.0)
        return not self._stopped.wait(seconds + random.uniform(0, spread))  # noqa: S311 - no secret


def told(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Give the seconds a refusal asks to wait; None where it is another answer, or does not say.

    A date is measured by the answer's own Date, where it has one: the server's clock and ours may differ. `now` is
    ours, in seconds since 1970.
    """
    value = headers.get("retry-after", "").strip()
    if status not in REFUSALS or not value:
        return None
    if _DELTA.fullmatch(value):
        return float(value)
    until = _date(value)
    sent = _date(headers.get("date", ""))
    return None if until is None else max(0.0, until - (now if sent is None else sent))


def in_words(status: int, headers: Mapping[str, str], now: float | None = None) -> str:
    """Say when a server asks to come again, for the end of a sentence; nothing where it does not say."""
    seconds = told(status, headers, time.time() if now is None else now)
    return "" if seconds is None else f"it asks to come again in {seconds:,.0f} s"


def _date(text: str) -> float | None:
    """Read an HTTP-date in any of its three forms (RFC 9110 section 5.6.7), which are all in UTC."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


__all__ = ["MOST", "REFUSALS", "TIMES", "Tell", "Waiting", "in_words", "told"]
