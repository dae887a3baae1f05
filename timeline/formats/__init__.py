"""Formats out: one table that the API (`f=` and `Accept`), the command line, the documentation and the tests share.

A format is one pure function from encoded events to chunks of bytes. It gets the page as a `Sheet` and yields bytes, so
that the same function serves one page of the API and an export of millions of events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from timeline.formats import csv, json
from timeline.formats.languages import localised


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written: encoded event bodies in order, the position they speak of, and where the next page is."""

    bodies: Iterable[str]
    position: int
    next: str | None = None


class Format(NamedTuple):
    """One way to write events."""

    name: str
    media_type: str
    extension: str
    description: str
    write: Callable[[Iterable[str], int, str | None], Iterator[bytes]]

    def encode(self, sheet: Sheet) -> bytes:
        """Write a whole sheet at once."""
        return b"".join(self.write(sheet.bodies, sheet.position, sheet.next))

    def stream(self, sheet: Sheet) -> Iterator[bytes]:
        """Write a sheet chunk by chunk."""
        return self.write(sheet.bodies, sheet.position, sheet.next)


FORMATS: Final = {
    each.name: each
    for each in (
        Format("json", "application/json", "json", "A page: items, the position they speak of, and next", json.page),
        Format("ndjson", "application/x-ndjson", "ndjson", "One event a line", json.lines),
        Format("csv", "text/csv", "csv",
               "A table for spreadsheets; text that a spreadsheet could run is made harmless", csv.table),
    )
}

__all__ = ["FORMATS", "Format", "Sheet", "localised"]
