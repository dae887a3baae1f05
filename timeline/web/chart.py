"""A question's answer as a chart draws it: what stands where, in words and in seconds, and nothing that is markup.

`drawing` is pure: rows and bodies in, a dict out, as ``GET /v1/chart`` gives it. `chart` asks the views for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from timeline.chronicle import Timeline
from timeline.connections import time_budget
from timeline.edtf import Edtf, EdtfError, day, parse
from timeline.model import slugify
from timeline.query import Query
from timeline.reading import BUDGET
from timeline.views.chart import Bounds, Cluster, Frame, Sight, Spot, look, place_of, stances, unmoved
from timeline.views.reader import Reader
from timeline.web.lookup import Named, Titled, pick
from timeline.web.show import shape, topic_name
from timeline.web.words import words
from timeline.wording import label, language, when_in_words

View = dict[str, Any]
Turns = Mapping[tuple[str, str, str, str], str]
"""From what stance an actor turned: (event, actor, topic, new position) -> the position before."""

_FIRM: Final = ("day", "minute", "second")


class _Revision(Struct):
    number: int


class _Erased(Struct):
    parts: list[str]


class _Stance(Struct):
    actor: str
    topic: str
    position: str


class _Cited(Struct):
    source: str


class _Bearing(Struct):
    type: str
    event: str


class _Outcome(Struct):
    state: str


class _Place(Struct):
    name: str
    id: str | None = None


class _Title(Struct):
    """An event whose title stands for a cluster."""

    id: str
    title: str
    lang: str | None = None
    translations: dict[str, Titled] = {}
    erased: _Erased | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing but a tombstone is left."""
        return self.erased is not None and "body" in self.erased.parts


class _Event(_Title, kw_only=True):
    """What a chart shows of an event that is drawn singly."""

    kind: str
    status: str
    revision: _Revision
    when: str | None = None
    about: str | None = None
    tz: str | None = None
    retracted: dict[str, Any] | None = None
    merged_into: str | None = None
    citations: list[_Cited] = []
    relations: list[_Bearing] = []
    outcome: _Outcome | None = None
    stances: list[_Stance] = []


class _Located(Struct):
    lang: str | None = None
    place: _Place | None = None


class _Taking(Struct):
    id: str
    stances: list[_Stance] = []


_title = msgspec.json.Decoder(_Title)
_event = msgspec.json.Decoder(_Event)
_located = msgspec.json.Decoder(_Located)
_taking = msgspec.json.Decoder(_Taking)
_named = msgspec.json.Decoder(Named)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a chart says things: the language asked for, the one we write, and which date of an event is meant."""

    wanted: Sequence[str]
    lang: str
    about: bool

    @classmethod
    def of(cls, query: Query) -> Wording:
        """Take it from a question. A tag matches itself and its primary language (RFC 4647, lookup)."""
        asked = query.lang
        wanted = () if asked is None else tuple(dict.fromkeys((asked, asked.partition("-")[0])))
        return cls(wanted, language(asked), query.on == "about")

    def title(self, event: _Title) -> tuple[str, str | None]:
        """Give an event's title and its language."""
        if event.is_gone:
            return words(self.lang)("erased-title"), self.lang
        return pick(self.wanted, event.lang, event.title, {key: each.title for key, each in event.translations.items()})


def chart(timeline: Timeline, query: Query, window: Bounds, frame: Frame) -> tuple[View, bool]:
    """Draw a window of a question's answer; also say whether the drawing can never change.

    Args:
        timeline: where to look.
        query: the question.
        window: first and last second of the stretch looked at (seconds since 1970-01-01T00:00:00Z); None: no bound.
        frame: lanes and slots.

    Raises:
        NotFound: the log has not reached the position asked for.
        TooCostly: it takes longer than one question may.

    """
    position, final = timeline.resolve(query)
    reader, wording = timeline.reader(), Wording.of(query)
    with time_budget(reader.connection, BUDGET), unmoved(reader):
        sight = look(reader, query, position, window, frame)
        events = {spot: _event.decode(sight.bodies[spot.n]) for spot in sight.singles}
        turns = _turns(reader, query, position, events.values())
        name = _names(reader, frame.by, position, wording)
        drawn = drawing(sight, events, turns, name, wording)
        head = {"position": position, "recorded_at": reader.recorded_at(position),
                "pinned": query.at is not None or query.as_of is not None}
    return head | drawn, final


def drawing(
    sight: Sight, events: Mapping[Spot, _Event], turns: Turns, name: Callable[[str], tuple[str, str | None]],
    wording: Wording,
) -> View:
    """Write down what was seen. `name` names a lane, with the language of its name."""
    lanes = []
    for lane, count in sight.lanes:
        text, lang = name(lane)
        lanes.append({"id": lane, "name": text, "count": count, "lang": lang})
    overview = sight.overview and dict(zip(("start", "width", "counts"), sight.overview, strict=True))
    return {
        "count": sight.count, "undated": sight.undated, "in_window": sight.in_window,
        "range": _span(sight.extent), "window": _span(sight.window), "overview": overview,
        "lanes": lanes, "other_lanes": sight.other_lanes,
        "events": [_single(event, spot, sight.singles[spot], turns, wording) for spot, event in events.items()],
        "clusters": [_cluster(each, sight.bodies[each.spot.n], wording) for each in sight.clusters],
    }


