"""Drafts to changes: ids that stay the same, actors and sources found in the log or described anew.

**Ids.** An event keeps the id its tool gave it, as a slug. A number is no name (every file has a 1): it gets the
file's name in front. Without an id, the slug of the title is the id; the second event of that title in a file gets its
date too. So importing a file again finds everything in place, and a date corrected in the file is seen to be a
correction of that event. `prefix` goes before all ids, for files whose ids collide with others.

**Actors.** A group, lane or attendee is the actor of that name, alias or acronym, if the log knows exactly one; else
it is described, with what the file says: its name. **Sources.** An address is the source that has it, else a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from timeline.errors import Fault, TimelineError
from timeline.importing.drafts import Draft, Link, Mention
from timeline.model import SLUG_PATTERN, slugify
from timeline.records import AnyChange, convert_change, merge
from timeline.views.things import folded

NAMING: Final = ("name", "acronym", "misprint")
"""Kinds of alias that name one actor wherever they stand: a role or an epithet may mean another one elsewhere."""

MAX_ID: Final = 100


class Known(Protocol):
    """What is asked of a log before anything is made anew."""

    def things(self, type_: str) -> Iterator[dict[str, Any]]:
        """Yield the bodies of all actors or sources."""


@dataclass(slots=True)
class Adopter:
    """Makes changes of the drafts of one run. `described` are the names of the actors that were not in the log."""

    known: Known
    prefix: str = ""
    described: list[str] = field(default_factory=list)
    _actors: dict[str, str | None] | None = None
    _actor_ids: set[str] = field(default_factory=set)
    _sources: dict[str, str] | None = None
    _titles: dict[str, int] = field(default_factory=dict)

    def changes(self, draft: Draft, stem: str) -> list[AnyChange]:
        """Give the changes a draft stands for: actors and sources that are new, then the event.

        Raises:
            Invalid: with faults that name the field.

        """
        made: list[dict[str, Any]] = []
        event = {"id": self._id(draft, stem), **draft.event}
        if draft.actors:
            parts = [{"id": self._actor(each, made), "role": slugify(each.role, "participant")}
                     for each in draft.actors]
            event["actors"] = list({part["id"]: part for part in reversed(parts)}.values())[::-1]
        if draft.links:
            event["citations"] = [self._citation(each, made) for each in _once(draft.links)]
        return [_converted(change) for change in (*made, {"type": "event.recorded", "event": event})]

    # ------------------------------------------------------------------ ids

    def _id(self, draft: Draft, stem: str) -> str:
        if draft.foreign_id:
            made = named(draft.foreign_id)
            return self._fitting(f"{named(stem)}-{made}" if made.replace("-", "").isdigit() else made)
        made = named(str(draft.event.get("title", "")))
        if self._again(made) > 1:
            made = f"{made[:60].rstrip('-')}-{slugify(str(draft.event.get('when', '')), 'undated')[:25]}".rstrip("-")
            count = self._again(made)
            made = made if count == 1 else f"{made}-{count}"
        return self._fitting(made)

    def _again(self, made: str) -> int:
        count = self._titles[made] = self._titles.get(made, 0) + 1
        return count

    def _fitting(self, made: str) -> str:
        """Put the prefix before an id; one that is too long is cut, and gets a digest to stay itself."""
        whole = self.prefix + made
        return whole if len(whole) <= MAX_ID else f"{whole[: MAX_ID - 9].rstrip('-')}-{_short(whole)}"

    # ------------------------------------------------------------------ actors

    def _actor(self, mention: Mention, made: list[dict[str, Any]]) -> str:
        index = self._index()
        if mention.id and mention.id in self._actor_ids:
            return mention.id
        if found := index.get(folded(mention.name)):
            return found
        actor_id = named(mention.id if re.fullmatch(SLUG_PATTERN, mention.id) else mention.name)
        if actor_id not in self._actor_ids:
            made.append({"type": "actor.described", "actor": {
                "id": actor_id, "kind": mention.kind or "group", "name": mention.name[:500]}})
            self.described.append(mention.name)
            self._actor_ids.add(actor_id)
        index[folded(mention.name)] = actor_id
        return actor_id

    def _index(self) -> dict[str, str | None]:
        """Map every name to its actor; a name of several actors names none of them."""
        if self._actors is None:
            self._actors = {}
            for actor in self.known.things("actor"):
                self._actor_ids.add(actor["id"])
                for name in {folded(name) for name in _names(actor)}:
                    self._actors[name] = None if name in self._actors else actor["id"]
        return self._actors

    # ------------------------------------------------------------------ sources

    def _citation(self, link: Link, made: list[dict[str, Any]]) -> dict[str, Any]:
        if self._sources is None:
            self._sources = {each["url"]: each["id"] for each in self.known.things("source") if "url" in each}
        if link.url not in self._sources:
            self._sources[link.url] = source_id = _source_id(link.url)
            made.append({"type": "source.described", "source": {
                "id": source_id, "title": (link.title or _address(link.url))[:500], "url": link.url}})
        return {"source": self._sources[link.url]} | ({"exact": link.exact} if link.exact else {})


def corrected(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Give an event as a foreign file would have it: what the file does not say, or cannot carry, stays as it is.

    Actors stay with their roles while they are the same ones; citations are added to.
    """
    said = {name: value for name, value in new.items() if name not in ("actors", "citations")}
    if ids(new.get("actors", ())) - ids(old.get("actors", ())):
        said["actors"] = [*old.get("actors", ()), *(part for part in new["actors"]
                                                    if part["id"] not in ids(old.get("actors", ())))]
    cited = {citation["source"] for citation in old.get("citations", ())}
    if more := [each for each in new.get("citations", ()) if each["source"] not in cited]:
        said["citations"] = [*old.get("citations", ()), *more]
    new_event: dict[str, Any] = merge(old, said)
    return new_event


def ids(parts: Iterable[dict[str, Any]]) -> set[str]:
    """Give the ids of participations."""
    return {part["id"] for part in parts}


def named(text: str) -> str:
    """Make a slug of a name in any script: where no letter is left, a digest stands for it.

    >>> named("Trump–Putin summit"), named("首脑会议")
    ('trump-putin-summit', 'x-b3bc267c')
    """
    return slugify(text, "") or f"x-{_short(text)}"


def _short(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _names(actor: dict[str, Any]) -> Iterator[str]:
    yield actor["id"]
    yield actor["name"]
    yield from actor.get("names", {}).values()
    yield from (alias["text"] for alias in actor.get("aliases", ()) if alias.get("kind", "name") in NAMING)


def _once(links: list[Link]) -> list[Link]:
    return list({link.url: link for link in reversed(links)}.values())[::-1]


def _address(url: str) -> str:
    """Give host and path of an address; what only looks like one (``http://[``) stands for itself."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("://")[2]
    return f"{parts.netloc.removeprefix('www.')}{parts.path.rstrip('/')}" or url


def _source_id(url: str) -> str:
    return f"{slugify(_address(url), 'source')[:60].rstrip('-')}-{_short(url)}"


def _converted(change: dict[str, Any]) -> AnyChange:
    try:
        return convert_change(change)
    except TimelineError as error:
        faults = tuple(Fault(re.sub(r"^/(event|actor|source)(?=/)", "", fault.pointer), fault.detail)
                       for fault in error.faults)
        raise type(error)(error.detail, faults=faults) from None


__all__ = ["Adopter", "Known", "corrected", "named"]
