"""The page that sets actors side by side: what each of them did and said, in one chronology, and where each stood.

An event in which several of them take part stands once, across their columns: what they shared is seen at a glance.
Below 44 rem the columns become one list in which each event names whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

import msgspec

from timeline.chronicle import Timeline
from timeline.query import BY_NAME, Pairs, pinned
from timeline.web.filters import url
from timeline.web.lookup import LISTED, choices
from timeline.web.metadata import Site
from timeline.web.page import Asset, Page, Sheet, open_sheet
from timeline.web.show import View, event_view, group, topic_name
from timeline.wording import label

MOST: Final = 4
"""Columns that fit beside each other and can still be read."""

EVENTS: Final = 500
"""Most events on the page: two busy years of two busy people."""


def compare_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                 site: Site | None = None) -> Page:
    """Render ``GET /compare?actor=a&actor=b``: events of two to four actors in columns; other filters as for ``/``."""
    sheet = open_sheet(timeline, "/compare", parameters, BY_NAME, asset, languages, site=site)
    actors = list(dict.fromkeys(sheet.asked.query.actors))[:MOST]
    people = [sheet.scene.actor(actor) for actor in actors]
    title = " · ".join(person["name"] for person in people) if len(people) > 1 else sheet.scene.t("compare")
    found = _compared(timeline, sheet, actors) if len(actors) > 1 else {"groups": [], "more": False, "stances": []}
    return sheet.page("compare.html", title, people=people, options=_options(timeline, sheet, actors),
                      hidden=[pair for pair in sheet.asked.given if pair[0] not in ("actor", "cursor", "limit")],
                      everything=url("/", sheet.asked.without("cursor")), **found)


def _options(timeline: Timeline, sheet: Sheet, actors: Sequence[str]) -> list[View]:
    """Give the choices of the form: one field a column, one more than is in use."""
    known = choices(timeline, sheet.asked.position)
    named = sorted(((actor.id, sheet.scene.lookup.named(actor)) for actor in known.actors[:LISTED]),
                   key=lambda pair: pair[1].casefold())
    fields = max(2, min(MOST, len(actors) + 1))
    wanted = [*actors, *[""] * (fields - len(actors))][:fields]
    actors_ = [{"value": value, "name": name} for value, name in named]
    return [{"id": f"c_{number}", "chosen": actor, "actors": actors_} for number, actor in enumerate(wanted)]


def _compared(timeline: Timeline, sheet: Sheet, actors: Sequence[str]) -> View:
    scene = sheet.scene
    query = replace(pinned(sheet.asked.query, sheet.asked.position), actors=tuple(actors), limit=EVENTS, after=None)
    answer = timeline.ask(query)
    bodies = [msgspec.json.decode(body) for body in answer.bodies]
    rows = [(group(scene, body.get("when")), _row(sheet, body, actors)) for body in bodies]
    groups = [{"key": key, "title": title, "rows": [row for _, row in found]}
              for (key, title), found in groupby(rows, key=lambda pair: pair[0])]
    return {"groups": groups, "more": answer.cursor is not None, "stances": _stances(sheet, bodies, actors)}


def _row(sheet: Sheet, body: Mapping[str, Any], actors: Sequence[str]) -> View:
    """Show an event in the columns of its actors; those between them are crossed, not filled."""
    taking_part = {part["id"] for part in body.get("actors", ())}
    roles: dict[str, list[str]] = {}
    for part in body.get("actors", ()):
        roles.setdefault(part["id"], []).append(label("role", part["role"], sheet.scene.lang))
    columns = [number for number, actor in enumerate(actors) if actor in taking_part]
    view = event_view(sheet.scene, body)
    return {**view, "columns": columns, "first": columns[0] + 1 if columns else 1,
            "span": columns[-1] - columns[0] + 1 if columns else len(actors),
            "who": [{"name": sheet.scene.lookup.name(actors[number]), "roles": ", ".join(roles[actors[number]])}
                    for number in columns]}


def _stances(sheet: Sheet, bodies: Sequence[Mapping[str, Any]], actors: Sequence[str]) -> list[View]:
    """Give where each actor stood on each topic, in order, topics on which several of them took a stand first."""
    found: dict[str, dict[str, list[View]]] = {}
    for body in bodies:
        for stance in body.get("stances", ()):
            if stance["actor"] in actors:
                steps = found.setdefault(stance["topic"], {}).setdefault(stance["actor"], [])
                if not steps or steps[-1]["word"] != stance["position"]:
                    steps.append({**sheet.scene.label("position", stance["position"]),
                                  "when": sheet.scene.when(body.get("when")), "event": sheet.scene.other(body["id"])})
    order = sorted(found, key=lambda topic: (-len(found[topic]), topic_name(topic)))
    return [{**sheet.scene.topic(topic), "cells": [found[topic].get(actor, []) for actor in actors],
             "differ": len({steps[-1]["word"] for steps in found[topic].values()}) > 1} for topic in order]


__all__ = ["compare_page"]
