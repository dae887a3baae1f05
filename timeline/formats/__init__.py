"""Formats out: one table that the API (`f=` and `Accept`), the command line, the documentation and the tests share.

A format is one function from encoded events to chunks of bytes. It gets the page as a `Sheet` and yields bytes, so that
the same function serves one page of the API and an export of millions of events. What it could not carry is in the
sheet's `losses` when the last chunk was written. The traps of each tool are named in the module that avoids them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from timeline.formats import csv, feeds, fullcalendar, html, ics, json, linked, timelinejs, timesketch, vis
from timeline.formats.languages import actor_name, localised
from timeline.formats.sheet import Losses, NameOf, Sheet


class Format(NamedTuple):
    """One way to write events.

    `loses` says what it can never carry, whatever the event. A `light` format costs little more than its bytes: it may
    be written where others wait. `policy` is the Content-Security-Policy of a format that browsers show as a document.
    Media types are all different, so that Accept can ask for any of them; where there is no registered one, it is a
    vendor's name with the suffix of its syntax (RFC 6838, section 4.2.8).
    """

    name: str
    media_type: str
    extension: str
    description: str
    write: Callable[[Sheet], Iterator[bytes]]
    loses: str = ""
    light: bool = False
    policy: str = ""

    def encode(self, sheet: Sheet) -> bytes:
        """Write a whole sheet at once."""
        return b"".join(self.write(sheet))

    def stream(self, sheet: Sheet) -> Iterator[bytes]:
        """Write a sheet chunk by chunk."""
        return self.write(sheet)


FORMATS: Final = {
    each.name: each
    for each in (
        Format("json", "application/json", "json", "A page: items, the position they speak of, and next", json.page,
               light=True),
        Format("ndjson", "application/x-ndjson", "ndjson", "One event a line", json.lines, light=True),
        Format("csv", "text/csv", "csv",
               "A table for spreadsheets; text that a spreadsheet could run is made harmless", csv.table,
               "stances, media, anchors and outcomes; translations other than French", light=True),
        Format("timelinejs", "application/vnd.knightlab.timelinejs+json", "json",
               "TimelineJS3: slides, with the date in words", timelinejs.write,
               "events without a date; doubt about a date except in words; all lanes of an event but the first"),
        Format("vis", "application/vnd.visjs.timeline+json", "json",
               "vis-timeline: items and groups, one lane an actor", vis.write,
               "events without a date; doubt about a date except in words; sources"),
        Format("fullcalendar", "application/vnd.fullcalendar+json", "json",
               "FullCalendar: an array of events", fullcalendar.write,
               "events without a date, open ones, and those that may lie in more than 31 days; sources"),
        Format("ics", "text/calendar", "ics", "iCalendar: a calendar to subscribe to", ics.write,
               "events without a date, open ones, and those that may lie in more than 31 days; years before 1"),
        Format("jsonfeed", "application/feed+json", "json", "JSON Feed 1.1, dated by when it was recorded",
               feeds.json_feed, "stances, relations and where in a source it stands"),
        Format("atom", "application/atom+xml", "atom",
               "Atom, dated by when it was recorded; retractions are tombstones (RFC 6721)", feeds.atom,
               "stances, relations, roles and where in a source it stands"),
        Format("timesketch", "application/vnd.timesketch+x-ndjson", "jsonl",
               "Timesketch: one row for each bound of a date, and one for when it was recorded", timesketch.write,
               "roles, stances and relations; bounds before 1700 or after 9999"),
        Format("geojson", "application/geo+json", "geojson",
               "GeoJSON: a point where the place is known, else a null geometry", linked.geojson),
        Format("jsonld", "application/ld+json", "jsonld", "schema.org: a LiveBlogPosting and its Events",
               linked.json_ld, "stances, relations and where in a source it stands; doubt about a date except as EDTF"),
        Format("html", "text/html", "html", "A document to read or to keep: no scripts, nothing fetched", html.write,
               "stances, relations, outcomes, notes, other translations and where in a source it stands",
               policy=html.POLICY),
    )
}

__all__ = ["FORMATS", "Format", "Losses", "NameOf", "Sheet", "actor_name", "localised"]
