"""Decide whether a change may enter the log, and as what record.

A decision is taken inside the writer, against views known to be at the head, and is a pure function of the change and
that state. It answers with a `Draft` to be sealed, or with nothing where the change would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from timeline import fold
from timeline.erasures import merged_events, positions
from timeline.errors import Conflict, Fault, Invalid, NotFound, VersionMismatch
from timeline.log import BODY, Draft, Header
from timeline.model import Actor, Citation, Event, Source, slugify
from timeline.parts import TEXT, split
from timeline.records import (
    VERSIONS,
    ActorDescribed,
    AnyChange,
    AnyFact,
    EventRecorded,
    EventRetracted,
    EventRevised,
    EventsMerged,
    PartErased,
    SnapshotPublished,
    SourceDescribed,
    convert,
    difference,
    payload,
    plain,
    settle,
    settled,
)

SHOWN: Final = 0
MAX_SAFE: Final = 2**53 - 1


class CurrentEvent(Protocol):
    """The newest version of an event, as decisions need it."""

    revision: int
    hidden: int
    event: Event

    @property
    def is_erased(self) -> bool:
        """Whether nothing but a tombstone is left."""


class State(Protocol):
    """What is known at the head of the log, uncommitted changes of the same batch included."""

    def event(self, event_id: str) -> CurrentEvent | None:
        """The newest version of an event."""

    def thing(self, type_: str, id_: str) -> tuple[int, dict[str, Any]] | None:
        """Revision and body of an actor or source."""

    def knows(self, type_: str, id_: str) -> bool:
        """Whether there is an event, actor or source of that id."""

    def near(self, type_: str, id_: str) -> list[str]:
        """Ids that might have been meant."""

    def text(self, source_id: str) -> str | None:
        """The stored text of a source."""

    def published(self, snapshot_id: str) -> bool:
        """Whether a snapshot was published."""

    def own_records(self, type_: str, id_: str) -> Sequence[tuple[Header, frozenset[str]]]:
        """Headers of the committed records about a thing, with the parts that are still there."""

    def body(self, position: int) -> bytes:
        """The body of a committed record that still has it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The thing decided about, the record to seal (None: nothing changes), and the change as it will be stored."""

    type: str
    id: str
    draft: Draft | None
    change: AnyFact | None


def decide(  # noqa: PLR0911 - one for each type
    change: AnyFact, state: State, author: str, sent: bytes | None = None
) -> Decision:
    """Check a change against the state and say which record it becomes.

    `sent` is the payload of the change, where it is at hand already.

    Raises:
        Invalid: it names what does not exist, or says what cannot be.
        NotFound: there is nothing of that id to revise, retract or merge.
        Conflict: the id is taken, or the event was retracted or merged.
        VersionMismatch: `expected` is not the current revision.

    """
    change, body = settled(change, sent)
    match change:
        case EventRecorded():
            return _record(change, body, state, author)
        case EventRevised():
            return _revise(change, state, author)
        case EventRetracted():
            return _retract(change, state, author)
        case EventsMerged():
            return _merge(change, state, author)
        case ActorDescribed():
            return _describe_actor(change, state, author)
        case SourceDescribed():
            return _describe_source(change, state, author)
        case SnapshotPublished():
            return _publish(change, state, author)
        case PartErased():
            return _erase(change, state, author)


def digest(change: AnyFact, sent: bytes | None = None) -> bytes:
    """Digest of what a client sent, to tell a repeated request from a key used twice for different things."""
    content = payload(change) if sent is None else sent
    return sha256(type(change).__struct_config__.tag.encode() + b"\0" + content).digest()  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------- events

def _record(change: EventRecorded, body: bytes, state: State, author: str) -> Decision:
    event = change.event
    event_id = event.id or _free_id(slugify(event.title), state)
    if event.id is not None and (taken := state.event(event_id)) is not None:
        if change.expected not in (None, 0):
            _expect(change.expected, taken.revision)
        raise Conflict(
            f"there is an event {event_id} already (revision {taken.revision}): revise it, or choose another id",
            faults=(Fault("/event/id", "this id is taken"),), id=event_id, revision=taken.revision,
        )
    if change.expected not in (None, 0):
        _expect(change.expected, 0)
    if event.id is None:
        event = msgspec.structs.replace(event, id=event_id)
    _check_event(event, state, "/event")
    stored = EventRecorded(event=event)
    body = body if event is change.event else payload(stored)
    return Decision("event", event_id, _draft(stored, body, author, event_id, event), stored)


def _revise(change: EventRevised, state: State, author: str) -> Decision:
    current = _living(change.id, state, change.expected)
    if "id" in change.patch and change.patch["id"] != change.id:
        raise Invalid("an event keeps its id for ever", faults=(Fault("/patch/id", "an id cannot be changed"),))
    try:
        revised = settle(fold.revise(current.event, change.patch))
    except Invalid as error:
        raise error.at("/patch") from None
    _check_event(revised, state, "/patch")
    patch = difference(plain(current.event), plain(revised))
    if not patch:
        return Decision("event", change.id, None, None)
    stored = EventRevised(id=change.id, patch=patch, reason=change.reason)
    draft = _draft(stored, payload(stored), author, change.id, revised, current.event)
    return Decision("event", change.id, draft, stored)


def _retract(change: EventRetracted, state: State, author: str) -> Decision:
    current = _living(change.id, state, change.expected)
    stored = EventRetracted(id=change.id, reason=change.reason)
    return Decision("event", change.id, _draft(stored, payload(stored), author, change.id, current.event), stored)


def _merge(change: EventsMerged, state: State, author: str) -> Decision:
    if change.id in change.duplicates or len(set(change.duplicates)) < len(change.duplicates):
        raise Invalid("each duplicate is named once and is not the event that is kept",
                      faults=(Fault("/duplicates", "expected other events, each once"),))
    kept = _living(change.id, state, change.expected)
    others = [_living(duplicate, state, None).event for duplicate in change.duplicates]
    try:
        result = convert(plain(fold.absorb(kept.event, others)), Event)
    except Invalid as error:
        fault = Fault("/duplicates", f"together they are too much for one event: {error.detail}")
        raise Invalid(f"{fault.pointer}: {fault.detail}", faults=(fault,)) from None
    stored = EventsMerged(id=change.id, duplicates=change.duplicates, reason=change.reason)
    draft = _draft(stored, payload(stored), author, change.id, result, kept.event, *others)
    streams = (draft.streams[0], *(f"event/{other}" for other in change.duplicates), *draft.streams[1:])
    return Decision("event", change.id, msgspec.structs.replace(draft, streams=streams), stored)


def _living(event_id: str, state: State, expected: int | None) -> CurrentEvent:
    """Give the current version of an event that can still change."""
    current = state.event(event_id)
    if current is None:
        raise NotFound(f"there is no event {event_id}{_meant(event_id, state.near('event', event_id), '')}")
    _expect(expected, current.revision)
    if current.is_erased:
        raise Conflict(f"event {event_id} was erased: it no longer changes", id=event_id)
    if current.hidden != SHOWN:
        raise Conflict(f"event {event_id} was retracted or merged into another: it no longer changes", id=event_id)
    return current


def _expect(expected: int | None, revision: int) -> None:
    if expected is not None and expected != revision:
        raise VersionMismatch(
            f"expected revision {expected}, but the current one is {revision}: read it again before you change it",
            expected=expected, current=revision,
        )


def _free_id(wanted: str, state: State) -> str:
    """Give the slug itself, or with the first free number behind it."""
    candidate, number = wanted, 1
    while state.knows("event", candidate):
        number += 1
        candidate = f"{wanted}-{number}"
    return candidate


def _draft(change: AnyChange, body: bytes, author: str, event_id: str, newest: Event, *older: Event) -> Draft:
    type_ = change.__struct_config__.tag
    facets = fold.facets(newest)
    known = facets.union(*map(fold.facets, older))
    return Draft(
        type=type_,  # type: ignore[arg-type]
        version=VERSIONS[type_],  # type: ignore[index]
        author=author,
        streams=(f"event/{event_id}", *sorted(known)),
        parts=split(body),
        about=_safe(fold.spoken_of(newest)),
        kind=newest.kind,
        left=tuple(sorted(known - facets)),
        sequence=newest.sequence,
        status=newest.status,
        when=_safe(fold.happened(newest)),
    )


def _safe(bounds: fold.Bounds | None) -> fold.Bounds | None:
    """Keep bounds within the integers every JSON parser keeps exact (RFC 8785): 285 million years either way."""
    if bounds is None:
        return None
    earliest, latest = (None if end is None else max(-MAX_SAFE, min(end, MAX_SAFE)) for end in bounds)
    return earliest, latest




# ---------------------------------------------------------------------------------------------- references

def _check_event(event: Event, state: State, at: str) -> None:
    """Check everything an event names, and report all that is wrong at once."""
    faults = [*_unknown_names(event, state, at), *_bad_zone(event, at)] if _is_doubtful(event, state) else []
    for number, citation in enumerate(event.citations):
        faults += _bad_citation(citation, state, f"{at}/citations/{number}")
    if faults:
        raise Invalid(f"{faults[0].pointer}: {faults[0].detail}", faults=tuple(faults))


def _names(event: Event) -> Iterator[tuple[str, str, str]]:
    """Yield (pointer, type, id) of everything the event refers to."""
    for number, part in enumerate(event.actors):
        yield f"/actors/{number}/id", "actor", part.id
        if part.on_behalf_of is not None:
            yield f"/actors/{number}/on_behalf_of", "actor", part.on_behalf_of
    for number, stance in enumerate(event.stances):
        yield f"/stances/{number}/actor", "actor", stance.actor
    for number, citation in enumerate(event.citations):
        yield f"/citations/{number}/source", "source", citation.source
    for number, relation in enumerate(event.relations):
        yield f"/relations/{number}/event", "event", relation.event
    for number, name in enumerate(event.depends_on):
        yield f"/depends_on/{number}", "event", name
    if event.anchor is not None and event.anchor.event is not None:
        yield "/anchor/event", "event", event.anchor.event
    for number, name in enumerate(event.outcome.evidence if event.outcome else ()):
        yield f"/outcome/evidence/{number}", "event", name


def _is_doubtful(event: Event, state: State) -> bool:
    """Whether an event may name what is not there: most do not, and to see that is cheaper than to say where."""
    if event.tz is not None or event.stances or event.relations or event.depends_on or event.anchor or event.outcome:
        return True
    knows = state.knows
    return any(part.on_behalf_of is not None or not knows("actor", part.id) for part in event.actors) or any(
        not knows("source", citation.source) for citation in event.citations)


def _unknown_names(event: Event, state: State, at: str) -> Iterator[Fault]:
    for pointer, type_, name in _names(event):
        if type_ == "event" and name == event.id:
            yield Fault(at + pointer, "an event cannot refer to itself")
        elif not state.knows(type_, name):
            advice = ": record it first" if type_ == "event" else ": describe it first"
            yield Fault(at + pointer, f"unknown {type_} {name}{_meant(name, state.near(type_, name), advice)}")


def _meant(name: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(name, list(known), 1, 0.6)
    return f", did you mean {close[0]}?" if close else otherwise


def _bad_zone(event: Event, at: str) -> Iterator[Fault]:
    if event.tz is not None and not _is_zone(event.tz):
        yield Fault(f"{at}/tz", f"unknown time zone {event.tz}: expected an IANA name such as America/Anchorage")


@lru_cache(1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _bad_citation(citation: Citation, state: State, at: str) -> Iterator[Fault]:
    """Check a citation against the source's stored text, where there is one, and against its length."""
    if citation.start is None or citation.end is None:
        return
    found = state.thing("source", citation.source)
    if found is None:
        return
    characters = found[1].get("characters")
    if characters is not None and citation.end > characters:
        yield Fault(f"{at}/end", f"beyond the end of the source, which has {characters} characters")
        return
    text = state.text(citation.source)
    if text is None:
        return
    span = text[citation.start : citation.end]
    if citation.span_sha256 is not None and citation.span_sha256 != sha256(span.encode()).hexdigest():
        yield Fault(f"{at}/span_sha256", "the source's text at start..end has another digest")
    if citation.exact is not None and citation.exact != span:
        yield Fault(f"{at}/exact", "the source's text at start..end is not this")


