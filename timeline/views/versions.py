"""How records of events make versions of them, and how a version is written down; no database in here.

The same code makes a version when its record is new, when views are built anew, and when something of it is erased. A
record that has lost its body still says in its header when, of which kind and where the event stood: its version is a
*tombstone*, which keeps its place and says no more than that. It is shown at no position unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from timeline import fold
from timeline.edtf import iso
from timeline.errors import Corrupt
from timeline.log import Header
from timeline.model import Event
from timeline.parts import BODY
from timeline.records import AnyFact, EventRecorded, EventRetracted, EventRevised, EventsMerged, convert, wire
from timeline.views import classes

SHOWN, RETRACTED, MERGED, ERASED = 0, 1, 2, 3

ERASED_TITLE: Final = "[erased]"
"""Stands for a title or name that was erased: every list shows one, and no event, actor or source is without."""

EXTRAS: Final = ("earliest", "latest", "recorded_at", "revision", "retracted", "merged_into", "merged_from", "erased")
"""What a body says beyond the event itself; `event_of` takes it off again."""


class Ghost(msgspec.Struct, frozen=True):
    """What a header says of a version whose content is gone: bounds in seconds, and the facets it stood under."""

    when: fold.Bounds | None
    about: fold.Bounds | None
    facets: tuple[str, ...]


class Current(msgspec.Struct):
    """The newest version of an event, as the fold needs it.

    `gone` are the parts that any record it was folded from has lost, each with the position that declares it; of a
    `ghost` nothing is left, and `event` holds kind, status and order alone.
    """

    n: int
    revision: int
    position: int
    first: int
    hidden: int
    event: Event
    recorded_at: str
    merged_from: list[str]
    gone: dict[str, int] = {}
    ghost: Ghost | None = None

    @property
    def is_erased(self) -> bool:
        """Whether nothing but a tombstone is left."""
        return self.ghost is not None


class Drawn(NamedTuple):
    """A version as rows: its place, its lanes (facet, place, roles), the text it is found by, and its body.

    A place is (class, earliest, latest, sequence, first), as both tables are sorted.
    """

    place: tuple[int, ...]
    lanes: Sequence[tuple[str, tuple[int, ...], str]]
    words: str | None
    body: str


Find = Callable[[str], Current]
Put = Callable[[str, Current, Header, dict[str, Any]], None]


class Versions:
    """Folds records of events: where versions are found and put is handed in."""

    def __init__(self, find: Find, put: Put) -> None:
        """Find the newest versions with `find`; `put` new ones: id, version, header, and what its body says besides."""
        self._find, self._put = find, put

    def apply(self, header: Header, change: AnyFact | None, gone: dict[str, int]) -> None:
        """Fold a record. `change` is None where its body is among the parts that are `gone`."""
        match change:
            case EventRecorded(event=event):
                self._put(_known(event), _first(header, event, gone, None), header, {})
            case EventRevised():
                self._revised(header, change, gone)
            case EventRetracted():
                new = _next(header, self._find(change.id), gone, hidden=RETRACTED)
                self._put(change.id, new, header, {"reason": change.reason, "retracted": {"reason": change.reason}})
            case EventsMerged():
                self._merged(header, change, gone)
            case _:
                self._bare(header, gone)

    def _revised(self, header: Header, change: EventRevised, gone: dict[str, int]) -> None:
        old = self._find(change.id)
        if old.ghost is not None:  # no decision lets this happen: what is erased stays a tombstone
            self._bare(header, gone)
            return
        new = _next(header, old, gone, event=fold.revise(old.event, change.patch))
        self._put(change.id, new, header, {"reason": change.reason})

    def _merged(self, header: Header, change: EventsMerged, gone: dict[str, int]) -> None:
        kept = self._find(change.id)
        if kept.ghost is not None:
            self._bare(header, gone)
            return
        others = [self._find(duplicate) for duplicate in change.duplicates]
        event = fold.absorb(kept.event, [other.event for other in others])
        for other in others:
            gone = _joined(gone, {name: by for name, by in other.gone.items() if name != BODY})
        merged_from = [*kept.merged_from, *change.duplicates]
        self._put(change.id, _next(header, kept, gone, event=event, merged_from=merged_from), header,
                  {"reason": change.reason})
        for duplicate, other in zip(change.duplicates, others, strict=True):
            self._put(duplicate, _next(header, other, {}, hidden=MERGED), header,
                      {"reason": change.reason, "merged_into": change.id})

    def _bare(self, header: Header, gone: dict[str, int]) -> None:
        """Fold what the header alone says. Reasons went with the body."""
        event_id, event = _id(header), _placeholder(header)
        ghost = Ghost(header.when, header.about, facets_of(header))
        if header.type == "event.recorded":
            self._put(event_id, _first(header, event, gone, ghost), header, {})
            return
        old = self._find(event_id)
        retracted = header.type == "event.retracted"
        merged = [name[6:] for name, _, _ in header.streams[1:] if name.startswith("event/")]
        new = _next(header, old, gone, event=event, ghost=ghost, hidden=RETRACTED if retracted else ERASED,
                    merged_from=[*old.merged_from, *merged])
        self._put(event_id, new, header, {"retracted": {}} if retracted else {})
        for duplicate in merged:
            other = self._find(duplicate)
            shadow = other.ghost or Ghost(fold.happened(other.event), fold.spoken_of(other.event),
                                          tuple(sorted(fold.facets(other.event))))
            self._put(duplicate, _next(header, other, gone, event=_bare_event(other.event), ghost=shadow,
                                       hidden=MERGED), header, {"merged_into": event_id})


def facets_of(header: Header) -> tuple[str, ...]:
    """Give the facets an event stands under after a record, from its header alone."""
    left = frozenset(header.left)
    return tuple(name for name, _, _ in header.streams if not name.startswith("event/") and name not in left)


def _id(header: Header) -> str:
    return header.streams[0][0].partition("/")[2]


def _known(event: Event) -> str:
    if event.id is None:
        raise Corrupt("a record without the id of what it describes")
    return event.id


def _first(header: Header, event: Event, gone: dict[str, int], ghost: Ghost | None) -> Current:
    position, hidden = header.position, SHOWN if ghost is None else ERASED
    return Current(0, 1, position, position, hidden, event, header.recorded_at, [], gone, ghost)


def _next(header: Header, old: Current, gone: dict[str, int], **changes: Any) -> Current:  # noqa: ANN401
    """Prepare the version after `old`, whose row number it keeps until it gets its own."""
    return msgspec.structs.replace(
        old, revision=old.revision + 1, position=header.position, gone=_joined(old.gone, gone), **changes
    )


def _joined(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    if not other:
        return one
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in sorted({*one, *other})}


def _placeholder(header: Header) -> Event:
    values = {"id": _id(header), "kind": header.kind, "status": header.status, "sequence": header.sequence}
    return convert({"title": ERASED_TITLE, **{name: value for name, value in values.items() if value}}, Event)


def _bare_event(event: Event) -> Event:
    return Event(id=event.id, kind=event.kind, status=event.status, sequence=event.sequence, title=ERASED_TITLE)


# ---------------------------------------------------------------------------------------------- writing down

def draw(new: Current, header: Header, extra: dict[str, Any], declared: Callable[[int], dict[str, Any]]) -> Drawn:
    """Write a version down. `declared` tells of an erasure what readers may know of it."""
    event, ghost = new.event, new.ghost
    if ghost is None:
        when, about, lanes = fold.happened(event), fold.spoken_of(event), fold.lanes(event)
    else:
        when, about, lanes = ghost.when, ghost.about, [fold.Lane(facet) for facet in ghost.facets]
    place = (*classes.place(when), event.sequence, new.first)
    rows = [(facet, place, f"|{'|'.join(roles)}|" if roles else "") for facet, roles in lanes]
    if about is not None:
        rows.append((fold.ABOUT, (*classes.place(about), event.sequence, new.first), ""))
    words = _words(event, lanes) if ghost is None else None
    return Drawn(place, rows, words, _body(new, header, when, extra, declared).decode())


def _body(
    new: Current, header: Header, when: fold.Bounds | None, extra: dict[str, Any],
    declared: Callable[[int], dict[str, Any]],
) -> bytes:
    """Encode an event version once, as every answer will show it."""
    earliest, latest = when or (None, None)
    reason = extra.get("reason")
    derived: dict[str, Any] = {
        "earliest": None if earliest is None else _text_of(earliest),
        "latest": None if latest is None else _text_of(latest),
        "recorded_at": new.recorded_at,
        "revision": revision_of(header, new.revision, reason),
        **{name: value for name, value in extra.items() if name != "reason"},
    }
    if new.merged_from:
        derived["merged_from"] = new.merged_from
    if new.gone:
        derived["erased"] = erased_of(new.gone, declared)
    return splice(wire(new.event) if new.ghost is None else _tombstone(new.event), derived)


def _tombstone(event: Event) -> bytes:
    """Encode what is known of an event without its content. It is no event: it says nothing of its certainty."""
    known = {"id": event.id, "kind": event.kind, "status": event.status, "title": event.title}
    return msgspec.json.encode({**known, **({"sequence": event.sequence} if event.sequence else {})})


def erased_of(gone: dict[str, int], declared: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """Say which parts are gone, and what the newest erasure of them declares."""
    return {"parts": sorted(gone), **declared(max(gone.values()))}


def revision_of(header: Header, number: int, reason: str | None) -> dict[str, Any]:
    """Say which record made a version."""
    revision = {
        "number": number, "position": header.position, "recorded_at": header.recorded_at, "author": header.author,
        "type": header.type,
    }
    return revision if reason is None else {**revision, "reason": reason}


def splice(body: bytes, more: dict[str, Any]) -> bytes:
    """Add members to an encoded, non-empty JSON object."""
    return body[:-1] + b"," + msgspec.json.encode(more)[1:]


def event_of(body: dict[str, Any]) -> Event:
    """Take the event out of an answer's body."""
    return convert({name: value for name, value in body.items() if name not in EXTRAS}, Event)


