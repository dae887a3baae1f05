"""The pages people read: a timeline, one event, one actor, one topic. Rendered here whole; no script is needed.

Each function takes a `Timeline`, the (name, value) pairs of the URL, `asset` (name of a file in `static` -> its URL)
and `languages` (what the reader accepts, best first; `lang` in the URL comes before them), and gives a `Page`. They
read only; `TooCostly` may be raised. Every text goes through the template's escaping; there is no inline style and no
inline script, so that `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action
'self'` holds. `site` is where the page is served: with it a page says so in its head, and offers to be taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from timeline.chronicle import Timeline
from timeline.errors import NotFound
from timeline.formats import Sheet as Written
from timeline.formats.linked import posting
from timeline.query import BY_NAME, Pairs, Query, make_cursor, pinned
from timeline.views.classes import HIGHEST, LOWEST
from timeline.web.filters import CLOCKS, Asked, Pair, read, url
from timeline.web.form import form_view
from timeline.web.lookup import COUNTED, Lookup, Named, choices, pick
from timeline.web.metadata import Site, head_view
from timeline.web.past import history_view, moment, told
from timeline.web.share import share_view
from timeline.web.show import Scene, View, event_view, group, sources, topic_name
from timeline.web.stances import stance_chart
from timeline.web.words import LANGUAGE_NAMES, words
from timeline.wording import LANGUAGES, label, language

Asset = Callable[[str], str]

ONE: Final = CLOCKS
"""Parameters of the page of one thing."""

_EDGES: Final = {"asc": (LOWEST, LOWEST, -(2**31), 0), "desc": (HIGHEST, HIGHEST, 2**31, 2**53)}
"""Places before every event: where a first page begins."""


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page: HTTP status, HTML, the position it speaks of, and whether it can never change."""

    status: int
    html: str
    position: int
    final: bool


@dataclass(slots=True)
class Sheet:
    """A page being made: the question, the scene, and where assets are."""

    path: str
    asked: Asked
    scene: Scene
    asset: Asset
    head: int
    site: Site | None = None

    def page(self, template: str, title: str, *, status: int | None = None, about: Mapping[str, str] | None = None,
             **members: Any) -> Page:  # noqa: ANN401 - whatever the template shows
        """Fill a template in; `about` is what the head says besides the title (see `timeline.web.metadata`)."""
        code = status or self.asked.status
        meta = None
        if self.site is not None and code == 200:
            meta = head_view(self.site, self.path, self.asked, self.scene, {"title": title, **(about or {})})
        html = render(template, self.asset, self.scene.lang, title=title, scene=self.scene, asked=self.asked,
                      switch=self._switch(), now=self._now(), past=self._past(), head=self.head, meta=meta,
                      permanent=self._permanent(), edit=self._edit(), **members)
        return Page(code, html, self.asked.position, self.asked.final and code == 200)

    def share(self, timeline: Timeline) -> View | None:
        """Give the panel that takes the page's question elsewhere."""
        if self.site is None:
            return None
        return share_view(timeline, self.site, self.path, self.asked, self.scene)

    def _switch(self) -> list[View]:
        """Give the same page in each language, all else kept."""
        rest = self.asked.without("lang")
        return [{"lang": lang, "name": LANGUAGE_NAMES[lang], "href": url(self.path, [*rest, ("lang", lang)]),
                 "current": lang == self.scene.lang} for lang in LANGUAGES]

    def _now(self) -> str:
        return url(self.path, self.asked.without("at", "as_of", "reported_by", "cursor"))

    def _permanent(self) -> str:
        rest = self.asked.without("at", "as_of", "cursor", *self.asked.faults)
        return url(self.path, [*rest, ("at", str(self.asked.position))])

    def _edit(self) -> str:
        """Link to the editor: to what this page is about, where that can be edited."""
        kind, _, name = self.path.strip("/").partition("/")
        about = [(kind[:-1], name)] if name and kind in ("events", "actors") else []
        return url("/edit", [*about, *(pair for pair in self.asked.kept() if pair[0] == "lang")])

    def _past(self) -> bool:
        return self.asked.query.at is not None or self.asked.query.as_of is not None


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("timeline.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                       auto_reload=False, undefined=StrictUndefined)


def render(template: str, asset: Asset, lang: str, **members: object) -> str:
    """Fill a template in: everything it is given is text, and is escaped."""
    return _environment().get_template(template).render(t=words(lang), lang=lang, asset=asset, **members)


def timeline_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                  site: Site | None = None) -> Page:
    """Render ``GET /``: the events a question means, with the form to ask it; 400 where a parameter is wrong."""
    sheet = open_sheet(timeline, "/", parameters, BY_NAME, asset, languages, site=site)
    shown = listed(timeline, sheet)
    title = sheet.scene.t("site")
    names = sheet.asked.query.actors
    if len(names) == 1:
        title = sheet.scene.lookup.name(names[0])
    return sheet.page("timeline.html", title, form=form_view(timeline, sheet.asked, sheet.scene),
                      see_also=_see_also(sheet.scene, sheet.asked), share=sheet.share(timeline), **shown)