# ---------------------------------------------------------------------------------------------- actors, sources

def _describe_actor(change: ActorDescribed, state: State, author: str) -> Decision:
    actor = change.actor
    actor_id = actor.id or _new_id(slugify(actor.name), "actor", state)
    actor = msgspec.structs.replace(actor, id=actor_id)
    stored = ActorDescribed(actor=actor, reason=change.reason)
    groups = sorted({*actor.member_of, actor.head_of, actor.spokesperson_of} - {None})  # type: ignore[type-var]
    streams = (f"actor/{actor_id}", *(f"actor/{group}" for group in groups if group != actor_id))
    return _describe("actor", actor_id, actor, stored, state, author, change.expected, streams, ())


def _describe_source(change: SourceDescribed, state: State, author: str) -> Decision:
    source = change.source
    source_id = source.id or _new_id(slugify(source.title), "source", state)
    source = msgspec.structs.replace(source, id=source_id)
    text = source.text
    if text is not None:
        source = _with_text(source, text)
    shown = msgspec.structs.replace(source, text=None)
    stored = SourceDescribed(source=shown, reason=change.reason)
    if text is None:
        parts: tuple[tuple[str, bytes], ...] = ()
    else:
        parts = ((TEXT, text.encode()),)
    streams = (f"source/{source_id}",)
    return _describe("source", source_id, shown, stored, state, author, change.expected, streams, parts)


