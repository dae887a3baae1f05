"""Events as templates need them: texts chosen, dates said, links made. Nothing here writes HTML.

A view is a plain dict, made from one encoded event; `Scene` holds what all views of a page share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from timeline.edtf import Edtf, EdtfError, parse, ymd
from timeline.model import Relation, slugify
from timeline.web.filters import Pair, url
from timeline.web.lookup import Lookup, pick
from timeline.web.words import Words
from timeline.wording import deslug, label, marks, relation_label, when_in_words

View = dict[str, Any]

SHOWN_RELATIONS = 6
_DAY_OR_FINER = ("day", "minute", "second")


@dataclass(slots=True)
class Scene:
    """What all views of a page share: language, what is known, and the parameters every link keeps."""

    lang: str
    wanted: Sequence[str]
    t: Words
    lookup: Lookup
    kept: list[Pair]

    def link(self, path: str, *pairs: Pair) -> str:
        """Link to another page, staying in the language and at the time the reader is at."""
        return url(path, [*pairs, *self.kept])

    def text(self, text: str, lang: str | None) -> View:
        """Give a text with the language to mark it with: none where it is the page's own."""
        return {"text": text, "lang": lang if lang and lang.partition("-")[0].lower() != self.lang else None}

    def label(self, vocabulary: str, word: str) -> View:
        """Give a word of the model and its name."""
        return {"word": word, "name": label(vocabulary, word, self.lang)}

    def actor(self, actor: str) -> View:
        """Give an actor's name, the list of its events and its own page."""
        return {"id": actor, "name": self.lookup.name(actor), "href": self.link("/", ("actor", actor)),
                "page": self.link(f"/actors/{actor}")}

    def when_typed(self, text: str) -> str:
        """Say a date as a reader typed it: in words where it is EDTF, else as it stands (an RFC 3339 instant)."""
        try:
            return when_in_words(text, self.lang)
        except EdtfError:
            return text

    def topic(self, topic: str) -> View:
        """Give a topic's name and page."""
        return {"id": topic, "name": topic_name(topic), "href": self.link(f"/topics/{topic}")}

    def other(self, event_id: str) -> View:
        """Give a link to another event, by its title."""
        when = self.lookup.event(event_id).when
        return {"id": event_id, "title": self.text(*self.lookup.title(event_id)),
                "when": when_in_words(when, self.lang) if when else "",
                "href": self.link(f"/events/{event_id}")}

    def when(self, when: str | None, tz: str | None = None, anchor: Mapping[str, Any] | None = None, *,
             expected: bool = False) -> View:
        """Give a date in words, its shape, and the form that HTML's `time` takes, where there is one."""
        if anchor and anchor.get("event") and not anchor.get("text"):
            anchor = {**anchor, "text": self.lookup.title(anchor["event"])[0]}
        return {"text": when or "", "words": when_in_words(when, self.lang, tz, anchor, expected=expected),
                "shape": shape(when), "iso": machine_date(when), "tz": tz}


def topic_name(topic: str) -> str:
    """Write a topic as a title.

    >>> topic_name("us-troops"), topic_name("crimea")
    ('US troops', 'Crimea')
    """
    name = deslug(topic)
    return name[:1].upper() + name[1:]


@lru_cache(maxsize=4096)
def shape(when: str | None) -> str:
    """Name how a date is drawn: what it leaves open decides.

    >>> shape("2025-08-15"), shape("2025-08"), shape("[2025-08-15..2025-08-18]"), shape("2025-08-15/..")
    ('exact', 'within', 'within', 'since')
    """
    if when is None:
        return "undated"
    date = parse(when)
    bounded = date.start_kind == "known", date.end_kind == "known"
    if bounded != (True, True):
        return {(False, False): ("always", "always"), (False, True): ("until", "before"),
                (True, False): ("since", "after")}[bounded][date.kind == "one-of"]
    if date.kind in ("interval", "all-of"):
        return "span"
    if date.kind == "one-of" or "X" in when or date.precision not in _DAY_OR_FINER:
        return "within"
    return "about" if any(marks(when).values()) else "exact"


