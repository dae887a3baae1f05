"""Feeds of what was recorded: JSON Feed 1.1, and Atom (RFC 4287) with tombstones (RFC 6721).

A feed reader sorts by when something was published, which is when it was recorded here. The date of the event is not
that, and never stands in its place: it is in words in the text, and as EDTF in ``_timeline`` or ``dcterms:temporal``.

Addresses in Atom are relative to the feed's own (RFC 4287, section 2), so that a feed is the same behind every proxy.
Where the server was told its public address they are absolute, and a feed says where it and its page are: readers keep
feeds apart from where they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec

from timeline.formats.events import Entry, read
from timeline.formats.markup import picture
from timeline.formats.sheet import Sheet, joined

_OURS: Final = ("id", "kind", "status", "when", "tz", "earliest", "latest", "actors", "topics", "place", "retracted",
                "merged_into")
_NAMESPACES: Final = {
    "xmlns": "http://www.w3.org/2005/Atom",
    "xmlns:at": "http://purl.org/atompub/tombstones/1.0",
    "xmlns:dcterms": "http://purl.org/dc/terms/",
    "xmlns:georss": "http://www.georss.org/georss",
}
NEVER: Final = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated: Atom wants a date."""


# ---------------------------------------------------------------------------------------------- JSON Feed

def json_feed(sheet: Sheet) -> Iterator[bytes]:
    """Write a JSON Feed (https://www.jsonfeed.org/version/1.1/).

    It has no tombstones: a retraction says so in its title.
    """
    head: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1", "title": f"Timeline {sheet.origin}",
        "_timeline": {"position": sheet.position},
    }
    if sheet.own_url:
        head |= {"home_page_url": sheet.page_url, "feed_url": sheet.own_url}
    if sheet.next is not None:
        head["next_url"] = sheet.base + sheet.next
    yield msgspec.json.encode(head)[:-1] + b',"items":['
    yield from joined(msgspec.json.encode(_item(read(body), sheet)) for body in sheet.bodies)
    yield b"]}"


def _item(entry: Entry, sheet: Sheet) -> dict[str, Any]:
    event = entry.event
    item: dict[str, Any] = {
        "id": sheet.urn("events", entry.id),
        "title": entry.title,
        "content_text": _text(entry),
        "date_published": event["recorded_at"],
        "date_modified": event["revision"]["recorded_at"],
        "tags": [*map(sheet.name, entry.actors), *event.get("topics", ())],
        "_timeline": {**{name: event[name] for name in _OURS if name in event}, "sources": entry.sources,
                      "position": event["revision"]["position"]},
    }
    medium = picture(event)
    more = {"url": sheet.event_url(entry.id), "language": event.get("lang"), "image": medium["url"] if medium else None}
    return item | {name: value for name, value in more.items() if value}


def _text(entry: Entry) -> str:
    return "\n\n".join(filter(None, (_sentence(entry.words), entry.summary, entry.gone and f"Retracted: {entry.gone}")))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


# ---------------------------------------------------------------------------------------------- Atom

def atom(sheet: Sheet) -> Iterator[bytes]:
    """Write an Atom feed. The order of its elements means nothing (RFC 4287, section 4.1.1): `updated` is the last."""
    root = " ".join(f'{name}="{uri}"' for name, uri in _NAMESPACES.items())
    yield f'<?xml version="1.0" encoding="utf-8"?>\n<feed {root}>'.encode()
    yield _bytes(_element("id", sheet.urn())) + _bytes(_element("title", f"Timeline {sheet.origin}"))
    author = ET.Element("author")
    author.append(_element("name", sheet.origin))
    yield _bytes(author)
    if sheet.own_url:
        yield _bytes(ET.Element("link", {"rel": "self", "type": "application/atom+xml", "href": sheet.own_url}))
        yield _bytes(ET.Element("link", {"rel": "alternate", "type": "text/html", "href": sheet.page_url}))
    if sheet.next is not None:
        yield _bytes(ET.Element("link", {"rel": "next", "href": sheet.base + sheet.next}))
    updated = NEVER
    for body in sheet.bodies:
        entry = read(body)
        updated = max(updated, entry.event["revision"]["recorded_at"])
        yield b"\n" + _bytes(_tombstone(entry, sheet) if entry.gone else _entry(entry, sheet))
    yield b"\n" + _bytes(_element("updated", updated)) + b"</feed>\n"


def _entry(entry: Entry, sheet: Sheet) -> ET.Element:
    event = entry.event
    found = ET.Element("entry", {"xml:lang": event["lang"]} if "lang" in event else {})
    found.extend([
        _element("id", sheet.urn("events", entry.id)),
        _element("title", entry.title, type="text"),
        _element("published", event["recorded_at"]),
        _element("updated", event["revision"]["recorded_at"]),
        ET.Element("link", {"rel": "alternate", "type": "text/html", "href": f"{sheet.base}/events/{entry.id}"}),
        _element("content", _text(entry), type="text"),
    ])
    for actor in entry.actors:
        contributor = ET.SubElement(found, "contributor")
        contributor.append(_element("name", sheet.name(actor)))
    found.extend(ET.Element("category", {"term": topic}) for topic in event.get("topics", ()))
    found.extend(ET.Element("link", {"rel": "via", "href": f"{sheet.base}/v1/sources/{source}"})
                 for source in entry.sources)
    found.extend(_coverage(event))
    return found


def _coverage(event: dict[str, Any]) -> Iterator[ET.Element]:
    """Say when and where, in the words of Dublin Core (an EDTF date) and GeoRSS (latitude first)."""
    place = event.get("place", {})
    if "when" in event:
        yield _element("dcterms:temporal", event["when"])
    if "name" in place:
        yield _element("dcterms:spatial", place["name"])
    if "lat" in place:
        yield _element("georss:point", f"{place['lat']} {place['lon']}")


def _tombstone(entry: Entry, sheet: Sheet) -> ET.Element:
    """Say that an entry was withdrawn, when, and why (RFC 6721, section 3)."""
    found = ET.Element("at:deleted-entry", {"ref": sheet.urn("events", entry.id),
                                            "when": entry.event["revision"]["recorded_at"]})
    found.append(_element("at:comment", entry.gone or ""))
    return found


def _element(name: str, text: str, **attributes: str) -> ET.Element:
    found = ET.Element(name, attributes)
    found.text = text
    return found


def _bytes(element: ET.Element) -> bytes:
    return ET.tostring(element, encoding="unicode").encode()