def _with_text(source: Source, text: str) -> Source:
    """Fill in length and digest of the text, or refuse those that are not its own."""
    length, own = len(text), sha256(text.encode()).hexdigest()
    if source.sha256 not in (None, own):
        raise Invalid("/source/sha256: not the digest of the text",
                      faults=(Fault("/source/sha256", f"the text's SHA-256 is {own}"),))
    if source.characters not in (None, length):
        raise Invalid("/source/characters: not the length of the text",
                      faults=(Fault("/source/characters", f"the text has {length} characters"),))
    return msgspec.structs.replace(source, sha256=own, characters=length)


def _describe(  # noqa: PLR0913 - one description serves two types
    type_: str, id_: str, value: Actor | Source, stored: AnyChange, state: State, author: str,
    expected: int | None, streams: tuple[str, ...], more: tuple[tuple[str, bytes], ...],
) -> Decision:
    found = state.thing(type_, id_)
    _expect(expected, found[0] if found else 0)
    if found is not None and _same(found[1], value) and (not more or state.text(id_) == more[0][1].decode()):
        return Decision(type_, id_, None, None)
    tag = stored.__struct_config__.tag
    draft = Draft(type=tag, version=VERSIONS[tag], author=author, streams=streams,  # type: ignore[arg-type, index]
                  parts=((BODY, payload(stored)), *more))
    return Decision(type_, id_, draft, stored)