def gone_of(body: dict[str, Any]) -> dict[str, int]:
    """Read back which parts a version lacks. The newest erasure alone is told, and alone will be."""
    erased = body.get("erased")
    return dict.fromkeys(erased["parts"], erased["position"]) if erased else {}


def is_tombstone(body: dict[str, Any]) -> bool:
    """Whether nothing but a tombstone is left."""
    return BODY in body.get("erased", {}).get("parts", ())


def words_of(body: dict[str, Any]) -> str | None:
    """Give the text a stored version is found by, exactly as it was when the version was drawn."""
    if is_tombstone(body):
        return None
    event = event_of(body)
    return _words(event, fold.lanes(event))


def _words(event: Event, found: Iterable[fold.Lane]) -> str:
    texts = [event.title, event.summary or "", event.place.name if event.place else ""]
    for translation in event.translations.values():
        texts += [translation.title, translation.summary or ""]
    texts += [facet.partition("/")[2].replace("-", " ") for facet, _ in found if not facet.startswith("source/")]
    return " ".join(filter(None, texts))


@lru_cache(32_768)
def _text_of(second: int) -> str:
    """Write a bound: most events begin and end with a day, so the same ones come again and again."""
    return iso(second)


__all__ = [
    "ERASED", "ERASED_TITLE", "EXTRAS", "MERGED", "RETRACTED", "SHOWN", "Current", "Drawn", "Ghost", "Versions", "draw",
    "erased_of", "event_of", "facets_of", "gone_of", "is_tombstone", "revision_of", "splice", "words_of",
]
