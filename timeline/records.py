"""The facts a log can hold, their versions, and their canonical bytes.

One union serves as command and as record: what a client sends (`{"type": "event.recorded", "event": {...}}`) is what
is appended, minus what was redundant. There is no second set of command classes to keep in step.

A record type's name is a chosen, versioned string, never a class path: renaming a class must not break a log. The
header carries ``type`` and ``v``; `UPCASTS` lifts an old version's payload to the next one when it is read, so the
rest of the code only ever sees the newest.

Canonical form: no floats, ASCII keys, integers within 2^53, NFC text without control characters. Within that profile
msgspec's sorted encoding *is* RFC 8785 (tests compare it with the `rfc8785` package).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import accumulate
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, field, inspect

from timeline.errors import Fault, Invalid, Malformed
from timeline.model import Actor, Event, Slug, Source, Value, canonical_hook, decode_hook, wire_hook

T = TypeVar("T")
Reason = Annotated[str, Meta(min_length=1, max_length=2000, description="why; shown to readers")]
Ground = Annotated[str, Meta(min_length=1, max_length=200, description="legal ground, such as GDPR Art. 17")]
Key = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$(?!\n)", description="idempotency key")
]
Version = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", description="SHA-256 in hexadecimal")]


class Change(Value, frozen=True, kw_only=True, tag_field="type"):
    """A fact about to be appended. `key` and `expected` steer the append and are not part of the record.

    `expected` is the number of the last revision of the thing the writer saw (0: it must not exist yet).
    """

    key: Key | None = None
    expected: Version | None = None


class EventRecorded(Change, frozen=True, kw_only=True, tag="event.recorded"):
    """An event enters the chronicle."""

    event: Event


class EventRevised(Change, frozen=True, kw_only=True, tag="event.revised"):
    """An event is corrected: an RFC 7396 merge patch and a reason that readers see."""

    id: Slug
    patch: dict[str, Any]
    reason: Reason


class EventRetracted(Change, frozen=True, kw_only=True, tag="event.retracted"):
    """An event is withdrawn. Its history stays and its address keeps answering."""

    id: Slug
    reason: Reason


class EventsMerged(Change, frozen=True, kw_only=True, tag="events.merged"):
    """Several records of one happening become one: `duplicates` are folded into `id`."""

    id: Slug
    duplicates: Annotated[list[Slug], Meta(min_length=1, max_length=50)]
    reason: Reason


class ActorDescribed(Change, frozen=True, kw_only=True, tag="actor.described"):
    """An actor is introduced or described anew; the description replaces the earlier one."""

    actor: Actor
    reason: Reason | None = None


class SourceDescribed(Change, frozen=True, kw_only=True, tag="source.described"):
    """A source is introduced or described anew; the description replaces the earlier one."""

    source: Source
    reason: Reason | None = None


AnyChange = EventRecorded | EventRevised | EventRetracted | EventsMerged | ActorDescribed | SourceDescribed
"""What whoever may write can append."""


class PartErased(Change, frozen=True, kw_only=True, tag="part.erased"):
    """A part was erased for a lawful reason: what it was a part of, where, why, and on which ground. Never its content.

    `records` are the positions that lost the part; everything about `id` is theirs. Only an administrator erases.
    """

    id: Slug
    of: Literal["event", "actor", "source"] = "event"
    part: Slug
    records: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(max_length=100_000)] = field(default_factory=list)
    reason: Reason
    ground: Ground | None = None


class SnapshotPublished(Change, frozen=True, kw_only=True, tag="snapshot.published"):
    """A view was frozen: its manifest, whose digest is the snapshot's id, and the digest of its content then.

    The manifest stays in the log, so that a snapshot keeps its id whatever is erased later, and the log dates it.
    """

    id: Digest
    content: Digest
    entries: Annotated[int, Meta(ge=0)]
    manifest: dict[str, Any]
    streams: list[str] = field(default_factory=list)


AnyFact = AnyChange | PartErased | SnapshotPublished
"""What a log can hold: changes, and what the keeper of the log does."""

TYPES: Final[dict[str, type[AnyFact]]] = {
    cls.__struct_config__.tag: cls  # type: ignore[misc]
    for cls in (EventRecorded, EventRevised, EventRetracted, EventsMerged, ActorDescribed, SourceDescribed, PartErased,
                SnapshotPublished)
}
"""Every record type by its stored name; documentation and tests read this table."""

VERSIONS: Final[dict[str, int]] = dict.fromkeys(TYPES, 1)
"""The version each type is written in today."""

UPCASTS: Final[dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""(type, version) -> how its payload becomes that of version + 1. Every version ever written stays in fixtures/."""

