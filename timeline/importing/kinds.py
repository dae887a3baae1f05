"""Formats in: one table of what other tools write, and who reads it.

A reader is a pure function from what the file holds to `Draft`s (`timeline.importing.drafts`). There are two kinds: of
tables (a first line of column names, then rows) and of documents (JSON, iCalendar). Each recognises its own by content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from timeline.errors import Malformed
from timeline.importing.drafts import Draft, Reading, Unread
from timeline.importing.readers import fullcalendar, geojson, timelinejs, timelinejs_csv, timesketch, vis

Rows = Iterable[tuple[int, list[str]]]
Drafts = Iterator[Draft | Unread]
Places = Callable[[int], int]
"""Gives the line at which an item of a document begins."""


class Table(NamedTuple):
    """A format with a header line. `recognises` gets the header; `read` header and rows with their line numbers."""

    name: str
    description: str
    recognises: Callable[[list[str]], bool]
    read: Callable[[list[str], Rows, Reading], Drafts]


class Document(NamedTuple):
    """A format in JSON. `recognises` gets the decoded document; `read` also where its items stand.

    `members` are the members of an object that may hold the items; a list holds them itself.
    """

    name: str
    description: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, Reading, Places], Drafts]
    members: tuple[str, ...]


AnyReader = TypeVar("AnyReader", Table, Document)

TABLES: Final = (
    Table("timesketch", "Timesketch CSV", timesketch.recognises, timesketch.read_csv),
    Table("timelinejs", "TimelineJS3 spreadsheet", timelinejs_csv.recognises, timelinejs_csv.read),
)
DOCUMENTS: Final = (
    Document("geojson", "GeoJSON", geojson.recognises, geojson.read, ("features",)),
    Document("timelinejs", "TimelineJS3 JSON", timelinejs.recognises, timelinejs.read, ("events",)),
    Document("vis", "vis-timeline items", vis.recognises, vis.read, ("items",)),
    Document("fullcalendar", "FullCalendar events", fullcalendar.recognises, fullcalendar.read, ("events",)),
)
NAMES: Final = ("timelinejs", "timesketch", "vis", "fullcalendar", "geojson", "ics")
"""Formats that can be named instead of found out."""


def table(header: list[str], wanted: str) -> Table | None:
    """Find who reads a table with this header; None where it is our own.

    Raises:
        Malformed: another format was wanted.

    """
    return _chosen(TABLES, header, wanted, "a table")


def document(value: object, wanted: str) -> Document | None:
    """Find who reads a JSON document; None where it is our own.

    Raises:
        Malformed: another format was wanted.

    """
    return _chosen(DOCUMENTS, value, wanted, "a JSON document")


def _chosen(readers: Iterable[AnyReader], value: Any, wanted: str, what: str) -> AnyReader | None:  # noqa: ANN401 - decoded
    if not wanted:
        return next((reader for reader in readers if reader.recognises(value)), None)
    if found := next((reader for reader in readers if reader.name == wanted), None):
        return found
    raise Malformed(f"this is {what}, which {wanted} is not: leave --format out to have the format found out")


__all__ = ["DOCUMENTS", "NAMES", "TABLES", "Document", "Table", "document", "table"]