@lru_cache(maxsize=4096)
def machine_date(when: str | None) -> str | None:
    """Give the value of a `time` element: plain dates of the years 1 to 9999 (HTML, 2.3.5), nothing else.

    >>> machine_date("2025-08"), machine_date("2025-08~"), machine_date("-0043")
    ('2025-08', None, None)
    """
    if when is None:
        return None
    date = parse(when)
    plain = date.kind in ("date", "datetime") and not set(when) & set("~?%XYS") and not when.startswith(("-", "0000"))
    return when if plain else None


def civil(date: Edtf) -> tuple[int, int] | None:
    """Give year and month (0 where the date is vaguer) under which a date stands in a list."""
    second = date.earliest
    if second is None:
        return None
    if date.zoned and date.kind == "datetime":
        year, month = date.text[:10].split("-")[:2] if not date.text.startswith("-") else ymd(second)[:2]
        return int(year), int(month)
    year, month, _ = ymd(second)
    first = date.start or (date.members[0] if date.members else date)
    first = first.start or first
    return year, month if first.precision in ("month", *_DAY_OR_FINER) and "X" not in first.text[:7] else 0


def group(scene: Scene, when: str | None) -> tuple[str, str]:
    """Give the (key, heading) of the group an event stands in: month, year, or why there is none."""
    if when is None:
        return "undated", scene.t("group-undated")
    place = civil(parse(when))
    if place is None:
        return "before", scene.t("group-before")
    year, month = place
    if not -9999 <= year <= 9999:
        return str(year), when_in_words(f"Y{year}", scene.lang)
    text = f"{'-' if year < 0 else ''}{abs(year):04}" + (f"-{month:02}" if month else "")
    words = when_in_words(text, scene.lang)
    return text, words[:1].upper() + words[1:]


def event_view(scene: Scene, body: Mapping[str, Any], incoming: Iterable[tuple[Relation, str]] = ()) -> View:
    """Show an event: everything a list or a page of it says."""
    t, lang = scene.t, body.get("lang")
    revision = body["revision"]
    translated = body.get("translations", {})
    summaries = {key: value.get("summary") for key, value in translated.items()}
    title = pick(scene.wanted, lang, body["title"], {key: value["title"] for key, value in translated.items()})
    if _is_gone(body):
        title = t("erased-title"), scene.lang
    view: View = {
        "id": body["id"],
        "href": scene.link(f"/events/{body['id']}"),
        "title": scene.text(*title),
        "summary": scene.text(*pick(scene.wanted, lang, body.get("summary") or "", summaries)),
        "kind": scene.label("kind", body["kind"]),
        "status": scene.label("status", body["status"]),
        "certainty": scene.label("certainty", body.get("certainty", "stated")),
        "when": scene.when(body.get("when") or _bounds(body), body.get("tz"), body.get("anchor"),
                           expected=body["kind"] == "plan"),
        "phrase": body.get("phrase") or (body.get("anchor") or {}).get("phrase"),
        "earliest": body.get("earliest"), "latest": body.get("latest"),
        "note": scene.text(body.get("note") or "", lang),
        "revisions": revision["number"] - 1 - ("retracted" in body),
        "corrected": t("corrected", count=revision["number"] - 1),
        "revision": revision,
        "retracted": body.get("retracted"),
        "erased": body.get("erased"),
        "merged_into": scene.other(body["merged_into"]) if body.get("merged_into") else None,
        "merged_from": body.get("merged_from", []),
        "media": body.get("media", []),
    }
    return view | _dates(scene, body) | _people(scene, body) | _links(scene, body, incoming) | _rest(scene, body)


def _is_gone(body: Mapping[str, Any]) -> bool:
    """Whether nothing but a tombstone is left of an event."""
    return "body" in body.get("erased", {}).get("parts", ())


def _bounds(body: Mapping[str, Any]) -> str | None:
    """Give the days that headers know of an event whose date was erased."""
    if not _is_gone(body):
        return None
    first, last = ((body.get(name) or "").partition("T")[0] for name in ("earliest", "latest"))
    return first if first == last and first else f"{first}/{last}" if first and last else None


