"""What a page needs to know besides its events: the names of actors, the titles of other events, the sources.

Everything is read at one position and at most once for a page; only the fields that are shown are decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct

from timeline.chronicle import Timeline
from timeline.model import Relation
from timeline.query import Query

COUNTED: Final = 100_000
"""Positions up to which a page counts events: beyond, counting would cost more than showing."""

LISTED: Final = 500
"""Actors that a list to choose from may have."""

RELATED: Final = 25
"""Events whose answers are asked for at once: few enough for one index scan each."""


class Named(Struct):
    """An actor as lists need it."""

    id: str
    name: str
    kind: str = ""
    names: dict[str, str] = {}


class Titled(Struct):
    """Title in another language."""

    title: str


class Brief(Struct):
    """Another event as a link to it needs it."""

    id: str
    title: str
    lang: str | None = None
    translations: dict[str, Titled] = {}
    relations: list[Relation] = []
    when: str | None = None


class Cited(Struct):
    """A source as citations need it."""

    id: str
    title: str
    published: str | None = None
    publisher: str | None = None
    author: str | None = None
    url: str | None = None
    lang: str | None = None


_named = msgspec.json.Decoder(Named)
_brief = msgspec.json.Decoder(Brief)
_cited = msgspec.json.Decoder(Cited)


@dataclass(frozen=True, slots=True)
class Choices:
    """What a reader can choose from at a position: actors with names, and topics; counts may be missing."""

    position: int
    actors: list[Named]
    actor_counts: dict[str, int]
    topic_counts: dict[str, int]


_choices: WeakKeyDictionary[Timeline, Choices] = WeakKeyDictionary()


def choices(timeline: Timeline, position: int) -> Choices:
    """List actors and topics with the number of their events; kept until the log moves on."""
    found = _choices.get(timeline)
    if found is None or found.position != position:
        reader = timeline.reader()
        few = position <= COUNTED
        actors = [_named.decode(body) for _, body in reader.things("actor", position, limit=LISTED + 1)]
        counts = [reader.lane_counts(prefix, position) if few else {} for prefix in ("actor/", "topic/")]
        found = Choices(position, actors, *counts)
        if position == timeline.position:
            _choices[timeline] = found
    return found


@dataclass(slots=True)
class Lookup:
    """Names, titles and sources at one position, in the languages a reader wants."""

    timeline: Timeline
    position: int
    wanted: Sequence[str]
    reported_by: int | None = None
    _actors: dict[str, Named] = field(default_factory=dict)
    _events: dict[str, Brief] = field(default_factory=dict)
    _sources: dict[str, Cited] = field(default_factory=dict)

    def name(self, actor: str) -> str:
        """Give an actor's name in the first wanted language that has one; the id where nothing is known of it."""
        found = self._actors.get(actor)
        if found is None:
            body = self.timeline.reader().thing("actor", actor, self.position)
            found = self._actors[actor] = _named.decode(body) if body else Named(actor, actor)
        return self.named(found)

    def named(self, actor: Named) -> str:
        """Give the name of an actor that is at hand."""
        return next((actor.names[lang] for lang in self.wanted if lang in actor.names), actor.name)

    def event(self, event_id: str) -> Brief:
        """Give what is known of another event."""
        found = self._events.get(event_id)
        if found is None:
            body = self.timeline.reader().event(event_id, self.position)
            found = self._events[event_id] = _brief.decode(body) if body else Brief(event_id, event_id)
        return found

    def title(self, event_id: str) -> tuple[str, str | None]:
        """Give another event's title and its language."""
        event = self.event(event_id)
        return pick(self.wanted, event.lang, event.title, {k: v.title for k, v in event.translations.items()})

    def source(self, source_id: str) -> Cited:
        """Give what is known of a source."""
        found = self._sources.get(source_id)
        if found is None:
            body = self.timeline.reader().thing("source", source_id, self.position)
            found = self._sources[source_id] = _cited.decode(body) if body else Cited(source_id, source_id)
        return found

    def incoming(self, ids: Sequence[str]) -> dict[str, list[tuple[Relation, str]]]:
        """Give, for each event, what bears on it: (relation, id of the event that says so), in order of time."""
        wanted = set(ids)
        found: dict[str, list[tuple[Relation, str]]] = {}
        for start in range(0, len(ids), RELATED):
            for brief in self._answers(ids[start : start + RELATED]):
                for relation in brief.relations:
                    if relation.event in wanted and (relation, brief.id) not in found.setdefault(relation.event, []):
                        found[relation.event].append((relation, brief.id))
        return found

    def _answers(self, ids: Sequence[str]) -> Iterable[Brief]:
        query = Query(related=tuple(sorted(ids)), at=self.position, limit=1000, reported_by=self.reported_by)
        for body in self.timeline.ask(query).bodies:
            brief = _brief.decode(body)
            self._events.setdefault(brief.id, brief)
            yield brief


def pick(wanted: Sequence[str], lang: str | None, text: str, others: dict[str, Any]) -> tuple[str, str | None]:
    """Choose a text in the first wanted language there is: (text, its language)."""
    for want in wanted:
        if want == lang:
            return text, lang
        if others.get(want):
            return others[want], want
    return text, lang
