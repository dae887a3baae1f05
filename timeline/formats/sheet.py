"""What a format is given to write, and its account of what it could not carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import NAMESPACE_URL, uuid5

from timeline.wording import deslug

NameOf = Callable[[str], str | None]
"""Gives the name of an actor by id; None where it is not known."""

UNNAMED_LOG: Final = "timeline.local"
_OF_ANSWERS: Final = ("f", "limit", "order", "cursor")
"""Parameters of an answer rather than of a question: the page of it has its own."""



def unnamed(_: str) -> str | None:
    """Know no actor by name."""
    return None


@dataclass(slots=True)
class Losses:
    """What a format could not carry, by reason, in numbers of events: known in full when all has been written.

    `left_out` counts events that are not there, `reduced` events that are there with less than was recorded.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    reduced: Counter[str] = field(default_factory=Counter)

    @property
    def omitted(self) -> int:
        """Give the number of events that are not there."""
        return self.left_out.total()

    def sentences(self) -> list[str]:
        """Say each loss for people, the most frequent first.

        >>> Losses(Counter({"no date": 3})).sentences()
        ['left out 3: no date']
        """
        return [f"{what} {count}: {reason}"
                for what, reasons in (("left out", self.left_out), ("reduced", self.reduced))
                for reason, count in reasons.most_common()]

    def headers(self) -> dict[str, str]:
        """Say it in HTTP: how many events are not there, and how many are there with less."""
        found = {"Timeline-Omitted": self.omitted, "Timeline-Reduced": max(self.reduced.values(), default=0)}
        return {name: str(count) for name, count in found.items() if count}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written: encoded event bodies in order, the position they speak of, and where the next page is.

    `origin` is the name of the log, which makes ids unique in the world; `name_of` looks actors' names up, for formats
    that show them to people. What could not be carried is in `losses` once everything is written.

    `base` is where the server is known to the world (``https://timeline.example.org``), empty where nobody said;
    `address` is where this very sheet can be had again, from its first slash. Formats that want absolute addresses of
    itself and of its pages have them only with both.
    """

    bodies: Iterable[str]
    position: int
    next: str | None = None
    origin: str = UNNAMED_LOG
    name_of: NameOf = unnamed
    losses: Losses = field(default_factory=Losses)
    base: str = ""
    address: str = ""

    @property
    def own_url(self) -> str:
        """Give the absolute address of this sheet; empty where it is not known."""
        return f"{self.base}{self.address}" if self.base and self.address else ""

    @property
    def page_url(self) -> str:
        """Give the absolute address of the page that shows the same question to people; empty where it is not known."""
        return f"{self.base}{page_of(self.address)}" if self.own_url else ""

    def event_url(self, event_id: str) -> str:
        """Give the absolute address of an event's page; empty where it is not known."""
        return f"{self.base}/events/{event_id}" if self.base else ""

    def name(self, actor: str) -> str:
        """Name an actor for people; without a name, its id as words.

        >>> Sheet([], 0).name("karoline-leavitt")
        'karoline leavitt'
        """
        return self.name_of(actor) or deslug(actor)

    def urn(self, kind: str = "", id_: str = "") -> str:
        """Make an id unique in the world, and for ever the same, of an id of this log (RFC 9562, UUID version 5).

        Without an id it names the log itself.
        """
        return uuid5(NAMESPACE_URL, "/".join(filter(None, (f"https://{self.origin}", kind, id_)))).urn


def page_of(address: str) -> str:
    """Give the address of the page of a question from its address in the API.

    >>> page_of("/v1/actors/axios/timeline?q=ab&f=atom"), page_of("/v1/events?f=ics")
    ('/actors/axios?q=ab', '/')
    """
    path, _, query = address.partition("?")
    path = "/" if path == "/v1/events" else path.removeprefix("/v1").removesuffix("/timeline")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in _OF_ANSWERS]
    return f"{path}?{urlencode(kept)}" if kept else path


def joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Put commas between the members of a JSON array."""
    first = True
    for chunk in chunks:
        yield chunk if first else b"," + chunk
        first = False
