"""An event's history in words: what each revision changed, who made it, when and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timeline.edtf import parse
from timeline.errors import NotFound
from timeline.web.lookup import Lookup
from timeline.web.show import Scene, View, topic_name
from timeline.wording import label, when_in_words

_DATES = ("when", "about", "announced")
_LABELLED = ("kind", "status", "certainty")
_COUNTED = {"citations": "sources-heading", "relations": "links", "stances": "stances"}
_NAMED = ("when", "about", "announced", "kind", "status", "certainty", "title", "summary", "note", "place",
          "translations", "outcome", "phrase", "actors", "topics", "media")


def history_view(scene: Scene, versions: Sequence[Mapping[str, Any]]) -> list[View]:
    """Show revisions, newest first."""
    found: list[View] = []
    before: Mapping[str, Any] = {}
    for version in versions:
        revision = version["revision"]
        found.append({
            "number": revision["number"], "position": revision["position"], "author": revision["author"],
            "recorded_at": revision["recorded_at"], "reason": revision.get("reason"),
            "type": revision["type"], "name": label("record", revision["type"], scene.lang),
            "when": moment(revision["recorded_at"], scene.lang),
            "href": scene.link(f"/events/{version['event']['id']}", ("at", str(revision["position"]))),
            "changes": _changes(scene, before, version["event"]) if before else [],
        })
        before = version["event"]
    return found[::-1]


def told(lookup: Lookup, versions: list[dict[str, Any]], by: int) -> list[dict[str, Any]]:
    """Give the versions up to the newest that rests only on sources certainly published by a time (as queries do).

    Raises:
        NotFound: no source published by then told of it, or it has been withdrawn.

    """
    found = 0
    for number, version in enumerate(versions, 1):
        cited = [lookup.source(citation["source"]).published for citation in version["event"].get("citations", [])]
        latest = [parse(published).latest if published else None for published in cited]
        if latest and all(end is not None and end <= by for end in latest):
            found = number
    if not found or {"retracted", "merged_into"} & versions[-1].keys():
        raise NotFound("no source published by that time tells of this event; leave reported_by out to see it")
    return versions[:found]


def moment(recorded_at: str, lang: str) -> str:
    """Say a time of the recorded clock, to the minute.

    >>> moment("2026-11-21T01:45:19.646360Z", "en")
    '21 November 2026, 01:45 (UTC)'
    """
    return when_in_words(f"{recorded_at[:16]}Z", lang)


def _changes(scene: Scene, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[View]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [change for name in names for change in _change(scene, name, before, after)]


def _change(scene: Scene, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[View]:
    old, new = before.get(name), after.get(name)
    if name in ("actors", "topics", *_COUNTED):
        return _listed(scene, name, old or [], new or [])
    title = scene.t(name) if name in _NAMED else name
    if name in _DATES:
        return [_pair(title, *(when_in_words(value, scene.lang) for value in (old, new)))]
    if name in _LABELLED:
        return [_pair(title, *(label(name, value or "", scene.lang) for value in (old, new)))]
    if name in ("title", "tz", "phrase"):
        return [_pair(title, old or "—", new or "—")]
    if name == "place":
        return [_pair(title, *((value or {}).get("name", "—") for value in (old, new)))]
    return [{"name": title, "words": scene.t("changed")}]


def _pair(name: str, old: str, new: str) -> View:
    return {"name": name, "old": old, "new": new}


def _listed(scene: Scene, name: str, old: Sequence[Any], new: Sequence[Any]) -> list[View]:
    """Say what was added to a list and what taken from it: by name where there are names, else by number."""
    title = scene.t(_COUNTED.get(name, name))
    found = []
    for key, items in (("added", [item for item in new if item not in old]),
                       ("removed", [item for item in old if item not in new])):
        if not items:
            continue
        shown = ""
        if name == "actors":
            shown = ", ".join(f"{scene.lookup.name(item['id'])} ({label('role', item['role'], scene.lang)})"
                              for item in items)
        elif name == "topics":
            shown = ", ".join(map(topic_name, items))
        words = scene.t(key, count=len(items))
        found.append({"name": title, "words": f"{words}: {shown}" if shown else words})
    return found or [{"name": title, "words": scene.t("changed")}]
