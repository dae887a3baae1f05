"""How a description of an actor or a source is written down; no database in here.

Of a description that was erased the id is left: events still name it. What it is called, and which groups it belonged
to, is gone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from timeline.errors import Corrupt
from timeline.log import Header, Record
from timeline.parts import TEXT
from timeline.records import ActorDescribed, SourceDescribed, wire
from timeline.views.versions import ERASED_TITLE, erased_of, revision_of, splice

DESCRIPTIONS: Final = {"actor.described": "actor", "source.described": "source"}


@dataclass(frozen=True, slots=True)
class Described:
    """One description as a row. `published` is the latest time a source can have been published."""

    type: str
    id: str
    kind: str
    words: str
    shown: bytes
    gone: dict[str, int]
    reason: str | None = None
    text: str | None = None
    published: int | None = None
    groups: frozenset[str] = frozenset()

    def encode(self, header: Header, revision: int, declared: Callable[[int], dict[str, Any]]) -> str:
        """Encode the description once, as every answer will show it."""
        more: dict[str, Any] = {"revision": revision_of(header, revision, self.reason)}
        if self.gone:
            more["erased"] = erased_of(self.gone, declared)
        return splice(self.shown, more).decode()


def describe(record: Record, change: ActorDescribed | SourceDescribed | None) -> Described:
    """Read a description; `change` is None where its body is gone."""
    gone = dict(zip(record.erased, record.erased_by or (0,) * len(record.erased), strict=True))
    match change:
        case ActorDescribed():
            return _actor(change, gone)
        case SourceDescribed():
            return _source(change, record.contents().get(TEXT), gone)
        case None:
            return _bare(record.header, gone)


def _actor(change: ActorDescribed, gone: dict[str, int]) -> Described:
    actor = change.actor
    actor_id = _known(actor.id)
    words = " ".join([actor.name, *actor.names.values(), *(alias.text for alias in actor.aliases)])
    groups = frozenset(filter(None, (*actor.member_of, actor.head_of, actor.spokesperson_of)))
    return Described("actor", actor_id, actor.kind, folded(f"{actor_id} {words}"), wire(actor), gone, change.reason,
                     groups=groups)


def _source(change: SourceDescribed, text: bytes | None, gone: dict[str, int]) -> Described:
    source = change.source
    source_id = _known(source.id)
    own = source.text if text is None else text.decode()
    published = source.published.latest if source.published is not None else None
    words = " ".join(filter(None, [source.title, source.publisher, source.author]))
    shown = wire(msgspec.structs.replace(source, text=None))
    return Described("source", source_id, "source", folded(f"{source_id} {words}"), shown, gone, change.reason, own,
                     published)


def _bare(header: Header, gone: dict[str, int]) -> Described:
    type_, id_ = DESCRIPTIONS[header.type], header.streams[0][0].partition("/")[2]
    shown = {"id": id_, "name" if type_ == "actor" else "title": ERASED_TITLE}
    return Described(type_, id_, "source" if type_ == "source" else "", folded(id_), msgspec.json.encode(shown), gone)


def _known(id_: str | None) -> str:
    if id_ is None:
        raise Corrupt("a record without the id of what it describes")
    return id_


def folded(text: str) -> str:
    """Fold case and accents, so that Zelenský finds zelensky."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


__all__ = ["DESCRIPTIONS", "Described", "describe", "folded"]
