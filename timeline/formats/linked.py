"""Events for maps and for search engines: GeoJSON (RFC 7946) and schema.org as JSON-LD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from timeline.edtf import day, iso, ymd
from timeline.formats.events import Entry, read
from timeline.formats.sheet import Sheet, joined

UNSURE: Final = "an unsure date is only text (temporalCoverage)"
_STATUS: Final = {"planned": "EventScheduled", "cancelled": "EventCancelled"}


# ---------------------------------------------------------------------------------------------- GeoJSON

def geojson(sheet: Sheet) -> Iterator[bytes]:
    """Write a FeatureCollection: ``[longitude, latitude]``, and a null geometry where no place is known (3.2)."""
    yield b'{"type":"FeatureCollection","features":['
    yield from joined(msgspec.json.encode(_feature(msgspec.json.decode(body))) for body in sheet.bodies)
    tail: dict[str, Any] = {"position": sheet.position}
    if sheet.next is not None:
        tail["next"] = sheet.next
    yield b"]," + msgspec.json.encode(tail)[1:]


def _feature(event: dict[str, Any]) -> dict[str, Any]:
    place = event.get("place", {})
    geometry = {"type": "Point", "coordinates": [place["lon"], place["lat"]]} if "lat" in place else None
    return {"type": "Feature", "id": event["id"], "geometry": geometry, "properties": event}


# ---------------------------------------------------------------------------------------------- JSON-LD

def json_ld(sheet: Sheet) -> Iterator[bytes]:
    """Write a LiveBlogPosting whose updates are what was recorded; each is about an Event.

    `temporalCoverage` of an update is the EDTF date, whatever it is; the Event has dates only where they are sure. No
    ``<`` is left as it is, so that the text can stand in a page's ``<script>``.
    """
    head = {"@context": "https://schema.org", "@type": "LiveBlogPosting", "@id": sheet.urn(),
            "headline": f"Timeline {sheet.origin}", **({"url": sheet.page_url} if sheet.own_url else {})}
    yield msgspec.json.encode(head)[:-1] + b',"liveBlogUpdate":['
    covered: list[str] = []
    yield from joined(_safe(msgspec.json.encode(_update(read(body), sheet, covered))) for body in sheet.bodies)
    tail = {"coverageStartTime": min(covered), "coverageEndTime": max(covered)} if covered else {}
    yield b"]" + (b"," + msgspec.json.encode(tail)[1:] if tail else b"}")


def posting(body: str, sheet: Sheet) -> bytes:
    """Write one event as a BlogPosting about an Event, fit for a ``<script type="application/ld+json">``."""
    update = {"@context": "https://schema.org", **_update(read(body), sheet, [])}
    return _safe(msgspec.json.encode(update))


def _safe(chunk: bytes) -> bytes:
    return chunk.replace(b"<", b"\\u003c")


def _update(entry: Entry, sheet: Sheet, covered: list[str]) -> dict[str, Any]:
    event, revision = entry.event, entry.event["revision"]
    urn = sheet.urn("events", entry.id)
    covered += [event["recorded_at"], revision["recorded_at"]]
    update = {
        "@type": "BlogPosting", "@id": urn, "identifier": entry.id, "headline": entry.title,
        "articleBody": "\n\n".join(filter(None, (entry.words, entry.summary))),
        "datePublished": event["recorded_at"], "dateModified": revision["recorded_at"],
        "about": _about(entry, urn, sheet),
    }
    correction = {"@type": "CorrectionComment", "text": revision.get("reason"),
                  "datePublished": revision["recorded_at"]}
    more = {
        "url": sheet.event_url(entry.id),
        "temporalCoverage": event.get("when"), "inLanguage": event.get("lang"), "keywords": event.get("topics"),
        "correction": correction if revision.get("reason") else None,
        "creativeWorkStatus": "Retracted" if entry.gone else None,
        "citation": [{"@type": "CreativeWork", "@id": sheet.urn("sources", source), "identifier": source}
                     for source in entry.sources],
    }
    return update | {name: value for name, value in more.items() if value}


def _about(entry: Entry, urn: str, sheet: Sheet) -> dict[str, Any]:
    event = entry.event
    parts = [{"@type": "Role", "roleName": part["role"],
              "actor": {"@id": sheet.urn("actors", part["id"]), "name": sheet.name(part["id"])}}
             for part in event.get("actors", ())]
    found = {"@type": "Event", "@id": f"{urn}#event", "name": event["title"], **_dates(entry, sheet)}
    status = _STATUS.get(event["status"])
    more = {"description": entry.summary, "actor": parts, "location": _place(event.get("place")),
            "eventStatus": status and f"https://schema.org/{status}"}
    return found | {name: value for name, value in more.items() if value}


def _dates(entry: Entry, sheet: Sheet) -> dict[str, str]:
    first, last = entry.civil
    if not entry.sure or first is None or last is None or not 0 <= ymd(first)[0] <= ymd(last)[0] <= 9999:
        if entry.when is not None:
            sheet.losses.reduced[UNSURE] += 1
        return {}
    if not entry.timed:
        return {"startDate": day(first), "endDate": day(last)}
    zoned = entry.tz is not None or (entry.when is not None and entry.when.zoned)
    return {"startDate": iso(entry.instants[0] or 0) if zoned else iso(first).removesuffix("Z")}


def _place(place: dict[str, Any] | None) -> dict[str, Any] | None:
    if not place:
        return None
    found = {"@type": "Place", "name": place["name"]}
    if "lat" in place:
        found["geo"] = {"@type": "GeoCoordinates", "latitude": place["lat"], "longitude": place["lon"]}
    if "wikidata" in place:
        found["sameAs"] = f"http://www.wikidata.org/entity/{place['wikidata']}"
    return found
