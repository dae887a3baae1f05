"""What a foreign file says, before it becomes changes: events without our ids, actors and sources by their names.

A reader of a foreign format (`timeline.importing.readers`) yields a `Draft` for each row it understands and a `Fault`
for each it does not; it never guesses. What it understood but could not carry over it counts in `Reading.losses`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from timeline.errors import TimelineError


class Mention(NamedTuple):
    """An actor as a file names it: a group, an attendee, a lane. `kind` is what the file says, "" where it does not."""

    name: str
    role: str = "participant"
    kind: str = ""
    id: str = ""


class Link(NamedTuple):
    """A document a file refers to: it becomes a source, and a citation of it."""

    url: str
    title: str = ""
    exact: str = ""


@dataclass(slots=True)
class Draft:
    """One event of a foreign file.

    `line` is where it stands: a line of text, or of a JSON document the line its object begins at. `event` holds the
    fields of an event as the API takes them (`title`, `when`, `tz`, `summary`, `status`, `media`, `place` ...), but no
    `id`, `actors` or `citations`: those are made from `foreign_id`, `actors` and `links`.
    """

    line: int
    event: dict[str, Any]
    foreign_id: str = ""
    actors: list[Mention] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


class Unread(NamedTuple):
    """A row that cannot be read: where it stands and why. Its faults point at the column or member of the file."""

    line: int
    error: TimelineError


@dataclass(slots=True)
class Reading:
    """How a file is to be read, and what could not be carried over from it.

    `day_first` decides 10.5.2025 (True: 10 May; None: refused). `tz` is the IANA zone of civil dates whose zone the
    file does not say. `losses` counts events by what they lost ("background colours"), `skipped` rows that are no
    events, by what they are ("eras"), `notes` are sentences about the whole file.
    """

    day_first: bool | None = None
    tz: str | None = None
    losses: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


__all__ = ["Draft", "Link", "Mention", "Reading", "Unread"]