def event_page(timeline: Timeline, event_id: str, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
               site: Site | None = None) -> Page:
    """Render ``GET /events/{id}``: everything about one event, its history and its answers; 404 with what is near."""
    sheet = open_sheet(timeline, f"/events/{event_id}", parameters, ONE, asset, languages, site=site)
    try:
        body, history = version_at(timeline, sheet, event_id)
    except NotFound as error:
        return _missing(error, sheet)
    view = event_view(sheet.scene, body, sheet.scene.lookup.incoming([event_id]).get(event_id, []))
    return sheet.page("event.html", view["title"]["text"], event=view, history=history_view(sheet.scene, history),
                      moment=moment(body["revision"]["recorded_at"], sheet.scene.lang),
                      about=_about_event(timeline, sheet, body, view))


def version_at(timeline: Timeline, sheet: Sheet, event_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give an event as a sheet's clocks have it, and its history up to then; `NotFound` where they have none."""
    body = timeline.event(event_id, sheet.asked.position)
    history = timeline.history(event_id, sheet.asked.position)
    if sheet.asked.query.reported_by is not None:
        history = told(sheet.scene.lookup, history, sheet.asked.query.reported_by)
        body = {**history[-1]["event"], "revision": history[-1]["revision"]}
    return body, history


def _about_event(timeline: Timeline, sheet: Sheet, body: Mapping[str, Any], view: View) -> dict[str, str]:
    """Give what the head of an event's page says: the date in words, and the event as schema.org has it."""
    found = {"description": f"{view['when']['words']}. {view['summary']['text']}".strip()}
    if sheet.site is not None and "recorded_at" in body:
        written = Written([], sheet.asked.position, origin=timeline.origin, name_of=sheet.scene.lookup.name,
                          base=sheet.site.base)
        found["json_ld"] = posting(msgspec.json.encode(body).decode(), written).decode()
    return found


def actor_page(timeline: Timeline, actor_id: str, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
               site: Site | None = None) -> Page:
    """Render ``GET /actors/{id}``: who it is, and its events; parameters as for ``/``."""
    extra = [("actor", actor_id)]
    known = [name for name in BY_NAME if name != "actor"]
    sheet = open_sheet(timeline, f"/actors/{actor_id}", parameters, known, asset, languages, site=site)
    try:
        actor = timeline.actor(actor_id, sheet.asked.position)
    except NotFound as error:
        return _missing(error, sheet)
    sheet.asked = read(timeline, parameters, extra=extra)
    scene = sheet.scene
    view = {
        "id": actor_id, "kind": label("actor", actor["kind"], scene.lang), "wikidata": actor.get("wikidata"),
        "description": scene.text(*pick(scene.wanted, None, actor.get("description") or "",
                                        actor.get("descriptions", {}))),
        "aliases": actor.get("aliases", []), "note": actor.get("note"),
        "member_of": [scene.actor(group) for group in actor.get("member_of", [])],
        "filter": scene.link("/", ("actor", actor_id)), "compare": scene.link("/compare", ("actor", actor_id)),
    }
    return sheet.page("actor.html", scene.lookup.name(actor_id), actor=view, share=sheet.share(timeline),
                      about={"description": view["description"]["text"]}, **listed(timeline, sheet))


def topic_page(timeline: Timeline, topic_id: str, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
               site: Site | None = None) -> Page:
    """Render ``GET /topics/{id}``: who stood where, in order, with changes of stance marked; 404 for an unknown one."""
    sheet = open_sheet(timeline, f"/topics/{topic_id}", parameters, ONE, asset, languages, site=site)
    scene, asked = sheet.scene, sheet.asked
    if not timeline.reader().facet_ids([f"topic/{topic_id}"]):
        return _missing(NotFound(f"there is no topic {topic_id}"), sheet)
    entries = timeline.positions(topic_id, query=pinned(asked.query, asked.position))
    by_actor: dict[str, list[View]] = {}
    for entry in entries:
        by_actor.setdefault(entry["actor"], []).append(_entry(scene, entry))
    people = [{**scene.actor(actor), "entries": found} for actor, found in by_actor.items()]
    return sheet.page("topic.html", topic_name(topic_id), people=people, events=scene.link("/", ("topic", topic_id)),
                      stances=stance_chart(scene, entries), share=sheet.share(timeline))


def actors_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                site: Site | None = None) -> Page:
    """Render ``GET /actors``: every actor (up to 500), by name, with the number of its events."""
    sheet = open_sheet(timeline, "/actors", parameters, ONE, asset, languages, site=site)
    scene, known = sheet.scene, choices(timeline, sheet.asked.position)
    named = sorted(known.actors, key=lambda actor: scene.lookup.named(actor).casefold())
    items = [_listed_actor(scene, actor, known.actor_counts.get(actor.id)) for actor in named]
    return sheet.page("index.html", scene.t("actors"), items=items)


