"""The form that asks a timeline its questions, with what was typed, what was wrong with it, and what is in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from timeline.chronicle import Timeline
from timeline.model import Kind, Status
from timeline.web.filters import QUIET, Asked, url
from timeline.web.lookup import LISTED, choices
from timeline.web.past import moment
from timeline.web.show import Scene, View, topic_name
from timeline.wording import label

_FIELDS = ("q", "from", "to", "actor", "topic", "kind", "status", "reported_by", "at", "as_of", "match", "order",
           "retracted")
_CHIP_NAMES = {"reported_by": "reported-by", "as_of": "as-of", "at": "position"}


def form_view(timeline: Timeline, asked: Asked, scene: Scene) -> View:
    """Give every field with its value, choices and fault, and a chip for each filter in use."""
    known = choices(timeline, asked.position)
    actors = [(actor.id, scene.lookup.named(actor)) for actor in known.actors]
    actors.sort(key=lambda pair: pair[1].casefold())
    listed = actors if len(actors) <= LISTED else []
    topics = [(topic, topic_name(topic)) for topic in known.topic_counts]
    recorded = timeline.reader().recorded_at(timeline.position)
    return {
        "fields": {name: _field(asked, name) for name in _FIELDS},
        "actors": _options(listed, asked.values("actor"), known.actor_counts),
        "topics": _options(sorted(topics, key=lambda pair: pair[1]), asked.values("topic"), known.topic_counts),
        "kinds": _options(((word, label("kind", word, scene.lang)) for word in get_args(Kind)), asked.values("kind")),
        "statuses": _options(((word, label("status", word, scene.lang)) for word in get_args(Status)),
                             asked.values("status")),
        "last": timeline.position,
        "recorded": recorded[:19] + "Z" if recorded else "",
        "recorded_words": moment(recorded, scene.lang) if recorded else "",
        "hidden": [pair for pair in asked.given if pair[0] not in (*_FIELDS, "cursor", *asked.faults)],
        "chips": _chips(asked, scene),
        "reset": url("/", [pair for pair in asked.given if pair[0] == "lang" and "lang" not in asked.faults]),
        "other_faults": {name: fault for name, fault in asked.faults.items() if name not in _FIELDS},
        "more_open": any(asked.value(name) for name in ("match", "order", "retracted")),
        "clocks_open": any(asked.value(name) for name in ("reported_by", "at", "as_of")),
    }


def _field(asked: Asked, name: str) -> View:
    return {"id": f"f_{name}", "name": name, "value": asked.value(name), "values": asked.values(name),
            "fault": asked.faults.get(name, "")}


def _options(pairs: Iterable[tuple[str, str]], chosen: list[str], counts: Mapping[str, int] | None = None
             ) -> list[View]:
    """List what can be chosen: with the number of events where it is known, without what has none."""
    return [
        {"value": value, "name": name, "chosen": value in chosen, "count": (counts or {}).get(value, 0)}
        for value, name in pairs if not counts or counts.get(value) or value in chosen
    ]


def _chips(asked: Asked, scene: Scene) -> list[View]:
    return [
        {"name": _chip_name(scene, name), "value": _chip_value(scene, name, value),
         "href": url("/", [pair for pair in asked.without("cursor") if pair != (name, value)])}
        for name, value in asked.given
        if name not in QUIET and name not in asked.faults
    ]


def _chip_name(scene: Scene, name: str) -> str:
    key = _CHIP_NAMES.get(name, name)
    return scene.t(key) if name in (*_FIELDS, "place") else key


def _chip_value(scene: Scene, name: str, value: str) -> str:
    if name == "actor":
        return scene.lookup.name(value)
    if name == "topic":
        return topic_name(value)
    if name in ("kind", "status"):
        return label(name, value, scene.lang)
    if name == "retracted":
        return scene.t(f"retracted-{value}")
    return value
