"""CSV for spreadsheets (RFC 4180), in both directions.

A cell of free text that starts with ``= + - @``, TAB or CR is run as a formula by spreadsheets when the file is opened:
such cells get an apostrophe in front (OWASP, "CSV Injection"), and reading takes it off again. Typed columns stay raw:
an EDTF year may well start with a minus. Lists stand in one cell: ``donald-trump:speaker; axios:reporter``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from timeline.formats.sheet import Sheet

BOM: Final = "\ufeff"
_RISKY: Final = re.compile(r"^[=+\-@\t\r]|^'+[=+\-@\t\r]")


class Column(NamedTuple):
    """One column: how its cell is made from an event, and an event's field from its cell (None: only written)."""

    name: str
    write: Callable[[dict[str, Any]], str]
    read: Callable[[str], dict[str, Any]] | None = None


def _plain(name: str) -> Column:
    return Column(name, lambda event: str(event.get(name, "")), lambda cell: {name: cell})


def _free(name: str) -> Column:
    return Column(name, lambda event: harmless(event.get(name, "")), lambda cell: {name: restored(cell)})


def _translated(name: str, field: str, lang: str) -> Column:
    def write(event: dict[str, Any]) -> str:
        return harmless(event.get("translations", {}).get(lang, {}).get(field, ""))

    return Column(name, write, lambda cell: {"translations": {lang: {field: restored(cell)}}})


def _list(name: str) -> Column:
    return Column(name, lambda event: "; ".join(event.get(name, [])), lambda cell: {name: _split(cell)})


def _actors(event: dict[str, Any]) -> str:
    return "; ".join(
        ":".join(filter(None, (part["id"], part["role"], part.get("on_behalf_of")))) for part in event.get("actors", [])
    )


def _read_actors(cell: str) -> dict[str, Any]:
    names = ("id", "role", "on_behalf_of")
    return {"actors": [dict(zip(names, item.split(":"), strict=False)) for item in _split(cell)]}


def _citations(event: dict[str, Any]) -> str:
    return "; ".join(_citation(citation) for citation in event.get("citations", []))


def _citation(citation: dict[str, Any]) -> str:
    if "start" not in citation:
        return str(citation["source"])
    return f"{citation['source']}#{citation['start']}-{citation['end']}"


def _read_citations(cell: str) -> dict[str, Any]:
    return {"citations": [_parse_citation(item) for item in _split(cell)]}


def _parse_citation(item: str) -> dict[str, Any]:
    source, _, span = item.partition("#")
    start, _, end = span.partition("-")
    return {"source": source, "start": int(start), "end": int(end)} if start.isdigit() and end.isdigit() else {
        "source": item}


def _relations(event: dict[str, Any]) -> str:
    return "; ".join(
        ":".join(filter(None, (item["type"], item["event"], item.get("sense")))) for item in event.get("relations", [])
    )


def _read_relations(cell: str) -> dict[str, Any]:
    names = ("type", "event", "sense")
    return {"relations": [dict(zip(names, item.split(":"), strict=False)) for item in _split(cell)]}


def _place(event: dict[str, Any]) -> str:
    return harmless(event.get("place", {}).get("name", ""))


def _place_id(event: dict[str, Any]) -> str:
    return str(event.get("place", {}).get("id", ""))


def _sequence(cell: str) -> dict[str, Any]:
    return {"sequence": int(cell) if re.fullmatch(r"-?\d{1,6}", cell) else cell}


COLUMNS: Final = (
    _plain("id"),
    _plain("kind"),
    _plain("status"),
    _plain("certainty"),
    _plain("when"),
    _plain("tz"),
    Column("sequence", lambda event: str(event.get("sequence", "")), _sequence),
    _free("title"),
    _free("summary"),
    _plain("lang"),
    _translated("title_fr", "title", "fr"),
    _translated("summary_fr", "summary", "fr"),
    Column("actors", _actors, _read_actors),
    _list("topics"),
    Column("place", _place, lambda cell: {"place": {"name": restored(cell)}}),
    Column("place_id", _place_id, lambda cell: {"place": {"id": cell}}),
    Column("citations", _citations, _read_citations),
    Column("relations", _relations, _read_relations),
    _plain("about"),
    _free("note"),
    Column("earliest", lambda event: str(event["earliest"] or "")),
    Column("latest", lambda event: str(event["latest"] or "")),
    Column("revision", lambda event: str(event["revision"]["number"])),
    Column("position", lambda event: str(event["revision"]["position"])),
    Column("recorded_at", lambda event: str(event["recorded_at"])),
)
"""Every column, in order. Reading takes any of those that can be read, in any order."""

READABLE: Final = {column.name: column.read for column in COLUMNS if column.read is not None}
IGNORED: Final = frozenset(column.name for column in COLUMNS if column.read is None)


def table(sheet: Sheet) -> Iterator[bytes]:
    """Write a header line and one line an event."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([column.name for column in COLUMNS])
    for body in sheet.bodies:
        event = msgspec.json.decode(body)
        writer.writerow([column.write(event) for column in COLUMNS])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def read_row(row: dict[str, str]) -> dict[str, Any]:
    """Make an event's fields from a row's cells; empty cells say nothing.

    Raises:
        KeyError: for a column that is not one of `COLUMNS`.

    """
    event: dict[str, Any] = {}
    for name, cell in row.items():
        if name in IGNORED or not cell.strip():
            continue
        _merge(event, READABLE[name](cell.strip()))
    return event


def _merge(event: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(event.get(name), dict):
            _merge(event[name], value)
        else:
            event[name] = value


def harmless(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run.

    >>> harmless("=1+1"), harmless("a = b"), restored(harmless("'=x"))
    ("'=1+1", 'a = b', "'=x")
    """
    return f"'{text}" if _RISKY.match(text) else text


def restored(cell: str) -> str:
    """Take the apostrophe of `harmless` off again."""
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell[1:]) else cell


def _split(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(";") if item.strip()]
