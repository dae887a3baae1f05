"""The pages of snapshots: which were published, and one of them, with what checks it in the reader's browser.

A snapshot comes as plain values (`timeline.api.snapshots.described`): what verifies or makes one is not imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from timeline.chronicle import Timeline
from timeline.edtf import iso
from timeline.query import MAX_POSITION, Pairs
from timeline.web.filters import Pair, url
from timeline.web.lookup import Lookup
from timeline.web.metadata import Site
from timeline.web.page import Asset, Page, Sheet, open_sheet
from timeline.web.past import moment
from timeline.web.show import Scene, View, event_view, group, topic_name
from timeline.wording import deslug, label

CHECKS: Final = ("form", "id", "content", "checkpoint", "tree", "parts", "entries", "complete", "published")
"""What the browser checks, in the order in which `verify.js` tells of it."""

LISTED: Final = 50


def snapshot_page(timeline: Timeline, made: Mapping[str, Any], parameters: Pairs, *, asset: Asset,
                  languages: Sequence[str] = (), site: Site | None = None) -> Page:
    """Render ``GET /snapshots/{id}``: what was asked, what the answer was, and the panel that checks it."""
    sheet = open_sheet(timeline, f"/snapshots/{made['id']}", parameters, ("lang",), asset, languages, site=site)
    question = travel(timeline, sheet, made)
    scene = sheet.scene
    shown = {
        **made, "question": question, "groups": groups_of(scene, made["events"]), "gone": _gone(scene, made["events"]),
        "when": moment(made["published"]["recorded_at"], scene.lang), "checks": CHECKS,
        "live": made["live"] and url(*_split(made["live"], sheet.asked.kept())),
    }
    return sheet.page("snapshot.html", title_of(scene, question), made=shown)


def travel(timeline: Timeline, sheet: Sheet, made: Mapping[str, Any]) -> list[View]:
    """Move a sheet to the state of the log that a snapshot shows; gives what it asked, in words."""
    size, form = made["log"]["size"], made["query"]
    own: list[Pair] = [("at", str(size))]
    if "reported_by" in form:
        own.append(("reported_by", iso(form["reported_by"])))
    lookup = Lookup(timeline, size, sheet.scene.wanted, form.get("reported_by"))
    sheet.scene = replace(sheet.scene, lookup=lookup, kept=[*sheet.scene.kept, *own])
    sheet.asked.position = size
    return list(_question(sheet.scene, form))


def snapshots_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                   site: Site | None = None) -> Page:
    """Render ``GET /snapshots``: what was published, newest first."""
    given = list(parameters)
    wanted = next((value for name, value in given if name == "before"), "")
    before = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= 16 else MAX_POSITION
    rest = [pair for pair in given if pair[0] != "before"]
    sheet = open_sheet(timeline, "/snapshots", rest, ("lang",), asset, languages, site=site)
    rows = timeline.reader().snapshots(before, LISTED + 1)
    items = [_listed(sheet.scene, msgspec.json.decode(body)) for _, body in rows[:LISTED]]
    older = url("/snapshots", [*sheet.asked.kept(), ("before", str(rows[LISTED - 1][0]))]) if len(rows) > LISTED else ""
    return sheet.page("snapshots.html", sheet.scene.t("snapshots"), items=items, older=older)


def _listed(scene: Scene, made: Mapping[str, Any]) -> View:
    published = made["published"]
    return {
        "href": scene.link(f"/snapshots/{made['id']}"), "title": title_of(scene, list(_question(scene, made["query"]))),
        "id": made["id"], "count": made["entries"], "size": made["log"]["size"],
        "when": moment(published["recorded_at"], scene.lang), "who": published["author"],
    }


def _split(address: str, kept: Sequence[Pair]) -> tuple[str, list[Pair]]:
    """Take an address apart, so that the language can be added."""
    path, _, query = address.partition("?")
    return path, [*parse_qsl(query), *kept]


# ---------------------------------------------------------------------------------------------- what was asked

def title_of(scene: Scene, question: Sequence[View]) -> str:
    """Say what was asked in one line."""
    parts = [f"{item['name']}{scene.t('colon')} {', '.join(item['values'])}" for item in question]
    return " · ".join(parts) or scene.t("all-events")


def _question(scene: Scene, form: Mapping[str, Any]) -> Iterator[View]:
    """Say a normal form in words: one view for each part of it."""
    t, lang = scene.t, scene.lang
    named = {
        "actors": ("actor", scene.lookup.name), "roles": ("snapshot-role", lambda role: label("role", role, lang)),
        "kinds": ("kind", lambda kind: label("kind", kind, lang)),
        "statuses": ("status", lambda status: label("status", status, lang)), "topics": ("topic", topic_name),
        "places": ("place", lambda place: deslug(place).title()),
        "sources": ("sources-heading", lambda source: scene.lookup.source(source).title),
        "related": ("links", lambda event: scene.lookup.title(event)[0]),
    }
    for name, (word, say) in named.items():
        if name in form:
            more = [t("snapshot-about-members")] if name == "actors" and form.get("members") else []
            yield {"name": t(word), "values": [*map(say, form[name]), *more]}
    for name, word in (("lower", "from"), ("upper", "to"), ("reported_by", "reported-by")):
        if name in form:
            yield {"name": t(word), "values": [_instant(scene, form[name])]}
    if "text" in form:
        yield {"name": t("q"), "values": [form["text"]]}
    yield from _choices(scene, form)


def _choices(scene: Scene, form: Mapping[str, Any]) -> Iterator[View]:
    t = scene.t
    if "match" in form:
        yield {"name": t("match"), "values": [t("match-must")]}
    if "on" in form:
        yield {"name": t("snapshot-speaks-of"), "values": [t("snapshot-on-about")]}
    if "retracted" in form:
        yield {"name": t("retracted"), "values": [t("retracted-include")]}
    ranged = "lower" in form or "upper" in form
    if form.get("undated", True) == ranged and "on" not in form:
        yield {"name": t("snapshot-undated"), "values": [t(f"snapshot-undated-{'include' if ranged else 'exclude'}")]}


def _instant(scene: Scene, seconds: int) -> str:
    """Say a bound: the first or last second of a day (UTC) as that day."""
    text = iso(seconds)
    return scene.when_typed(text[:-10] if text.endswith(("T00:00:00Z", "T23:59:59Z")) else text)


# ---------------------------------------------------------------------------------------------- the events

def groups_of(scene: Scene, bodies: Sequence[Mapping[str, Any]]) -> list[View]:
    """Show the events of a snapshot in groups, as lists show them; without those that were erased since."""
    told = [body for body in bodies if "title" in body]
    incoming = scene.lookup.incoming([body["id"] for body in told])
    keyed = [(group(scene, body.get("when")), event_view(scene, body, incoming.get(body["id"], []))) for body in told]
    return [{"key": key, "title": title, "events": [view for _, view in found]}
            for (key, title), found in groupby(keyed, key=lambda pair: pair[0])]


def _gone(scene: Scene, bodies: Sequence[Mapping[str, Any]]) -> list[View]:
    """Show what was erased since, with the reason that the log gives."""
    return [
        {"id": body["id"], "href": scene.link(f"/events/{body['id']}"),
         "parts": ", ".join(body["erased"].get("parts", [])), "reason": body["erased"].get("reason", "")}
        for body in bodies if body.get("erased")
    ]


__all__ = ["CHECKS", "groups_of", "snapshot_page", "snapshots_page", "title_of", "travel"]