def _same(body: dict[str, Any], value: Actor | Source) -> bool:
    return {name: item for name, item in body.items() if name not in ("revision", "erased")} == plain(value)


def _new_id(wanted: str, type_: str, state: State) -> str:
    if state.knows(type_, wanted):
        raise Conflict(f"there is {'an actor' if type_ == 'actor' else 'a source'} {wanted} already: give an id",
                       faults=(Fault(f"/{type_}/id", f"{wanted} is taken"),), id=wanted)
    return wanted


# ---------------------------------------------------------------------------------------------- snapshots

def _publish(change: SnapshotPublished, state: State, author: str) -> Decision:
    """Record a publication, once. It joins the streams its question names, and so proves where they ended."""
    if state.published(change.id):
        return Decision("snapshot", change.id, None, None)
    tag = change.__struct_config__.tag
    stored = msgspec.structs.replace(change, streams=[])
    draft = Draft(type=tag, version=VERSIONS[tag], author=author,  # type: ignore[arg-type, index]
                  streams=(f"snapshot/{change.id}", *change.streams), parts=((BODY, payload(stored)),))
    return Decision("snapshot", change.id, draft, stored)


# ---------------------------------------------------------------------------------------------- erasures

def _erase(change: PartErased, state: State, author: str) -> Decision:
    """Declare parts of committed records erased. Headers then say that what lost its body stands nowhere."""
    merged = merged_events(change.id, state) if change.of == "event" else []
    records = positions(change, [change.id, *merged], state)
    if not records:
        return Decision(change.of, change.id, None, None)
    stored = msgspec.structs.replace(change, records=records, key=None, expected=None)
    tag = change.__struct_config__.tag
    streams = (f"{change.of}/{change.id}", *(f"event/{name}" for name in merged))
    draft = Draft(type=tag, version=VERSIONS[tag], author=author,  # type: ignore[arg-type, index]
                  streams=streams, parts=((BODY, payload(stored)),))
    current = state.event(change.id) if change.of == "event" else None
    if current is not None and not current.is_erased:
        draft = _standing(draft, current.event, gone=change.part == BODY)
    return Decision(change.of, change.id, draft, stored)


def _standing(draft: Draft, event: Event, *, gone: bool) -> Draft:
    """Say in the header where the event stands after the erasure, or that it stands nowhere any more."""
    streams = (*draft.streams, *sorted(fold.facets(event)))
    return msgspec.structs.replace(
        draft, streams=streams, left=tuple(sorted(streams)) if gone else (), kind=event.kind, status=event.status,
        when=_safe(fold.happened(event)), about=_safe(fold.spoken_of(event)), sequence=event.sequence,
    )