MAX_DEPTH: Final = 32
"""Deeper JSON than any field needs is refused before it is parsed: recursion is the attacker's, not ours."""

_canonical = msgspec.json.Encoder(order="sorted", enc_hook=canonical_hook)
_wire = msgspec.json.Encoder(enc_hook=wire_hook)
_change_decoder: msgspec.json.Decoder[AnyChange] = msgspec.json.Decoder(AnyChange, dec_hook=decode_hook)
_event_decoder = msgspec.json.Decoder(Event, dec_hook=decode_hook)
_planes = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
_forbidden = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ud800-\udfff{_planes}]")
_suspect = re.compile(
    rb"\\u00[01]|\\[bf]|\x7f|\xc2[\x80-\x9f]|\xef\xb7[\x90-\xaf]|\xef\xbf[\xbe\xbf]|[\xf0-\xf4].\xbf[\xbe\xbf]",
    re.DOTALL,
)
"""What `_forbidden` may look like once encoded. A path ``C:\\bin`` looks like it too: hits are looked at again."""
_escape = re.compile(rb"\\.", re.DOTALL)
_string = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def canonical(value: object) -> bytes:
    """Encode in canonical JSON (RFC 8785 within the profile of this module).

    >>> canonical({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    return _canonical.encode(value)


def wire(value: object) -> bytes:
    """Encode for readers of the API: fields in the order of the model, coordinates as numbers."""
    return _wire.encode(value)


def decode(raw: bytes | str, type_: type[T]) -> T:
    """Decode strictly to `type_`; see `parse` for the errors."""
    return parse(raw, msgspec.json.Decoder(type_, dec_hook=decode_hook))


def decode_change(raw: bytes | str) -> AnyChange:
    """Decode one change strictly.

    Raises:
        Malformed: it is not JSON.
        Invalid: a field is unknown, missing or wrong; the fault's pointer says which.

    """
    return parse(raw, _change_decoder)


def parse(raw: bytes | str, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode with `decoder`, turning every failure into one of ours with a JSON pointer."""
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    check_depth(data)
    try:
        value = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error, decoder.type) from None
    except UnicodeDecodeError:
        raise Malformed(_explain_encoding(data)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(_explain_syntax(str(error), data)) from None
    _refuse_duplicates(data)
    return value


def convert(value: object, type_: type[T]) -> T:
    """Like `decode`, for JSON values that are parsed already."""
    try:
        return msgspec.convert(value, type_, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise invalid(error, type_) from None


def convert_change(value: object) -> AnyChange:
    """Like `decode_change`, for JSON values that are parsed already."""
    try:
        return msgspec.convert(value, AnyChange, dec_hook=decode_hook)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise invalid(error, AnyChange) from None


def check_depth(data: bytes) -> None:
    """Refuse JSON nested deeper than `MAX_DEPTH` (brackets inside strings do not count)."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    brackets = _string.sub(b"", data).translate(None, _NO_BRACKETS)
    steps = (1 if bracket in b"[{" else -1 for bracket in brackets)
    if max(accumulate(steps), default=0) > MAX_DEPTH:
        raise Malformed(f"JSON nested deeper than {MAX_DEPTH} levels")


def _refuse_duplicates(data: bytes) -> None:
    """Refuse JSON that names one member twice: msgspec keeps the last without a word (RFC 8259 section 4).

    What was kept has as many strings as what was sent, unless a member is gone (a third of the time `json` takes).
    """
    if _strings(data) == _strings(msgspec.json.encode(msgspec.json.decode(data))):
        return
    found: list[int] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            found.append(len(pairs))

    json.loads(data, object_pairs_hook=look, parse_int=str, parse_float=str)
    if found:
        faults = tuple(_repeated(json.loads(data, object_pairs_hook=tuple, parse_int=str, parse_float=str), ""))
        raise Malformed(f"{faults[0].pointer}: {faults[0].detail}", faults=faults)


def _strings(data: bytes) -> int:
    """Count the quotes around strings: without the escaped characters there are no others."""
    return (_escape.sub(b"", data) if b"\\" in data else data).count(b'"')


def _repeated(value: object, pointer: str) -> Iterator[Fault]:
    """Find members named twice; `value` has its objects as tuples of pairs."""
    if isinstance(value, tuple):
        seen: set[str] = set()
        for name, item in value:
            place = f"{pointer}/{escape_pointer(name)}"
            if name in seen:
                yield Fault(place, "given twice: leave one out")
            seen.add(name)
            yield from _repeated(item, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _repeated(item, f"{pointer}/{index}")


def _explain_encoding(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.start} cannot start or continue a character"
    return "not UTF-8"


def _explain_syntax(message: str, data: bytes) -> str:
    if re.search(rb"\\u[dD][89a-fA-F]", data):
        return f"malformed JSON, perhaps a lone surrogate (\\ud800..\\udfff must come in pairs): {message}"
    return f"malformed JSON: {message}" if data.strip() else "expected JSON, got nothing"


# ---------------------------------------------------------------------------------------------- text

def settle(value: Any) -> Any:  # noqa: ANN401 - any struct in, the same struct type out
    """Return the struct with all its text in NFC; `Invalid` where text holds what no text should (RFC 9839).

    Nearly all input is clean, so the canonical bytes are looked at as a whole first.
    """
    try:
        data = canonical(value)
    except UnicodeEncodeError:  # a lone surrogate, from Python: JSON with one is not UTF-8 and never gets here
        _refuse_controls(msgspec.to_builtins(value, enc_hook=canonical_hook))
        raise
    if _is_settled(data):
        return value
    if _suspect.search(data):
        _refuse_controls(msgspec.json.decode(data))
    text = data.decode()
    if unicodedata.is_normalized("NFC", text):
        return value
    return convert(msgspec.json.decode(unicodedata.normalize("NFC", text)), type(value))


def settled(change: AnyFact, sent: bytes | None = None) -> tuple[AnyFact, bytes]:
    """Return the change as `settle` does, with its payload; `sent` is the payload of the change as it is, if known."""
    with suppress(UnicodeEncodeError):  # a lone surrogate: `settle` says where
        if _is_plain(change.key) and _is_settled(data := payload(change) if sent is None else sent):
            return change, data
    change = settle(change)
    return change, payload(change)


def _is_settled(data: bytes) -> bool:
    """Whether canonical bytes are plain ASCII: then they are in NFC, and hold nothing that no text should."""
    return data.isascii() and (not (b"\\" in data or b"\x7f" in data) or not _suspect.search(data))


def _is_plain(key: str | None) -> bool:
    return key is None or (key.isascii() and key.isprintable())


def _refuse_controls(values: object) -> None:
    if faults := tuple(_control_faults(values, "")):
        raise Invalid(f"{faults[0].pointer}: {faults[0].detail}", faults=faults)


def _control_faults(value: object, pointer: str) -> Iterator[Fault]:
    if isinstance(value, str):
        if found := _forbidden.search(value):
            code = f"U+{ord(found[0]):04X}"
            yield Fault(pointer, f"control character or noncharacter {code} at {found.start()}: remove it")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _control_faults(name, pointer)
            yield from _control_faults(item, f"{pointer}/{escape_pointer(name)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _control_faults(item, f"{pointer}/{index}")


# ---------------------------------------------------------------------------------------------- faults

def invalid(error: Exception, type_: Any) -> Invalid:  # noqa: ANN401 - whatever msgspec takes for a type
    """Turn a msgspec error (``Expected `int`, got `str` - at `$.a[0].b` ``) into a pointer and a sentence."""
    detail, _, path = str(error).rpartition(" - at `")  # the path stands last, whatever the text before it quotes
    if not path.startswith(("$", "key` in `$")):
        detail, path = str(error), ""
    pointer = _pointer(path.rstrip("`"))
    if unknown := re.match(r"Object contains unknown field `(.*)`$", detail, re.DOTALL):
        pointer += "/" + escape_pointer(unknown[1])
        detail = "unknown field"
    elif missing := re.match(r"Object missing required field `(.*)`$", detail):
        pointer += "/" + escape_pointer(missing[1])
        detail = "required field is missing"
    elif detail.startswith("Expected `str` matching regex"):
        detail = _explain_pattern(detail)
    elif (wrong := re.match(r"Invalid (?:enum )?value (.*)$", detail, re.DOTALL)) and (words := _words(type_, pointer)):
        detail = f"expected {', '.join(words[:-1])} or {words[-1]}, got {wrong[1]}"
    else:
        detail = detail[0].lower() + detail[1:]
    return Invalid(f"{pointer or 'the body'}: {detail}".splitlines()[0], faults=(Fault(pointer, detail),))


def _words(type_: Any, pointer: str) -> list[str]:  # noqa: ANN401 - whatever msgspec takes for a type
    """List the words that may stand at a place of a type."""
    places = _alternatives(inspect.type_info(type_))
    for step in pointer.split("/")[1:]:
        places = [found for place in places for below in _below(place, step) for found in _alternatives(below)]
    return sorted({str(word) for place in places if isinstance(place, inspect.LiteralType) for word in place.values})


def _alternatives(info: inspect.Type) -> list[inspect.Type]:
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        return [found for one in info.types for found in _alternatives(one)]
    return [info]


def _below(info: inspect.Type, step: str) -> list[inspect.Type]:
    if isinstance(info, inspect.ListType):
        return [info.item_type]
    if not isinstance(info, inspect.StructType):
        return []
    if step == info.tag_field:
        return [inspect.LiteralType((str(info.tag),))]
    return [field.type for field in info.fields if field.encode_name == step]


def _explain_pattern(detail: str) -> str:
    for name, pattern, example in _PATTERNS:
        if pattern in detail.replace("\\\\", "\\"):
            return f"expected {name}, such as {example}"
    return detail[0].lower() + detail[1:]


_PATTERNS: Final = (
    ("a slug (lower-case ASCII letters, digits and single hyphens)", "^[a-z0-9]+(-[a-z0-9]+)*", '"alaska-summit"'),
    ("a language tag", "^[a-zA-Z]{2,3}", '"fr"'),
    ("64 lower-case hexadecimal digits", "^[0-9a-f]{64}", "a SHA-256"),
    ("a Wikidata item", "^Q[1-9]", '"Q797"'),
    ("an http or https address", "^https?://", '"https://example.org/report"'),
    ("an IANA time zone", "^[A-Za-z0-9_+", '"Europe/Paris"'),
    ("printable ASCII without spaces", r"^[\x21-\x7e]+", '"7f3c…"'),
)


def _pointer(path: str) -> str:
    """Turn ``$.actors[0].id`` into ``/actors/0/id``; a dict's key is not named by msgspec and becomes ``*``."""
    steps = re.findall(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+|\.\.\.)\]", path.removeprefix("key in ").replace("`", ""))
    return "".join(f"/{name or ('*' if index == '...' else index)}" for name, index in steps)


def escape_pointer(name: str) -> str:
    """Escape one reference token (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


# ---------------------------------------------------------------------------------------------- merge patch

def merge(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Apply a merge patch (RFC 7396 section 2, the algorithm as printed there).

    >>> merge({"a": "b", "c": {"d": "e", "f": "g"}}, {"a": "z", "c": {"f": None}})
    {'a': 'z', 'c': {'d': 'e'}}
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def difference(old: Any, new: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Return the smallest merge patch from `old` to `new`.

    ``merge(old, difference(old, new)) == new``. Neither may hold null, which a merge patch cannot say (RFC 7396
    section 1); no struct of the model ever does.

    >>> difference({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "d": 4}, "e": 5})
    {'a': None, 'b': {'d': 4}, 'e': 5}
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    patch = {name: None for name in old if name not in new}
    for name, value in new.items():
        if name not in old:
            patch[name] = value
        elif canonical(old[name]) != canonical(value):  # to Python, [True] is equal to [1]
            patch[name] = difference(old[name], value)
    return patch


def plain(value: object) -> dict[str, Any]:
    """Return a struct as canonical JSON values (dates and degrees as text)."""
    result: dict[str, Any] = msgspec.json.decode(canonical(value))
    return result


def decode_event(raw: bytes) -> Event:
    """Decode a stored event."""
    return _event_decoder.decode(raw)


# ---------------------------------------------------------------------------------------------- stored form

_STEERING: Final = frozenset({"key", "expected"})


def payload(change: AnyFact) -> bytes:
    """Give the canonical bytes of the record's body part: the change without type, key and expectation."""
    if type(change) is EventRecorded:  # nearly all of them, and quickest said so
        return b'{"event":%b}' % canonical(change.event)
    values = ((name, getattr(change, name)) for name in change.__struct_fields__ if name not in _STEERING)
    return canonical({name: value for name, value in values if value is not None})


def restore(type_: str, version: int, body: bytes) -> AnyFact:
    """Read a stored body of any version ever written.

    Raises:
        Invalid: the type or version is one this program does not know (a newer program wrote it).

    """
    cls = TYPES.get(type_)
    if cls is None or version > VERSIONS[type_]:
        raise Invalid(f"record type {type_}.v{version} is newer than this program: upgrade it to read this log")
    try:
        if version == VERSIONS[type_]:
            return msgspec.json.decode(b'{"type":"%s",%s' % (type_.encode(), body[1:]), type=cls, dec_hook=decode_hook)
        values = msgspec.json.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error, cls) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid(f"the body of a record of type {type_}.v{version} is not JSON") from None
    for old in range(version, VERSIONS[type_]):
        values = UPCASTS[type_, old](values)
    return convert({"type": type_, **values}, cls)


__all__ = [
    "TYPES", "UPCASTS", "VERSIONS", "ActorDescribed", "AnyChange", "AnyFact", "Change", "EventRecorded",
    "EventRetracted", "EventRevised", "EventsMerged", "PartErased", "SnapshotPublished", "SourceDescribed", "canonical",
    "convert", "decode", "decode_change", "decode_event", "difference", "escape_pointer", "merge", "payload", "plain",
    "restore", "settle", "settled", "wire",
]