def _dates(scene: Scene, body: Mapping[str, Any]) -> View:
    return {
        "about": scene.when(body["about"], body.get("tz")) if body.get("about") else None,
        "announced": scene.when(body["announced"], body.get("tz")) if body.get("announced") else None,
    }


def _people(scene: Scene, body: Mapping[str, Any]) -> View:
    people: dict[tuple[str, str | None], View] = {}
    for part in body.get("actors", []):
        key = part["id"], part.get("on_behalf_of")
        view = people.setdefault(key, {**scene.actor(part["id"]), "roles": [], "behalf": None})
        view["roles"].append(label("role", part["role"], scene.lang))
        if key[1]:
            view["behalf"] = scene.actor(key[1])
    stances = [
        {"actor": scene.actor(stance["actor"]), "topic": scene.topic(stance["topic"]),
         "position": scene.label("position", stance["position"]),
         "note": scene.text(stance.get("note") or "", body.get("lang"))}
        for stance in body.get("stances", [])
    ]
    return {"actors": list(people.values()), "stances": stances}


def _links(scene: Scene, body: Mapping[str, Any], incoming: Iterable[tuple[Relation, str]]) -> View:
    outgoing = [((each["type"], each.get("sense")), each["event"]) for each in body.get("relations", [])]
    answers = [((relation.type, relation.sense), event_id) for relation, event_id in incoming]
    return {"relations": _by_label(scene, outgoing, reverse=False), "answers": _by_label(scene, answers, reverse=True)}


def _by_label(scene: Scene, related: Iterable[tuple[tuple[str, str | None], str]], *, reverse: bool) -> list[View]:
    """Group links by what they say: one label, the events under it."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for key, event_id in related:
        found.setdefault(key, []).append(event_id)
    return [
        {"type": key[0], "label": relation_label(*key, scene.lang, reverse=reverse),
         "events": [scene.other(event_id) for event_id in dict.fromkeys(ids)][:200], "shown": SHOWN_RELATIONS}
        for key, ids in found.items()
    ]


def _rest(scene: Scene, body: Mapping[str, Any]) -> View:
    place = body.get("place")
    outcome = body.get("outcome")
    return {
        "topics": [scene.topic(topic) for topic in body.get("topics", [])],
        "place": place and {**place, "href": scene.link("/", ("place", place.get("id") or slugify(place["name"])))},
        "outcome": outcome and _outcome(scene, outcome),
        "depends_on": [scene.other(event_id) for event_id in body.get("depends_on", [])],
        "sources": sources(scene, body.get("citations", [])),
    }


def _outcome(scene: Scene, outcome: Mapping[str, Any]) -> View:
    state = label("outcome", outcome["state"], scene.lang)
    if outcome.get("as_of"):
        state = scene.t("outcome-as-of", state=state, when=when_in_words(outcome["as_of"], scene.lang))
    return {"words": state, "state": outcome["state"], "note": outcome.get("note"),
            "evidence": [scene.other(event_id) for event_id in outcome.get("evidence", [])]}


def sources(scene: Scene, citations: Iterable[Mapping[str, Any]]) -> list[View]:
    """Show citations, those of one source together."""
    found: dict[str, View] = {}
    for citation in citations:
        source = scene.lookup.source(citation["source"])
        view = found.setdefault(source.id, {
            "id": source.id, "title": scene.text(source.title, None), "url": source.url,
            "by": ", ".join(name for name in (source.author, source.publisher) if name),
            "published": when_in_words(source.published, scene.lang) if source.published else "",
            "href": scene.link("/", ("source", source.id)), "lang": source.lang, "spans": [],
        })
        view["spans"].append(_span(scene, citation))
    return list(found.values())


def _span(scene: Scene, citation: Mapping[str, Any]) -> View:
    where = ""
    if citation.get("end") is not None:
        where = scene.t("characters", start=citation.get("start", 0), end=citation["end"])
    when = citation.get("when")
    return {"where": where, "sha256": citation.get("span_sha256"), "exact": citation.get("exact"),
            "phrase": citation.get("phrase"), "when": when_in_words(when, scene.lang) if when else ""}