def topics_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                site: Site | None = None) -> Page:
    """Render ``GET /topics``: every topic, with the number of its events."""
    sheet = open_sheet(timeline, "/topics", parameters, ONE, asset, languages, site=site)
    counts = choices(timeline, sheet.asked.position).topic_counts
    items = [{**sheet.scene.topic(topic), "kind": "", "count": count} for topic, count in counts.items()]
    return sheet.page("index.html", sheet.scene.t("topics"), items=sorted(items, key=lambda item: item["name"]))


def problem_page(status: int, title: str, detail: str, lang: str, asset: Asset) -> Page:
    """Render an error for people; `title` and `detail` are sentences fit to show."""
    html = render("problem.html", asset, language(lang), title=title, detail=detail, status=status, switch=[])
    return Page(status, html, 0, final=False)


def open_sheet(timeline: Timeline, path: str, parameters: Pairs, known: Sequence[str] | Mapping[str, object],
               asset: Asset, languages: Sequence[str], *, site: Site | None = None) -> Sheet:
    """Begin a page: read what is asked, and choose the language."""
    asked = read(timeline, parameters, known)
    preferred = [asked.query.lang] if asked.query.lang else []
    tags = [tag for tag in (*preferred, *languages) if tag]
    wanted = list(dict.fromkeys(part for tag in tags for part in (tag, tag.partition("-")[0])))
    lang = next((tag for tag in wanted if tag in LANGUAGES), "en")
    wanted = wanted or ["en"]
    lookup = Lookup(timeline, asked.position, wanted, asked.query.reported_by)
    return Sheet(path, asked, Scene(lang, wanted, words(lang), lookup, asked.kept()), asset, timeline.position,
                 site)