def _span(span: tuple[int, int] | None) -> View | None:
    return span and {"start": span[0], "end": span[1]}


def _cluster(cluster: Cluster, body: str, wording: Wording) -> View:
    event = _title.decode(body)
    return {"lane": cluster.lane, "start": cluster.start, "end": cluster.end, "count": cluster.count,
            "title": wording.title(event)[0], "id": event.id}


def _single(event: _Event, spot: Spot, lanes: list[int], turns: Turns, wording: Wording) -> View:
    title, lang = wording.title(event)
    when = (event.about if wording.about else event.when) or (_days(spot.bounds) if event.is_gone else None)
    start, end = spot.bounds
    view: View = {
        "id": event.id, "title": title, "lang": lang, "when": when,
        "words": when_in_words(when, wording.lang, event.tz, expected=event.kind == "plan"), "shape": shape(when),
        "start": start, "end": end, "core": core(when, event.tz) if when else None,
        "kind": event.kind, "status": event.status, "revision": event.revision.number, "lanes": lanes,
        "sources": len({citation.source for citation in event.citations}),
        "relations": [{"type": relation.type, "event": relation.event} for relation in event.relations],
    }
    return view | _marks(event, turns)


def _marks(event: _Event, turns: Turns) -> View:
    """Give what only some events have."""
    marks: View = {}
    if event.retracted is not None:
        marks["retracted"] = True
    if event.merged_into is not None:
        marks["merged_into"] = event.merged_into
    if event.erased is not None:
        marks["erased"] = True
    if event.outcome is not None:
        marks["outcome"] = event.outcome.state
    if event.stances:
        marks["stance"] = [_stance(event.id, stance, turns) for stance in event.stances]
    return marks


def _stance(event_id: str, stance: _Stance, turns: Turns) -> View:
    before = turns.get((event_id, stance.actor, stance.topic, stance.position))
    return {"topic": stance.topic, "position": stance.position, **({"changed_from": before} if before else {})}


def _days(bounds: Bounds) -> str | None:
    """Give the days that headers know of an event whose date was erased, as EDTF where it has a form for them."""
    first, last = (".." if end is None else day(end) for end in bounds)
    text = first if first == last else f"{first}/{last}"
    try:
        return parse(text).text
    except EdtfError:
        return None


@lru_cache(maxsize=4096)
def core(when: str, tz: str | None = None) -> list[int] | None:
    """Give the stretch over which an interval with an unsure end certainly lasts, in seconds since 1970-01-01 UTC.

    It goes from the latest second at which it can have begun to the earliest at which it can have ended (ISO 8601-2,
    4.4: a date of an interval stands for some time within it). A plain day or time as an end is as sure as the chart
    draws: there the stretch goes to the outer bound. None for all else, and where nothing is certain.

    >>> core("2025-08/2025-10"), core("2025-08-15/2025-08-18"), core("2025-08/2025-08")
    ([1756684799, 1759276800], None, None)
    """
    date = parse(when)
    if date.kind != "interval" or date.start is None or date.end is None:
        return None
    firm = _is_firm(date.start), _is_firm(date.end)
    begin, end = date.start.bounds(tz)[not firm[0]], date.end.bounds(tz)[firm[1]]
    if all(firm) or begin is None or end is None or begin > end:
        return None
    return [begin, end]


def _is_firm(date: Edtf) -> bool:
    doubtful = date.approximate or date.uncertain or "X" in date.text
    return date.precision in _FIRM and not doubtful


def _turns(reader: Reader, query: Query, position: int, events: Iterable[_Event]) -> Turns:
    """Find where actors turned from another stance, on the topics that are drawn."""
    found: dict[tuple[str, str, str, str], str] = {}
    for topic in sorted({stance.topic for event in events for stance in event.stances}):
        last: dict[str, str] = {}
        for taking in map(_taking.decode, stances(reader, topic, query, position)):
            for stance in taking.stances:
                if stance.topic != topic:
                    continue
                before = last.get(stance.actor)
                if before is not None and before != stance.position:
                    found[taking.id, stance.actor, topic, stance.position] = before
                last[stance.actor] = stance.position
    return found


def _names(reader: Reader, by: str, position: int, wording: Wording) -> Callable[[str], tuple[str, str | None]]:
    """Give what names a lane: (name, its language; None where that is not known or the name has none)."""

    def actor(id_: str) -> tuple[str, str | None]:
        body = reader.thing("actor", id_, position)
        found = _named.decode(body) if body else Named(id_, id_)
        return next(((found.names[lang], lang) for lang in wording.wanted if lang in found.names), (found.name, None))

    def place(id_: str) -> tuple[str, str | None]:
        body = place_of(reader, id_, position)
        found = _located.decode(body) if body else _Located()
        named = found.place is not None and id_ == (found.place.id or slugify(found.place.name))
        return (found.place.name, found.lang) if found.place and named else (id_, None)

    return {
        "actor": actor, "place": place, "topic": lambda id_: (topic_name(id_), None),
    }.get(by, lambda id_: (label("kind", id_, wording.lang), wording.lang))
