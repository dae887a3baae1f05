"""What a format is given to write, and its account of what it could not carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from timeline.wording import deslug

NameOf = Callable[[str], str | None]
"""Gives the name of an actor by id; None where it is not known."""

UNNAMED_LOG: Final = "timeline.local"


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
    """

    bodies: Iterable[str]
    position: int
    next: str | None = None
    origin: str = UNNAMED_LOG
    name_of: NameOf = unnamed
    losses: Losses = field(default_factory=Losses)

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


def joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Put commas between the members of a JSON array."""
    first = True
    for chunk in chunks:
        yield chunk if first else b"," + chunk
        first = False