def _see_also(scene: Scene, asked: Asked) -> list[View]:
    """Link from a list filtered to one actor or topic to its own page."""
    found = []
    for name, values in (("actor", asked.query.actors), ("topic", asked.query.topics)):
        for value in values[:1] if len(values) == 1 else ():
            shown = scene.lookup.name(value) if name == "actor" else topic_name(value)
            found.append({"href": scene.link(f"/{name}s/{value}"), "text": scene.t(f"see-{name}", name=shown)})
    return found


def _missing(error: NotFound, sheet: Sheet) -> Page:
    return sheet.page("problem.html", sheet.scene.t("not-found"), status=404, detail=error.detail)


def listed(timeline: Timeline, sheet: Sheet) -> View:
    """Give a page of events in groups, with the links around it."""
    asked, scene = sheet.asked, sheet.scene
    query = pinned(asked.query, asked.position)
    answer = timeline.ask(query)
    bodies = [msgspec.json.decode(body) for body in answer.bodies]
    incoming = scene.lookup.incoming([body["id"] for body in bodies])
    keyed = [(group(scene, body.get("when")), event_view(scene, body, incoming.get(body["id"], []))) for body in bodies]
    groups = [{"key": key, "title": title, "events": [view for _, view in found]}
              for (key, title), found in groupby(keyed, key=lambda pair: pair[0])]
    rest = asked.without("cursor", *asked.faults)
    previous = _previous(timeline, query)
    whole = answer.cursor is None and query.after is None
    return {
        "groups": groups, "count": len(bodies) if whole else _count(timeline, query), "shown": len(bodies),
        "next": url(sheet.path, [*rest, ("cursor", answer.cursor)]) if answer.cursor else "",
        "previous": url(sheet.path, [*rest, ("cursor", previous)]) if previous else "",
        "json": url("/v1/events", [*rest, *_pair("actor", sheet)]),
        "chart": _chart(sheet),
    }


def _chart(sheet: Sheet) -> str:
    """Give the address of the chart above a list; none where the page is not served and so could ask nobody."""
    kept = sheet.asked.without("cursor", "limit", "order", *sheet.asked.faults)
    return url("/v1/chart", [*kept, *_pair("actor", sheet)]) if sheet.site is not None else ""


def _pair(name: str, sheet: Sheet) -> list[Pair]:
    """Give the parameters that the path of the page stands for."""
    return [(name, value) for value in sheet.asked.query.actors] if sheet.path != "/" else []


def _count(timeline: Timeline, query: Query) -> int | None:
    """Count the events of a question; nothing where that would take long."""
    if timeline.position > COUNTED:
        return None
    position = query.at or 0
    return timeline.reader().count(replace(query, after=None), position)


def _previous(timeline: Timeline, query: Query) -> str | None:
    """Give the cursor of the page before: read backwards from where this one begins."""
    if query.after is None:
        return None
    step = -1 if query.order == "desc" else 1
    opposite = "asc" if query.order == "desc" else "desc"
    earliest, latest, sequence, first = query.after
    back = replace(query, order=opposite, after=(earliest, latest, sequence, first + step))
    before = timeline.reader().page(back, query.at or 0)
    if not before.bodies:
        return None
    last = before.last
    start = (last[0], last[1], last[2], last[3] - step) if last else _EDGES[query.order]
    return make_cursor(query, query.at or 0, start)


def _entry(scene: Scene, entry: Mapping[str, Any]) -> View:
    changed = entry.get("changed_from")
    note = scene.text(entry.get("note") or "", scene.lookup.event(entry["event"]).lang)
    return {
        "when": scene.when(entry.get("when")), "event": scene.other(entry["event"]), "note": note,
        "position": scene.label("position", entry["position"]),
        "before": scene.label("position", changed) if changed else None,
        "sources": sources(scene, entry.get("citations", [])),
    }


def _listed_actor(scene: Scene, actor: Named, count: int | None) -> View:
    return {"name": scene.lookup.named(actor), "href": scene.link(f"/actors/{actor.id}"), "count": count or 0,
            "kind": label("actor", actor.kind, scene.lang)}
